"""What all pieces of a tensor have in common."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from hw.static_region.operand import SIZE_BITS, STEP_BITS, clamped, last_step, operand
from hw.static_region.resolved_command import ResolvedCommand


class PieceSizes(Component):
    """Multiplies width and channels of one tensor after the other, in one multiplier.

    For each tensor: `on_chip` and `gap` (its pieces take a clock more) hold from 1 clock after
    `start` on; `size` in bytes while `known`, from 2 clocks after `start` on for the first, 3 for
    the second; `last`, the number of a piece's last clock, one later; `settled` says that all of
    them hold. `too_large` is one for a clock if a piece has 16 MiB or more; its size is then less.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Make it for tensors of a command, see `operand`."""
        self._names = names
        count = len(names)
        super().__init__(
            {
                "command": In(ResolvedCommand),
                "start": In(1),
                "on_chip": Out(1).array(count),
                "gap": Out(1).array(count),
                "size": Out(SIZE_BITS).array(count),
                "known": Out(1).array(count),
                "last": Out(STEP_BITS).array(count),
                "settled": Out(1),
                "too_large": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build multiplier and registers; `stage` counts the clocks since `start`."""
        m = Module()
        tensors = [operand(self.command, name) for name in self._names]
        ended = len(tensors) + 2
        stage = Signal(range(ended + 1), init=ended)
        pixels, channels, product = Signal(16), Signal(16), Signal(32)
        size, too_large = clamped(product)
        m.d.comb += self.settled.eq(stage == ended)
        m.d.sync += product.eq(pixels * channels)
        with m.If(self.start):
            m.d.sync += stage.eq(1)
        with m.Elif(~self.settled):
            m.d.sync += stage.eq(stage + 1)
        for i, tensor in enumerate(tensors):
            kept = Signal(SIZE_BITS, name=f"size_{self._names[i]}")
            now = stage == i + 2
            m.d.comb += [
                self.size[i].eq(Mux(now, size, kept)),
                self.known[i].eq(stage >= i + 2),
            ]
            m.d.sync += [self.on_chip[i].eq(tensor.on_chip), self.gap[i].eq(tensor.misaligned)]
            with m.If(self.start if i == 0 else stage == i):
                m.d.sync += [pixels.eq(tensor.piece_pixels), channels.eq(tensor.channels)]
            with m.If(now):
                m.d.comb += self.too_large.eq(too_large & ~tensor.empty)
                m.d.sync += [kept.eq(size), self.last[i].eq(last_step(size, self.gap[i]))]
        return m
