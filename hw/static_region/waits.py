"""Tells when the waits of each ring's current command are over.

A wait names a partition and how many of its commands must have ended in the same iteration. Rings
run through iterations apart from each other, so what counts is how far one is ahead of another:
every ring has a counter of the iterations it has ended beyond those that all have. A ring that is
ahead has ended its whole iteration, which may have fewer commands than a wrong wait asks for.
"""

from __future__ import annotations

from amaranth import Cat, Module, Signal
from amaranth.lib.wiring import Component, In, Out, Signature

from hw.static_region.descriptor_fetcher import LEAD_BITS
from hw.static_region.ring import WAIT_BITS, Waits

RingProgress = Signature(
    {
        "present": Out(1),
        "ended": Out(1),
        "ended_last": Out(1),
        "first": Out(1),
        "waits": Out(Waits),
        "over": In(1),
    }
)
"""A ring's side; see `Ring`. `present`: the submission has it."""


class WaitMatrix(Component):
    """Compares the progress of all rings with what their current commands wait for.

    `over` follows a strobe of `ended` after two clocks, and a change of `waits` and `first` after
    one. The first command of an iteration also waits until every ring has ended the iteration
    `depth` before. Reset it for the next submission.
    """

    def __init__(self, rings: int) -> None:
        """Make a matrix for a number of rings."""
        super().__init__({"depth": In(LEAD_BITS), "rings": In(RingProgress).array(rings)})

    def elaborate(self, platform: object) -> Module:
        """Build a pair of counters for each ring and a comparison for each pair of rings."""
        m = Module()
        rings = list(self.rings)
        leads = [Signal(LEAD_BITS, name=f"lead_{p}") for p in range(len(rings))]
        counts = [Signal(WAIT_BITS, name=f"count_{p}") for p in range(len(rings))]
        all_ahead = Signal()
        are_ahead = [Signal(name=f"is_ahead_{p}") for p in range(len(rings))]
        m.d.comb += all_ahead.eq(
            Cat(~r.present | ahead for r, ahead in zip(rings, are_ahead, strict=True)).all()
        )
        wholes = [Signal(WAIT_BITS, name=f"whole_{p}") for p in range(len(rings))]
        for ring, lead, ahead, count, whole in zip(
            rings, leads, are_ahead, counts, wholes, strict=True
        ):
            falls_back = all_ahead & ring.present
            with m.If(ring.ended_last & ~falls_back):
                m.d.sync += [lead.eq(lead + 1), ahead.eq(1)]
            with m.If(falls_back & ~ring.ended_last):
                m.d.sync += [lead.eq(lead - 1), ahead.eq(lead != 1)]
            with m.If(ring.ended_last):
                m.d.sync += [count.eq(0), whole.eq(count + ~count.all())]
            with m.Elif(ring.ended & ~count.all()):
                m.d.sync += count.eq(count + 1)
        for own, ring in enumerate(rings):
            gate = Signal(init=1, name=f"gate_{own}")
            m.d.sync += gate.eq(~ring.first | all_ahead | (leads[own] != self.depth))
            over = [gate]
            for other in range(len(ring.waits)):
                wait = ring.waits[other]
                done = Signal(name=f"over_{own}_{other}")
                m.d.sync += done.eq(wait == 0)
                if other < len(rings):
                    ahead, level = leads[other] > leads[own], leads[other] == leads[own]
                    passed = ahead & (wholes[other] >= wait) | level & (counts[other] >= wait)
                    m.d.sync += done.eq((wait == 0) | (rings[other].present & passed))
                over.append(done)
            m.d.comb += ring.over.eq(Cat(over).all())
        return m
