"""From rows of tensors to pieces of contiguous bytes."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from hw.static_region.operand import PieceSize
from hw.static_region.resolved_command import ADDRESS_BITS

PLACE = StructLayout({"residual": 1, "address": ADDRESS_BITS})
"""A row or a piece: which of two tensors it is of, and its first byte."""


class PieceWalker(Component):
    """Cuts each row into pieces that lie `pixel_pitch` apart, by what is said of their tensor.

    A piece comes one clock after its row was taken, and one can follow every clock, also from row
    to row.
    """

    def __init__(self, tensors: int) -> None:
        """Make a walker for one tensor, or for two: `residual` tells which."""
        self._second = tensors - 1
        super().__init__(
            {
                "tensors": In(PieceSize).array(tensors),
                "pixel_pitch": In(16).array(tensors),
                "row": In(stream.Signature(PLACE)),
                "piece": Out(stream.Signature(PLACE)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Count the pieces after the one that is offered, and add up its address."""
        m = Module()
        row, piece, left, final = self.row, self.piece, Signal(16), Signal()
        step, more = Signal(), Signal()
        first, second = self.tensors[0], self.tensors[self._second]
        m.d.comb += [
            step.eq(piece.ready | ~piece.valid),
            more.eq(piece.valid & ~final),
            row.ready.eq(step & ~more),
        ]
        with m.If(step & more):
            pitches = self.pixel_pitch
            pitch = Mux(piece.payload.residual, pitches[self._second], pitches[0])
            m.d.sync += [
                piece.payload.address.eq(piece.payload.address + pitch),
                left.eq(left - 1),
                final.eq(left == 1),
            ]
        with m.Elif(step):
            residual = row.payload.residual
            m.d.sync += [
                piece.valid.eq(row.valid),
                piece.payload.eq(row.payload),
                left.eq(Mux(residual, second.after, first.after)),
                final.eq(Mux(residual, second.single, first.single)),
            ]
        return m
