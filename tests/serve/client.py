"""PYNQ's own client, in a virtual environment of its own that is made once under build/."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LONGEST_S = 900


def run(version: str, address: str, *arguments: object) -> str:
    """Run PYNQ's Python with arguments; return what it printed.

    One at a time: PYNQ keeps what it has parsed in its own folder.
    """
    variables = {"PYNQ_REMOTE_DEVICES": address, "PYTHONPATH": str(ROOT)}
    with _environment(version) as folder:
        done = subprocess.run(
            [str(folder / "bin" / "python"), "-W", "ignore", *map(str, arguments)],
            capture_output=True,
            text=True,
            env=os.environ | variables,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def _environment(version: str) -> Iterator[Path]:
    """Give an environment with a version of PYNQ, alone; make it where it is not there.

    Skips where it cannot be installed: from its source, 234 MB.
    """
    requirements = (f"pynq=={version}", "pycparser<3", "pytest", "hypothesis")
    key = " ".join((*requirements, sys.version, "fpga-rt"))
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    folder = ROOT / "build" / f"pynq-client-{version}-{digest}"
    folder.parent.mkdir(exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            _install(folder, requirements)
        yield folder


def _install(folder: Path, requirements: tuple[str, ...]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    python = str(folder / "bin" / "python")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--no-input", *requirements],
        [python, "-m", "pip", "install", "--no-input", "--no-deps", "--editable", str(ROOT)],
    ):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LONGEST_S, check=False
        )
        if done.returncode:
            pytest.skip(f"{requirements[0]} cannot be installed here: {done.stderr[-300:]}")
    (folder / ".ready").touch()
