"""What state a partition is in, and whether it is cut off (`contract.static_region`)."""

from __future__ import annotations

from amaranth import Module
from amaranth.lib.wiring import Component, In, Out

from fpga_rt.contract.static_region import PartitionState

STATE_BITS = 4


class Isolation(Component):
    """Takes the host's word and the configuration controller's; isolates from a load to its end.

    =========== === ==================================================================
    written     in  strobe: the control register is written; its bit is `decouple`
    begin       in  strobe: to LOADING, unless a module could be disturbed or `load_runs`
    finish      in  strobe: LOADING to LOADED, unless `load_runs`
    fail        in  strobe: LOADING to FAILED
    load_runs   in  the controller runs for the partition
    load_failed in  the controller fails in this clock: LOADING to FAILED
    decoupled   in  the decoupler has cut the partition off
    quiescent   in  nothing is under way
    state       out a `PartitionState`
    isolated    out the decoupler is to cut the partition off
    =========== === ==================================================================

    A controller that runs ends by `load_failed`, or well; in the clock of the one `load_runs` is
    still up, so there is no clock in which `finish` could slip in.
    """

    def __init__(self) -> None:
        """Make it EMPTY and isolated."""
        strobes = ("written", "decouple", "begin", "finish", "fail", "load_runs", "load_failed")
        super().__init__(
            {
                **{name: In(1) for name in (*strobes, "decoupled", "quiescent")},
                "state": Out(STATE_BITS, init=PartitionState.EMPTY),
                "isolated": Out(1, init=1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the state and its register of isolation."""
        m = Module()
        state, isolated = self.state, self.isolated
        with m.If(self.written):
            with m.If(self.decouple):
                m.d.sync += isolated.eq(1)
                with m.If(state == PartitionState.ACTIVE):
                    m.d.sync += state.eq(PartitionState.LOADED)
            with m.Elif((state == PartitionState.LOADED) | (state == PartitionState.ACTIVE)):
                m.d.sync += [isolated.eq(0), state.eq(PartitionState.ACTIVE)]
        loading = state == PartitionState.LOADING
        free = isolated & self.decoupled & self.quiescent & ~self.load_runs
        with m.If(loading & (self.load_failed | (self.fail & ~self.begin))):
            m.d.sync += state.eq(PartitionState.FAILED)
        with m.Elif(self.begin & free):
            m.d.sync += state.eq(PartitionState.LOADING)
        with m.Elif(loading & self.finish & ~self.load_runs):
            m.d.sync += state.eq(PartitionState.LOADED)
        return m
