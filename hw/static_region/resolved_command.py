"""A command as the engines see it: a descriptor whose addresses are those of memory."""

from __future__ import annotations

from amaranth.lib.data import StructLayout

from fpga_rt.contract.command import COMMAND, MAX_PARTITIONS

ADDRESS_BITS = 32
"""Width of a byte address: the boards' memories lie below 4 GiB (see `contract.memory_map`)."""

ADDRESSES = ("input", "residual", "output", "weights", "table")
"""Fields that hold an absolute byte address instead of a segment and an offset."""

_SEQUENCER_FIELDS = ("sequence", *(f"wait{p}" for p in range(MAX_PARTITIONS)))
"""What only the sequencer needs."""

ResolvedCommand = StructLayout(
    {
        field.name: ADDRESS_BITS if field.name in ADDRESSES else field.width
        for field in COMMAND.fields
        if field.name not in _SEQUENCER_FIELDS
    }
)
"""Every field of the contract's descriptor but its place in the ring and its waits."""

ParameterRequest = StructLayout(
    {
        "table": ADDRESS_BITS,
        "table_beats": 10,
        "weights": ADDRESS_BITS,
        "weights_beats": 22,
        "streamed": 1,
        "has_table": 1,
        "has_weights": 1,
    }
)
"""What the parameter reader fetches for a command: its table, then its weights.

The addresses are multiples of 8; `has_table` and `has_weights` say that there are such beats.
Weights follow their table in any case; that they are `streamed` matters to who starts the module.
"""
