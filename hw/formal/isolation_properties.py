"""When a partition may be coupled, whatever the host, the configuration port and memory do."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Cat, ClockDomain, ClockSignal, Module, Signal
from amaranth.hdl import Assert, Assume, ResetSignal, Value
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from fpga_rt.contract.static_region import ConfigurationState, PartitionState
from hw.blocks.axi import axi_read
from hw.formal.past import Past
from hw.static_region.configuration_controller import ConfigurationController
from hw.static_region.isolation import Isolation
from hw.static_region.port_feeder import ICAP

_WORDS = ("written", "decouple", "begin", "finish", "fail")


class IsolationProperties(Component):
    """A controller and the states of its partitions, connected as in the static region.

    The host is free, but for writing one register at a time; so are decouplers, memory and port.
    Both clocks are one, and reset is free at no time.
    """

    def __init__(self, design: ConfigurationController, isolations: Sequence[Isolation]) -> None:
        """Take a controller and the state of each of its partitions."""
        self._design, self._isolations = design, isolations
        free = (*_WORDS, "decoupled", "quiescent")
        super().__init__(
            {
                "source": In(64),
                "words": In(32),
                "start": In(1),
                "abort": In(1),
                **{name: In(len(isolations)) for name in free},
                "memory": Out(axi_read()),
                "port": Out(ICAP),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect both and say which partition is coupled when."""
        m = Module()
        m.domains += ClockDomain("icap")
        m.d.comb += [
            ClockSignal("icap").eq(ClockSignal()),
            ResetSignal("icap").eq(ResetSignal()),
            Assume(~ResetSignal()),
        ]
        m.submodules.design = design = self._design
        m.submodules += self._isolations
        connect(m, design.axi, flipped(self.memory))
        connect(m, design.icap, flipped(self.port))
        names = ("source", "words", "start", "abort")
        m.d.comb += [getattr(design, name).eq(getattr(self, name)) for name in names]
        states = [isolation.state for isolation in self._isolations]
        m.d.comb += design.loading.eq(Cat(s == PartitionState.LOADING for s in states))
        self._assume_one_write(m)
        past = Past(m)
        running = design.state == ConfigurationState.RUNNING
        m.d.comb += Assert(design.resting == ~running, "running is what it looks like")
        for index, isolation in enumerate(self._isolations):
            self._connect(m, isolation, index)
            self._check(m, past, isolation, index)
        return m

    def _assume_one_write(self, m: Module) -> None:
        """Let the strobes of one register at a time be up."""
        loads = self.begin | self.finish | self.fail
        writes = Cat(self.start | self.abort, self.written, loads)
        m.d.comb += Assume(~(writes & (writes - 1)).any())

    def _connect(self, m: Module, isolation: Isolation, index: int) -> None:
        for name in (*_WORDS, "decoupled", "quiescent"):
            m.d.comb += getattr(isolation, name).eq(getattr(self, name)[index])
        m.d.comb += [
            isolation.load_runs.eq(self._design.runs[index]),
            isolation.load_failed.eq(self._design.fails[index]),
        ]

    def _check(self, m: Module, past: Past, isolation: Isolation, index: int) -> None:
        """Follow what the controller has done to a partition, and compare its state."""
        design, state = self._design, isolation.state
        runs = (design.state == ConfigurationState.RUNNING) & design.target[index]
        loading, failed = (state == s for s in (PartitionState.LOADING, PartitionState.FAILED))
        spoilt = Signal(name=f"spoilt_{index}")
        """The last load of the controller did not end well, and none has begun since."""
        ended = past(runs) & (design.state == ConfigurationState.DONE)
        begun = past(self.begin[index] & ~runs) & loading
        with m.If(runs):
            m.d.sync += spoilt.eq(1)
        with m.Elif(ended | begun):
            m.d.sync += spoilt.eq(0)
        holds = (state == PartitionState.LOADED) | (state == PartitionState.ACTIVE)
        checks: dict[str, Value] = {
            "the state is one that exists": state <= PartitionState.FAILED,
            "coupled only while active": isolation.isolated | (state == PartitionState.ACTIVE),
            "written only while loading or failed": ~runs | loading | failed,
            "no module after a load that did not end well": ~(holds & spoilt),
            "spoilt until a load ends or begins": ~(spoilt & loading & ~runs) | ended | begun,
        }
        for name, rule in checks.items():
            past.check(rule, f"partition {index}: {name}")
        taken = past(loading & (runs | (self.start & ~self.abort)))  # an abort beats a start
        gave_up = taken & past(runs | design.resting) & ~runs
        fails = gave_up & (design.state == ConfigurationState.FAILED)
        past.check(~fails | failed, f"partition {index}: a load that fails leaves it failed")
