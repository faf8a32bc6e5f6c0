"""What a piece of a program costs, counted instead of timed: system calls and instructions.

`strace` counts the calls of a whole process, so the same work is done a different number of times.
`callgrind` counts instructions only while the program asks for it, see `counted`.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


@contextmanager
def counted() -> Iterator[None]:
    """Count the instructions inside, where `instructions` has started the process."""
    library = os.environ.get(_SWITCH)
    switch = ctypes.CDLL(library) if library else None
    if switch:
        switch.begin()
    try:
        yield
    finally:
        if switch:
            switch.end()


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
    """Return the instructions that a process carries out inside of `counted`, outside the kernel.

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


def _require(program: str) -> None:
    if shutil.which(program) is None:
        raise ToolchainError(f"{program} is missing: apt-get install strace valgrind gcc")


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
