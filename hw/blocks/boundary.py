"""The module boundary of the contract as an Amaranth signature."""

from __future__ import annotations

from amaranth.lib import stream
from amaranth.lib.wiring import In, Out, Signature

from fpga_rt.contract.command import STREAM_BYTES

STREAM_BITS = 8 * STREAM_BYTES

_WORD_STREAM = stream.Signature(STREAM_BITS)

BOUNDARY = Signature(
    {
        "reset": Out(1),
        "start": Out(1),
        "command": Out(_WORD_STREAM),
        "parameters": Out(_WORD_STREAM),
        "input": Out(_WORD_STREAM),
        "output": In(_WORD_STREAM),
        "error": In(1),
        "module_id": In(64),
    }
)
"""Seen from the static region; a module has `BOUNDARY.flip()` (see `fpga_rt.contract.boundary`)."""
