"""Everything that a device is checked for, one after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from fpga_rt.arch.boards import Board
from fpga_rt.device.interface import Device
from fpga_rt.errors import PortUnavailableError
from fpga_rt.modules.module import Module
from fpga_rt.selfcheck.bitstreams import Candidate
from fpga_rt.selfcheck.checks import Checks, NotDoneError
from fpga_rt.selfcheck.contention import loaded_beside_ps
from fpga_rt.selfcheck.memory import Memory, streaming_modules
from fpga_rt.selfcheck.network import run_network
from fpga_rt.selfcheck.ports import Fit, fit
from fpga_rt.selfcheck.report import Report
from fpga_rt.selfcheck.swaps import Swap, swaps

_PS_PER_S, _PS_PER_US, _PS_PER_NS = 10**12, 10**6, 10**3
_SAME_CLOCK = 0.005
"""A clock measured this close to the model's is the model's; what is left is error."""


@dataclass
class SelfCheck:
    """The checks of an open device.

    Attributes:
        device: open; its partitions are the self-check's while it runs.
        candidates: what can be loaded.
        tries: how often every time is taken.
        report: what is found goes into it.
        checks: how every check ended.
    """

    device: Device
    candidates: Sequence[Candidate]
    tries: int
    report: Report
    checks: Checks
    _fits: dict[str, Fit] = field(default_factory=dict)
    _streams: dict[int, Module] = field(default_factory=dict)
    _clock_ps: float = 0.0

    @property
    def board(self) -> Board:
        """The board as it is modelled."""
        return self.device.capabilities.board

    def run(self) -> None:
        """Make every check; none of them stops the others."""
        self._clock_ps = self.board.clock_ps
        ports = sorted(self.board.ports, key=lambda name: name != self.board.default_port)
        for port in ports:
            self._load_through(port)
            self.checks.run(f"port.{port}", partial(self._fit, port))
        self.checks.run("swap.software", self._software)
        self._measure_memory()
        for port in ports:
            name = f"port.{port}.contention"
            self.checks.run(name, partial(self._contention, port))
        self.checks.run("network", self._network)

    def _load_through(self, port: str) -> None:
        """Load everything through the default port, a module for each partition through others."""
        chosen = self.candidates
        if port != self.board.default_port:
            chosen = list({c.partition: c for c in reversed(self.candidates)}.values())
        for candidate in sorted(chosen, key=lambda c: c.partition):
            partition = self.board.partitions[candidate.partition].name
            name = f"load.{port}.{partition}.{candidate.module.name}"
            self.checks.run(name, partial(self._load, candidate, port))

    def _load(self, candidate: Candidate, port: str) -> tuple[list[Swap], str]:
        try:
            done = swaps(self.device, candidate, port, self.tries)
        except PortUnavailableError as error:
            if port == self.board.default_port:
                raise
            raise NotDoneError(f"not offered: {error}") from error
        self.report.swaps += done
        best = min(done, key=lambda swap: swap.total_ps)
        return done, (
            f"{best.size_bytes:,} bytes, {best.total_ps / _PS_PER_US:,.1f} us, of which the port"
            f" {best.port_ps / _PS_PER_US:,.1f} us; identity {candidate.module.module_id:#018x}"
        )

    def _fit(self, port: str) -> tuple[Fit, str]:
        found = fit(self.board.ports[port], self._swaps(port))
        self._fits[port] = found
        self._note(f"port.{port}.rate", found.bytes_per_second, "bytes/s")
        self._note(f"port.{port}.setup", round(found.setup_ps / _PS_PER_US, 3), "us")
        return found, str(found)

    def _software(self) -> tuple[float, str]:
        """Take what the shortest swap through the default port has beside port and registers."""
        if self.device.capabilities.clock == "virtual":
            raise NotDoneError("no figure: host software takes no time on a virtual clock")
        times = [s.software_ps(self.board) for s in self._swaps(self.board.default_port)]
        if not times:
            raise NotDoneError("no figure: no load ended well")
        software_us = max(0, sorted(times)[len(times) // 2]) / _PS_PER_US
        self._note("swap.software", software_us, "us")
        return software_us, f"{software_us:,.1f} us, the median of {len(times)} swaps"

    def _swaps(self, port: str) -> list[Swap]:
        return [swap for swap in self.report.swaps if swap.port == port]

    def _measure_memory(self) -> None:
        """Measure clock and memory with the modules that stream, one in each partition."""
        self._streams = self.checks.run("memory.modules", self._activate_streams) or {}
        if not self._streams:
            return
        self.checks.run("clock.compute", self._clock)
        self.checks.run("dram.rate", self._rate)
        self.checks.run("dram.latency", self._latency)
        self.checks.run("dram.shared_rate", self._shared)

    @property
    def _memory(self) -> Memory:
        return Memory(self.device, self._streams, self.tries, self._clock_ps)

    def _activate_streams(self) -> tuple[dict[int, Module], str]:
        offered: dict[int, list[Module]] = defaultdict(list)
        for candidate in self.candidates:
            offered[candidate.partition].append(candidate.module)
        chosen = streaming_modules(offered)
        if not chosen:
            raise NotDoneError(
                "no figure: no module moves a beat a clock; build clamp_8 or scale_8"
            )
        for partition, module in chosen.items():
            self._activate(partition, module)
        names = ", ".join(f"{m.name} in {self.board.partitions[p].name}" for p, m in chosen.items())
        return chosen, names

    def _activate(self, partition: int, module: Module) -> None:
        found = (c for c in self.candidates if (c.partition, c.module) == (partition, module))
        swaps(self.device, next(found), self.board.default_port)

    def _clock(self) -> tuple[float, str]:
        period_ps = self._memory.clock()
        if abs(period_ps / self.board.clock_ps - 1) > _SAME_CLOCK:
            self._clock_ps = period_ps
        clock_hz, modelled = _PS_PER_S / period_ps, _PS_PER_S / self.board.clock_ps
        self._note("clock.compute", clock_hz, "Hz")
        return period_ps, f"{clock_hz / 1e6:,.2f} MHz, the model has {modelled / 1e6:,.2f} MHz"

    def _rate(self) -> tuple[float, str]:
        rate = self._memory.alone()
        self._note("dram.rate", rate, "bytes/s")
        return rate, f"one port reads {rate / 1e6:,.1f} MB/s while it writes as much"

    def _latency(self) -> tuple[int, str]:
        cycles = self._memory.latency_cycles(self._value("dram.rate"))
        latency_ns = round(cycles * self._clock_ps / _PS_PER_NS, 3)
        self._note("dram.latency", latency_ns, "ns")
        return cycles, f"{cycles} clocks from an address to its beat, {latency_ns:g} ns"

    def _shared(self) -> tuple[float, str]:
        rate = self._memory.together(self._value("dram.rate"))
        self._note("dram.shared_rate", rate, "bytes/s")
        return rate, f"{len(self._streams)} ports read {rate / 1e6:,.1f} MB/s together"

    def _value(self, name: str) -> float:
        if name not in self.report.values:
            raise NotDoneError(f"no figure: it needs {name}, which was not measured")
        return self.report.values[name][0]

    def _contention(self, port: str) -> tuple[int, str]:
        """Repeat the longest load beside a program in another partition."""
        if port not in self._fits:
            raise NotDoneError(f"no figure: it needs the fit of the loads through {port}")
        chosen, alone_ps = self._longest_load(port)
        others = sorted(partition for partition in self._streams if partition != chosen.partition)
        if not others:
            raise NotDoneError("no figure: no other partition has a module that streams")
        beside = {others[0]: self._streams[others[0]]}
        self._activate(*next(iter(beside.items())))
        took_ps = min(
            loaded_beside_ps(self.device, beside, chosen, port, alone_ps) for _ in range(self.tries)
        )
        transfer_ps = alone_ps - self._fits[port].setup_ps
        percent = max(0, round(100 * (took_ps - alone_ps) / transfer_ps))
        self._note(f"port.{port}.contention", percent, "percent")
        return percent, f"a transfer takes {percent} % longer beside a program that uses the DRAM"

    def _longest_load(self, port: str) -> tuple[Candidate, int]:
        """Return what took a port longest to load, and the shortest time of that."""
        took: dict[tuple[int, str], int] = {}
        for swap in self._swaps(port):
            key = (swap.partition, swap.module)
            took[key] = min(swap.port_ps, took.get(key, swap.port_ps))
        longest = max(took, key=lambda key: took[key])
        able = (c for c in self.candidates if (c.partition, c.module.name) == longest)
        return next(able), took[longest]

    def _network(self) -> tuple[None, str]:
        ran = run_network(self.device, self.candidates, self.board.default_port)
        self._note("network.first", ran.first_ps / _PS_PER_US, "us")
        self._note("network.last", ran.last_ps / _PS_PER_US, "us")
        return None, (
            f"{ran.values} outputs equal golden execution after {ran.loads} loads;"
            f" {ran.first_ps / _PS_PER_US:,.1f} us for the first image,"
            f" {ran.last_ps / _PS_PER_US:,.1f} us for the last"
        )

    def _note(self, name: str, value: float, unit: str) -> None:
        self.report.values[name] = (value, unit)
