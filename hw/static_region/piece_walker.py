"""From rows of tensors to pieces of contiguous bytes."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from hw.static_region.resolved_command import ADDRESS_BITS

PLACE = StructLayout({"residual": 1, "address": ADDRESS_BITS})
"""A row or a piece: which of two tensors it is of, and its first byte."""


class PieceWalker(Component):
    """Cuts each row into `pieces` that lie `pixel_pitch` apart; both are given for each tensor.

    A piece comes one clock after its row was taken, and one can follow every clock, also from row
    to row.
    """

    def __init__(self) -> None:
        """Make a walker."""
        super().__init__(
            {
                "pieces": In(16).array(2),
                "pixel_pitch": In(16).array(2),
                "row": In(stream.Signature(PLACE)),
                "piece": Out(stream.Signature(PLACE)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Count the pieces after the one that is offered, and add up its address."""
        m = Module()
        row, piece, left = self.row, self.piece, Signal(16)
        step, more = Signal(), Signal()
        m.d.comb += [
            step.eq(piece.ready | ~piece.valid),
            more.eq(piece.valid & (left != 0)),
            row.ready.eq(step & ~more),
        ]
        with m.If(step & more):
            pitch = Mux(piece.payload.residual, self.pixel_pitch[1], self.pixel_pitch[0])
            m.d.sync += [
                piece.payload.address.eq(piece.payload.address + pitch),
                left.eq(left - 1),
            ]
        with m.Elif(step):
            pieces = Mux(row.payload.residual, self.pieces[1], self.pieces[0])
            m.d.sync += [
                piece.valid.eq(row.valid),
                piece.payload.eq(row.payload),
                left.eq(pieces - 1),
            ]
        return m
