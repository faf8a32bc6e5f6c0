"""The device `pynq` on 32-bit ARM, emulated by qemu-user, with Debian's Python and NumPy."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.standin.standin import obstacle

ROOT = Path(__file__).resolve().parents[3]
EMULATOR, COMPILER = "qemu-arm-static", "arm-linux-gnueabihf-gcc"
_PROGRAMS = (EMULATOR, COMPILER, "apt-get", "dpkg-deb")
_PURE = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py")
"""pytest and what it needs: packages without machine code, so this Python's serve ARM too."""
_GUEST_BASE = "0x100000000"
"""qemu-user reports a bus error at the host's address; with this base its low half is ARM's."""


@pytest.fixture(scope="module")
def arm_python() -> Path:
    """Return the root folder of an ARM Python."""
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    reason = obstacle()
    if reason:
        pytest.skip(reason)
    if missing or platform.machine() != "x86_64":
        pytest.skip(
            f"needs x86-64 and {' '.join(missing)}: apt-get install qemu-user-static"
            " gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"
        )
    folder = ROOT / "build/armhf"
    subprocess.run([ROOT / "tools/armhf_python.sh", folder, sys.executable], check=True)
    return folder / "root"


def pure_packages(folder: Path) -> Path:
    """Fill a folder with links to packages that every machine runs."""
    for name in _PURE:
        found = find_spec(name)
        assert found is not None
        assert found.origin is not None
        origin = Path(found.origin)
        target = origin.parent if origin.name == "__init__.py" else origin
        (folder / target.name).symlink_to(target)
    installed = Path(str(distribution("fpga-rt").locate_file("")))
    for metadata in installed.glob("fpga_rt-*.dist-info"):  # it has the entry points
        (folder / metadata.name).symlink_to(metadata)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("tests", ["tests/conformance", "tests/device/pynq"])
def test_the_device_runs_on_32_bit_arm(arm_python: Path, tmp_path: Path, tests: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{pure_packages(tmp_path)}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "FPGA_RT_STANDIN_PYTHON": sys.executable,
        "CC": COMPILER,
    }
    python: list[str | Path] = [
        EMULATOR,
        "-B",
        _GUEST_BASE,
        "-L",
        arm_python,
        arm_python / "usr/bin/python3",
    ]
    chosen = (
        "(pynq-pynq or pynq-uio) and not while_a_load_runs"
        if "conformance" in tests
        else "not (process or stand_in_takes or own_code or somebody_else)"
    )
    ended = subprocess.run(
        [*python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, tests],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert re.search(r"^\d+ passed, \d+ deselected in", ended.stdout, re.MULTILINE), ended.stdout
