"""PYNQ, in a virtual environment of its own that is made once under `build/`.

PYNQ pins old versions of gRPC and NumPy, so it goes into none of this project's environments. It
comes as a source distribution of 234 MB.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fpga_rt.errors import ToolchainError

ROOT = Path(__file__).resolve().parents[1]
VERSION = "3.1.2"
"""The last one that knows Zynq-7000 boards."""
_MORE = ("pycparser<3", "pytest", "hypothesis")  # PYNQ fails with pycparser 3; the tests need both
_LONGEST_S = 900


@contextmanager
def environment(version: str = VERSION) -> Iterator[Path]:
    """Give the Python of an environment with a version of PYNQ, alone; make it if it is not there.

    PYNQ keeps what it has parsed in its own folder, so there is one user at a time.

    Raises:
        ToolchainError: it cannot be installed.
    """
    requirements = (f"pynq=={version}", *_MORE)
    key = " ".join((*requirements, sys.version, "fpga-rt"))
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    folder = ROOT / "build" / f"pynq-client-{version}-{digest}"
    folder.parent.mkdir(exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            _install(folder, requirements)
        yield folder / "bin" / "python"


def _install(folder: Path, requirements: tuple[str, ...]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [*pip, *requirements],
        [*pip, "--no-deps", "--editable", str(ROOT)],
    ):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LONGEST_S, check=False
        )
        if done.returncode:
            raise ToolchainError(
                f"{requirements[0]} cannot be installed here: {done.stderr.strip()[-300:]}"
            )
    (folder / ".ready").touch()
