"""Counting to a number that comes with the command, with the end known ahead."""

from __future__ import annotations

from typing import NamedTuple

from amaranth.hdl import Module, Mux, Signal, Value

from hw.blocks.pipeline import stage


class Loop(NamedTuple):
    """A loop.

    Attributes:
        last: a register, it is the last time.
        coming: what `last` will be if the loop starts or advances in this clock.
    """

    last: Signal
    coming: Value

    def after(self, changes: Value) -> Value:
        """Return what `last` will be, which tells whether the loop starts or advances."""
        return Mux(changes, self.coming, self.last)


def loop(m: Module, name: str, most: Value, start: Value, advance: Value) -> Loop:
    """Count `advance` up to `most`, at least one, and again.

    A `start` begins anew; `most` is there a clock before and as long as it counts. Its last but one
    shows in `>=`, a carry chain, where `==` would be several tables in a row.
    """
    following = Signal(len(most), name=f"{name}_next", reset_less=True)
    last, soon = (Signal(name=f"{name}_{when}", reset_less=True) for when in ("last", "soon"))
    once, twice = (stage(m, most == times, f"{name}_{times}") for times in (1, 2))
    coming = Mux(start | last, once, soon)
    with m.If(start | advance):  # beyond `most` only while `last`, then `soon` is not looked at
        m.d.sync += [last.eq(coming), soon.eq(Mux(start | last, twice, following >= most))]
    with m.If(start | (advance & last)):
        m.d.sync += following.eq(3)
    with m.Elif(advance):
        m.d.sync += following.eq(following + 1)
    return Loop(last, coming)
