"""Assertions about a clock and the one before it."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.hdl import Assert, Value, ValueLike
from amaranth.lib import stream


class Past:
    """Values of the last clock; nothing is checked in the first one, which has none."""

    def __init__(self, m: Module) -> None:
        """Keep the registers in `m`."""
        self._m = m
        self._started = Signal()
        m.d.sync += self._started.eq(1)

    def __call__(self, value: ValueLike) -> Value:
        """Return what a value was a clock before."""
        value = Value.cast(value)
        before = Signal(value.shape())
        self._m.d.sync += before.eq(value)
        return before

    def check(self, holds: ValueLike, name: str) -> None:
        """Assert something that looks back."""
        self._m.d.comb += Assert(~self._started | Value.cast(holds).bool(), name)

    def check_stable(self, channel: stream.Interface, withdrawn: ValueLike, name: str) -> None:
        """Assert that an offered beat stays as it is until it is taken, or `withdrawn` was one."""
        waits = self(channel.valid & ~channel.ready & ~Value.cast(withdrawn).bool())
        same = channel.valid & (channel.payload == self(channel.payload))
        self.check(~waits | same, name)
