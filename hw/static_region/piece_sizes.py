"""What all pieces of a tensor have in common, known before the first of them is there."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib.data import View
from amaranth.lib.wiring import Component, In, Out

from hw.static_region.operand import BYTE_BITS, SIZE_BITS, PieceSize, operand
from hw.static_region.resolved_command import ResolvedCommand


class PieceSizes(Component):
    """Multiplies width and channels of each tensor, all the time.

    What it says of a command holds `COMMAND_CYCLES` after the command came, `short` and `one` one
    later; `on_chip`, `gap`, `single` and `after` come 2 before that. `too_large` says that a piece
    has 16 MiB or more; its size is then wrong.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Make it for tensors of a command, see `operand`."""
        self._names = names
        super().__init__(
            {
                "command": In(ResolvedCommand),
                "tensors": Out(PieceSize).array(len(names)),
                "too_large": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build a multiplier for each tensor, and what follows from its product."""
        m = Module()
        pairs = zip(self._names, self.tensors, strict=True)
        m.d.comb += self.too_large.eq(Cat(self._tensor(m, *pair) for pair in pairs).any())
        return m

    def _tensor(self, m: Module, name: str, size: View) -> Signal:
        """Describe a tensor; return whether its pieces are too large."""
        tensor = operand(self.command, name)
        pixels, channels = Signal(16, name=f"{name}_pixels"), Signal(16, name=f"{name}_channels")
        partial, product = Signal(32, name=f"{name}_partial"), Signal(32, name=f"{name}_product")
        empty, too_large = Signal(name=f"{name}_empty"), Signal(name=f"{name}_too_large")
        size_bytes = Mux(size.single, product[:SIZE_BITS], channels)
        whole, rest = size_bytes[BYTE_BITS:], size_bytes[:BYTE_BITS]
        m.d.sync += [
            size.on_chip.eq(tensor.on_chip),
            size.single.eq(tensor.contiguous),
            size.gap.eq(tensor.misaligned(size.single)),
            size.after.eq(tensor.width - 1),
            empty.eq(tensor.empty),
            pixels.eq(tensor.width),
            channels.eq(tensor.channels),
            partial.eq(pixels * channels),
            product.eq(partial),
            size.rest.eq(rest),
            size.beats.eq(whole + rest.any()),
            size.beats_and_tail.eq(whole + Mux(rest.any(), 2, 1)),
            size.end.eq(-(whole + rest.any())),
            size.last.eq(whole + (rest.any() + size.gap - 1)),
            size.short.eq(size.last == 0),
            size.one.eq(size.beats == 1),
            too_large.eq(product[SIZE_BITS:].any() & size.single & ~empty),
        ]
        return too_large
