"""What the configuration controller promises its host: one load at a time, and errors that stay."""

from __future__ import annotations

from amaranth import ClockDomain, ClockSignal, Module
from amaranth.hdl import Assert, Assume, ResetSignal
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from fpga_rt.contract.static_region import ConfigurationError, ConfigurationState
from hw.blocks.axi import axi_read
from hw.formal.past import Past
from hw.static_region.configuration_controller import ConfigurationController
from hw.static_region.port_feeder import ICAP


class HostProperties(Component):
    """A controller with a free host, memory and port; both clocks are one.

    Reset is free at no time: the proof starts from reset, and what a reset in the middle of a load
    does is for simulation.
    """

    def __init__(self, design: ConfigurationController) -> None:
        """Take a controller."""
        self._design = design
        members = design.signature.members
        super().__init__(
            {
                "source": In(64),
                "words": In(32),
                "start": In(1),
                "abort": In(1),
                "loading": In(members["loading"].shape),
                "memory": Out(axi_read()),
                "port": Out(ICAP),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect the controller and say what its state and its load keep to."""
        m = Module()
        m.domains += ClockDomain("icap")
        m.d.comb += [
            ClockSignal("icap").eq(ClockSignal()),
            ResetSignal("icap").eq(ResetSignal()),
            Assume(~ResetSignal()),
        ]
        m.submodules.design = design = self._design
        connect(m, design.axi, flipped(self.memory))
        connect(m, design.icap, flipped(self.port))
        names = ("source", "words", "start", "abort", "loading")
        m.d.comb += [getattr(design, name).eq(getattr(self, name)) for name in names]
        past = Past(m)
        self._check_state(m, past)
        self._check_load(m, past)
        return m

    def _check_state(self, m: Module, past: Past) -> None:
        design = self._design
        running = design.state == ConfigurationState.RUNNING
        failed = design.state == ConfigurationState.FAILED
        error = design.error != ConfigurationError.NONE
        untouched = past(~running & ~design.start)
        same = (design.state == past(design.state)) & (design.error == past(design.error))
        past.check(~untouched | same, "state and error stay until the next start")
        starting, refused = past(design.start & ~design.abort), design.refused
        past.check(~starting | (refused == past(running)), "a start while running is shown")
        past.check(starting | (refused == past(refused)), "that stays until the next start")
        m.d.comb += [
            Assert(design.resting == ~running, "running is what it looks like"),
            Assert(design.state <= ConfigurationState.FAILED, "the state is one that exists"),
            Assert(failed == error, "an error is there when failed, and only then"),
        ]

    def _check_load(self, m: Module, past: Past) -> None:
        design = self._design
        running = design.state == ConfigurationState.RUNNING
        both = running & past(running)
        target, go = design.target, design.go
        past.check(~both | (target == past(target)), "a running load keeps its partition")
        one = target.any() & ~(target & (target - 1)).any()
        m.d.comb += [
            Assert(~running | one, "a load is for one partition"),
            Assert(go == design.engaged, "the port is driven while engaged"),
            Assert(~go | running, "the port is driven for a running load only"),
        ]
        past.check(~past(running & ~go) | ~go | past(design.idle), "a load waits for the last one")
