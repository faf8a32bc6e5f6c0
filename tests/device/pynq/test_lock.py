"""One process at a time has the FPGA."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fpga_rt.device.pynq.lock import FpgaLock
from fpga_rt.errors import DeviceError

HOLD = """
import sys
from pathlib import Path
from fpga_rt.device.pynq.lock import FpgaLock

FpgaLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_is_had_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = FpgaLock(path), FpgaLock(path)
    first.acquire()
    first.acquire()
    with pytest.raises(DeviceError, match=f"busy: process {os.getpid()} has it"):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_a_process_that_is_killed_gives_the_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        lock = FpgaLock(path)
        with pytest.raises(DeviceError, match=f"process {other.pid} has it"):
            lock.acquire()
        other.kill()
        other.wait()
        lock.acquire()
        lock.release()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot open the lock .*absent/lock: No such file"):
        FpgaLock(tmp_path / "absent/lock").acquire()
