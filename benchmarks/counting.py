"""What a piece of a program costs: its time, and what is counted of it by tools around the process.

`strace` counts the system calls of a whole process, so the same work is done a different number of
times. `callgrind` counts instructions only while the program asks for it, as `taken_us` does.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from fpga_rt.errors import ToolchainError

_SWITCH = "FPGA_RT_CALLGRIND_SWITCH"
_SOURCE = """
#include <valgrind/callgrind.h>
void begin(void) { CALLGRIND_START_INSTRUMENTATION; }
void end(void) { CALLGRIND_STOP_INSTRUMENTATION; }
"""
_COLLECTED = re.compile(r"Collected : (\d+)")
_LONGEST_S = 1200

PROGRAMS = ("strace", "valgrind", "cc")
"""What is needed to count."""

Taken = tuple[float, float]
"""Wall and processor time in microseconds; the latter of all threads."""


def obstacle() -> str | None:
    """Return which program is missing and how to install it, None when all are there."""
    return next(filter(None, map(_missing, PROGRAMS)), None)


def taken_us(action: Callable[..., object], *arguments: object) -> Taken:
    """Return the wall and processor time of a call, and have `instructions` count it."""
    switch = _switch()
    if switch:
        switch.begin()
    start = (time.perf_counter(), time.process_time())
    action(*arguments)
    end = (time.perf_counter(), time.process_time())
    if switch:
        switch.end()
    wall, processor = ((after - before) * 1e6 for before, after in zip(start, end, strict=True))
    return wall, processor


@cache
def _switch() -> ctypes.CDLL | None:
    """Return what turns callgrind on and off, in a process that `instructions` has started."""
    library = os.environ.get(_SWITCH)
    return ctypes.CDLL(library) if library else None


def system_calls(prefix: Sequence[str], command: Sequence[str]) -> dict[str, int]:
    """Return how often a process and its threads called the system, by name.

    Args:
        prefix: what the command is started with, and is not counted.
        command: what is counted.

    Raises:
        ToolchainError: strace is missing or the command fails.
    """
    _require("strace")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "calls"
        _run([*prefix, "strace", "-f", "-c", "-o", str(table), *command])
        lines = [line.split() for line in table.read_text().splitlines()]
    rows = [line for line in lines if len(line) >= 5 and line[3].isdecimal()]
    return {line[-1]: int(line[3]) for line in rows if line[-1] != "total"}


def instructions(prefix: Sequence[str], command: Sequence[str]) -> int:
    """Return the instructions that a process carries out while it is inside of `taken_us`.

    Raises:
        ToolchainError: valgrind or a C compiler is missing, or the command fails.
    """
    _require("valgrind")
    _require("cc")
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "switch.c", Path(folder) / "switch.so"
        source.write_text(_SOURCE)
        _run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)])
        tool = ("valgrind", "--tool=callgrind", "--instr-atstart=no")
        output = f"--callgrind-out-file={folder}/out"
        said = _run([*prefix, *tool, output, *command], {_SWITCH: str(library)})
    found = _COLLECTED.search(said)
    if not found:
        raise ToolchainError(f"callgrind did not say what it counted: {said.strip()[-300:]}")
    return int(found[1])


def _missing(program: str) -> str | None:
    there = shutil.which(program) is not None
    return None if there else f"{program} is missing: apt-get install strace valgrind gcc"


def _require(program: str) -> None:
    missing = _missing(program)
    if missing:
        raise ToolchainError(missing)


def _run(command: Sequence[str], variables: dict[str, str] | None = None) -> str:
    """Run a command and return what it said on its error output."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | (variables or {}),
        timeout=_LONGEST_S,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise ToolchainError(f"{' '.join(command[:8])} ... failed: {said}")
    return done.stderr
