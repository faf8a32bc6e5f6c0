"""How much longer a load takes while a program uses the memory."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from math import ceil, prod

from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.device.interface import Completion, Device, Pending, Staged
from fpga_rt.errors import FpgaRtError
from fpga_rt.modules.module import Module
from fpga_rt.selfcheck.bitstreams import Candidate
from fpga_rt.selfcheck.checks import NotDoneError
from fpga_rt.selfcheck.memory import MANY_ROWS, ROW
from fpga_rt.selfcheck.streaming import Streaming
from fpga_rt.selfcheck.swaps import check_identity, port_ps, stage

_LONGER = 1.5
"""The program should take so many times as long as the load."""
_LONGEST_PS = 10**11
"""A tenth of a second: ten times the slowest load of a PYNQ board."""
_ATTEMPTS = 6
"""Each with a program twice as long."""


def loaded_beside_ps(
    device: Device, beside: Mapping[int, Module], candidate: Candidate, port: str, alone_ps: int
) -> int:
    """Return the picoseconds that a port takes for a load while a program streams from DRAM.

    Args:
        device: on which the program's module is active.
        beside: module of the program by partition, not the load's.
        candidate: what is loaded.
        port: through which.
        alone_ps: what the port took without a program.

    Raises:
        NotDoneError: the load is very long, or every program ended too early.
        FpgaRtError: the load or the program failed.
    """
    if alone_ps > _LONGEST_PS:
        raise NotDoneError(
            f"no figure: a load of {alone_ps / 1e9:,.1f} ms is longer than a program should be"
        )
    shape = (MANY_ROWS, *ROW[1:])
    program = Streaming(device, beside, shape)
    least_ps = prod(shape) // STREAM_BYTES * device.capabilities.board.clock_ps
    repeat = ceil(_LONGER * alone_ps / least_ps) + 1
    try:
        for _ in range(_ATTEMPTS):
            took_ps = _beside(device, program, candidate, port, repeat)
            if took_ps is not None:
                return took_ps
            repeat *= 2
    finally:
        program.free()
    raise NotDoneError(f"no figure: every program ended before the load, {repeat // 2} iterations")


def _beside(
    device: Device, program: Streaming, candidate: Candidate, port: str, repeat: int
) -> int | None:
    """Return the port's time beside a program, None when the program ended first."""
    stream = candidate.read()
    staged = stage(device, candidate, stream)
    try:
        device.decouple(candidate.partition)
        running = device.submit(program.submission(repeat))
        completion = _both(device, running, candidate, staged, port)
        device.reset(candidate.partition)
        check_identity(device, candidate)
        device.recouple(candidate.partition)
        program.check()
    finally:
        device.unstage(staged)
    return None if completion is None else port_ps(completion)


def _both(
    device: Device, running: Pending, candidate: Candidate, staged: Staged, port: str
) -> Completion | None:
    """Load while a program runs, let both end, and return the load's end if it came first."""
    try:
        load = device.begin_load(candidate.partition, staged, port)
        first = device.wait(load, running)
    except FpgaRtError:
        with suppress(FpgaRtError):  # so that the next program can be submitted
            device.wait(running)
        raise
    if first.pending is not load:
        device.wait(load)
        return None
    device.wait(running)
    return first
