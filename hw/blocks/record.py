"""Records of the contract as Amaranth layouts."""

from __future__ import annotations

from amaranth.hdl import signed, unsigned
from amaranth.lib.data import Field, FlexibleLayout

from fpga_rt.contract.layout import WORD_BITS, Layout


def record(layout: Layout) -> FlexibleLayout:
    """Return the layout of a record of the contract, every field where the contract puts it."""
    return FlexibleLayout(
        layout.words * WORD_BITS,
        {
            field.name: Field(
                signed(field.width) if field.signed else unsigned(field.width),
                field.word * WORD_BITS + field.low,
            )
            for field in layout.fields
        },
    )
