"""The decoupler by itself, between engines that never rest and a module that turns unknown."""

from __future__ import annotations

from random import Random
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from sim.benches.faults import fault

TO_MODULE = ("command", "parameters", "input")
STREAMS = (*TO_MODULE, "output")

test = cocotb.test(timeout_time=100, timeout_unit="us")


class Traffic:
    """A stream through the decoupler: its beats are numbers that count up."""

    def __init__(self, dut: Any, name: str, random: Random) -> None:  # noqa: ANN401  # cocotb
        """Offer nothing yet, and take nothing."""
        source, sink = ("static", "module") if name in TO_MODULE else ("module", "static")
        self._at = {
            f"{side}_{wire}": getattr(dut, f"{prefix}_{name}_{wire}")
            for side, prefix in (("source", source), ("sink", sink))
            for wire in ("data", "valid", "ready")
        }
        self._random = random
        self._rates = (random.uniform(0.3, 1), random.uniform(0.3, 1))
        self._next = 1
        self.sent: list[int] = []
        self.received: list[int] = []
        self.source_known = self.sink_known = True
        self._drive("source_data", 0)
        self._drive("source_valid", 0)
        self._drive("sink_ready", 0)

    def settle(self) -> None:
        """Take over what the rising edge has moved; call before anything has changed."""
        if self.source_known and self._is("source_valid") and self._is("source_ready"):
            self.sent.append(self._next)
            self._next += 1
            self._drive("source_valid", 0)
        if self.sink_known and self._is("sink_valid") and self._is("sink_ready"):
            self.received.append(int(self._at["sink_data"].value))

    def drive(self) -> None:
        """Offer and take at random; an offer stays until it is taken."""
        offers, takes = (self._random.random() < rate for rate in self._rates)
        if offers:
            self._drive("source_data", self._next)
            self._drive("source_valid", 1)
        self._drive("sink_ready", int(takes))

    def _is(self, wire: str) -> bool:
        return bool(self._at[wire].value == 1)

    def _drive(self, wire: str, value: int) -> None:
        self._at[wire].value = value


class Bench:
    """The decoupler with traffic on all of its streams."""

    def __init__(self, dut: Any, name: str) -> None:  # noqa: ANN401  # cocotb
        """Reset the decoupler, so that it is decoupled."""
        self.dut = dut
        self.random = Random(f"{cocotb.RANDOM_SEED} {name}")
        self.traffic = {name: Traffic(dut, name, self.random) for name in STREAMS}
        for wire, value in (
            *(("rst", 1), ("decouple", 1), ("reset", 0), ("garbage", 0), ("static_start", 0)),
            *(("static_reset", 0), ("module_error", 0), ("module_module_id", 0)),
        ):
            getattr(dut, wire).value = value

    async def clock(self, count: int = 1) -> None:
        """Let clocks pass, with traffic."""
        for _ in range(count):
            await RisingEdge(self.dut.clk)
            for traffic in self.traffic.values():
                traffic.settle()
            await FallingEdge(self.dut.clk)
            for traffic in self.traffic.values():
                traffic.drive()

    async def begin(self) -> None:
        """End the reset and couple."""
        await self.clock(3)
        self.dut.rst.value = 0
        await self.clock(2)
        self.dut.decouple.value = 0
        await self.clock(2)

    def module_is_known(self, known: bool) -> None:
        """Let the module's pins be unknown, or no longer."""
        self.dut.garbage.value = int(not known)
        for name, traffic in self.traffic.items():
            if name in TO_MODULE:
                traffic.sink_known = known
            else:
                traffic.source_known = known


@test
async def coupled(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Every beat passes once and in order, and so do `start`, `error` and the identity."""
    bench = Bench(dut, "coupled")
    await bench.begin()
    for traffic in bench.traffic.values():
        traffic.sent.clear()
        traffic.received.clear()
    for _ in range(300):
        wires = [bench.random.randrange(2) for _ in range(2)]
        identity = bench.random.getrandbits(64)
        dut.static_start.value, dut.module_error.value = wires
        dut.module_module_id.value = identity
        await bench.clock()
        seen = [int(w.value) for w in (dut.module_start, dut.static_error, dut.static_module_id)]
        assert seen == [*wires, identity]
    for traffic in bench.traffic.values():
        held = len(traffic.sent) - len(traffic.received)
        assert abs(held) <= 2
        first = traffic.received[0]
        assert traffic.received == list(range(first, first + len(traffic.received)))
        assert len(traffic.received) > 50
    assert not fault(dut), fault(dut)


@test
async def decoupled_at_random(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """An unknown module changes nothing on the static side, whenever it is cut off."""
    bench = Bench(dut, "decoupled")
    await bench.begin()
    for _ in range(40):
        await bench.clock(bench.random.randrange(1, 40))
        dut.decouple.value = 1
        await bench.clock()
        assert dut.decoupled.value == 1
        bench.module_is_known(False)
        dut.static_start.value = 1
        await bench.clock(2)
        for _ in range(bench.random.randrange(1, 40)):
            await bench.clock()
            assert dut.module_start.value == 0
            assert dut.static_error.value == 0
            for name in TO_MODULE:
                assert getattr(dut, f"static_{name}_ready").value == 1
                assert getattr(dut, f"module_{name}_valid").value == 0
        dut.static_start.value = 0
        bench.module_is_known(True)
        dut.reset.value = 1
        await bench.clock(bench.random.randrange(2, 5))
        dut.reset.value = 0
        await bench.clock(bench.random.randrange(2, 9))
        dut.decouple.value = 0
        before = [len(traffic.received) for traffic in bench.traffic.values()]
        await bench.clock(30)
        for count, traffic in zip(before, bench.traffic.values(), strict=True):
            assert len(traffic.received) > count
    for name, traffic in bench.traffic.items():
        assert traffic.received == sorted(set(traffic.received)), name
        assert set(traffic.received) <= {*traffic.sent, traffic.sent[-1] + 1}, name
    assert not fault(dut), fault(dut)


@test
async def an_offered_beat_outlives_the_module(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A beat of output that waits is held through decoupling and garbage until it is taken."""
    bench = Bench(dut, "held")
    await bench.begin()
    output = bench.traffic["output"]
    while dut.static_output_valid.value != 1:
        await bench.clock()
    while dut.static_output_ready.value == 1:
        await bench.clock()
    while dut.static_output_valid.value != 1:
        await bench.clock()
    dut.static_output_ready.value = 0
    offered = int(dut.static_output_data.value)
    del bench.traffic["output"]
    output.sink_known = output.source_known = False
    dut.decouple.value = 1
    await bench.clock()
    bench.module_is_known(False)
    for _ in range(20):
        await bench.clock()
        assert dut.empty.value == 0
        assert dut.static_output_valid.value == 1
        assert int(dut.static_output_data.value) == offered
    dut.static_output_ready.value = 1
    await bench.clock(4)
    assert dut.empty.value == 1
    assert not fault(dut), fault(dut)


@test
async def the_bench_sees_what_is_not_decoupled(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Garbage without decoupling gets through, so the monitors would find a decoupler missing."""
    bench = Bench(dut, "control")
    await bench.begin()
    await bench.clock(20)
    assert not fault(dut), fault(dut)
    for traffic in bench.traffic.values():
        traffic.source_known = traffic.sink_known = False
    dut.garbage.value = 1
    await bench.clock(10)
    assert "static_output was unknown" in fault(dut)
