"""A sequencer between a paced memory and stub engines that take as long as they are told."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from amaranth import Cat, Signal, Value
from amaranth.lib.data import Const
from amaranth.lib.wiring import PureInterface
from amaranth.sim import Simulator, SimulatorContext

from fpga_rt.contract.command import COMMAND, COMMAND_BYTES, CommandFlag, Segment, address
from fpga_rt.contract.submission import Placement, Ring, Submission
from hw.blocks.axi import DECERR
from hw.static_region.ring import PARAMETER_OVERHEAD_CYCLES
from hw.static_region.sequencer import Sequencer

BASE = 0x1000_0000
HEADER_ADDRESS = BASE + 0xFC0  # crosses 4 KiB
RING_ADDRESS = BASE + 0x2FC0
RING_BYTES = 0x1000
MEMORY_BYTES = 0x8000
LATENCY = 30
STATUS = ("busy", "done", "error", "error_partition", "bank")
ENGINES = ("table_done", "parameters_done", "reader_done", "writer_done")


@dataclass(frozen=True)
class Job:
    """A command of a ring, and the cycles that its stub engines take."""

    parameters: int = 40
    compute: int = 100
    waits: tuple[int, int, int, int] = (0, 0, 0, 0)
    streamed: bool = False
    sequence: int | None = None

    def fields(self, index: int) -> dict[str, int]:
        """Return a descriptor whose every field has a value of its own."""
        chooser = random.Random(hash((index, self.parameters, self.compute)))
        fields = {f.name: chooser.randrange(f.maximum + 1) for f in COMMAND.fields}
        for segment, name in enumerate(("input", "output", "residual", "weights", "table")):
            fields[name] = address(Segment(segment), chooser.randrange(1 << 20))
        flags = CommandFlag.STREAMED_WEIGHTS if self.streamed else CommandFlag.NONE
        fields |= {f"wait{p}": wait for p, wait in enumerate(self.waits)}
        sequence = index if self.sequence is None else self.sequence
        return fields | {"flags": int(flags), "sequence": sequence}


PLACES = {
    Segment.INPUT: Placement(0x2000_0000, 0x100, 1000),
    Segment.OUTPUT: Placement(0x3000_0000, 0x1000, 3),
    Segment.FEATURES: Placement(0xF000_0000, 0x8000, 2),
    Segment.WEIGHTS: Placement(0x5000_0000),
    Segment.TABLES: Placement(0x6000_0000, 0x10, 0),
}


class Drive:
    """Sets inputs, but only those that change: that is what takes the time."""

    def __init__(self, ctx: SimulatorContext) -> None:
        self._ctx = ctx
        self._values: dict[int, int] = {}

    def __call__(self, signal: Signal, value: int) -> None:
        if self._values.get(id(signal)) != value:
            self._values[id(signal)] = value
            self._ctx.set(signal, value)


@dataclass
class Memory:
    """Bytes behind an AXI read port: four beats in five clocks, or with random stalls."""

    data: bytearray = field(default_factory=lambda: bytearray(MEMORY_BYTES))
    stalls: float = 0.0
    requests: list[tuple[int, int]] = field(default_factory=list)
    """Clock and address of every burst."""
    _beats: deque[tuple[int, int, int, int]] = field(default_factory=deque)
    _free: int = 0
    _chooser: random.Random = field(default_factory=lambda: random.Random(5))

    def prepare(self, drive: Drive, axi: PureInterface, clock: int) -> None:
        """Drive the port for a clock."""
        self._offered = bool(self._beats) and self._beats[0][0] <= 4 * clock
        self._ready = self._chooser.random() >= self.stalls
        drive(axi.arready, self._ready)
        drive(axi.rvalid, self._offered)
        if self._offered:
            _, data, response, last = self._beats[0]
            drive(axi.rdata, data)
            drive(axi.rresp, response)
            drive(axi.rlast, last)

    def take(self, clock: int, rready: int, arvalid: int, araddr: int, arlen: int) -> None:
        """See what happened in a clock."""
        if self._offered and rready:
            self._beats.popleft()
        if arvalid and self._ready:
            self.requests.append((clock, araddr))
            for beat in range(arlen + 1):
                wait = 40 if self._chooser.random() < self.stalls else 0
                self._free = max(4 * (clock + LATENCY), self._free) + wait
                at = araddr + 8 * beat - BASE
                inside = 0 <= at < len(self.data)
                data = int.from_bytes(self.data[at : at + 8], "little") if inside else 0
                response = 0 if inside else DECERR
                self._beats.append((self._free, data, response, beat == arlen))
                self._free += 5


@dataclass
class Engine:
    """The stub engines of one partition, and what they saw."""

    jobs: Sequence[Job]
    due: dict[int, list[str]] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    requests: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    beats: list[int] = field(default_factory=list)
    resolved: list[dict[str, int]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    loading: bool = False

    def at(self, clock: int, name: str) -> None:
        self.due.setdefault(clock, []).append(name)

    def job(self, number: int) -> Job:
        return self.jobs[number % len(self.jobs)]

    def requested(self, clock: int, payload: dict[str, int]) -> None:
        job = self.job(len(self.requests))
        self.requests.append((clock, payload))
        assert not self.loading, "parameters were asked for while others came"
        self.loading = True
        arrival = clock + job.parameters - PARAMETER_OVERHEAD_CYCLES
        if job.streamed:
            self.at(arrival, "table_done")
        else:
            self.at(arrival, "parameters_done")

    def started(self, clock: int, resolved: dict[str, int]) -> None:
        number = len(self.starts)
        job, end = self.job(number), clock + self.job(number).compute
        self.starts.append(clock)
        self.resolved.append(resolved)
        assert len(self.beats) >= 8 * (number + 1), "it computes a command it has not got"
        assert len(self.ends) == number, "two commands compute at once"
        first, second = ("reader_done", "writer_done")[:: 1 if number % 3 else -1]
        self.at(end, second)
        self.at(end if number % 4 == 0 else max(clock + 1, end - 7), first)
        if job.streamed:
            self.at(max(clock + 1, end - 9), "parameters_done")


class Rig:
    """A simulator that is built once and reset for every run: building takes a second."""

    def __init__(self, partitions: int) -> None:
        self.dut = Sequencer(partitions)
        self._simulator = Simulator(self.dut)
        self._simulator.add_clock(7e-9)
        self._simulator.add_testbench(self._testbench)
        self._used = False

    async def _testbench(self, ctx: SimulatorContext) -> None:
        await self._drive(ctx)

    def run(self, drive: Callable[[SimulatorContext], Awaitable[None]]) -> None:
        if self._used:
            self._simulator.reset()
        self._drive, self._used = drive, True
        self._simulator.run()


rig = cache(Rig)


@dataclass
class Bench:
    """Runs submissions and notes what happens at which clock from the doorbell on."""

    rings: Mapping[int, Sequence[Job]]
    repeat: int = 1
    depth: int = 1
    partitions: int = 3
    bank: int = 77
    stalls: float = 0.0
    limit: int = 20_000
    segments: Mapping[Segment, Placement] | None = None
    acts: dict[int, dict[str, int]] = field(default_factory=dict)
    """Clock -> inputs that change: `abort`, `start`, `active0`, `module_error1`, ..."""
    drain: int = 9
    """Clocks that engines take to become idle."""
    again: bool = False
    """Ring a second time after the end, everything good again; that run is the one noted."""
    header: bytes | None = None
    """Instead of the right one, in the first run."""
    irq: int = -1

    def __post_init__(self) -> None:
        self._rig = rig(self.partitions)
        self.dut = self._rig.dut
        self.memory = Memory(stalls=self.stalls)
        self.engines = {p: Engine(self.rings.get(p, ())) for p in range(self.partitions)}
        self.stops: list[tuple[int, int]] = []
        self.resets: list[tuple[int, int]] = []
        self._chooser = random.Random(3)
        self._doorbell = 0
        self.write_program()
        if self.header is not None:
            self.put(HEADER_ADDRESS, self.header)

    def write_program(self) -> None:
        """Put header and rings into memory."""
        places = {p: Ring(RING_ADDRESS + p * RING_BYTES, len(j)) for p, j in self.rings.items()}
        features = Placement(0xF000_0000, 0x8000, self.depth)
        segments = {**PLACES, Segment.FEATURES: features} | dict(self.segments or {})
        header = Submission(places, segments, self.repeat, self.bank).encode()
        self.put(HEADER_ADDRESS, header)
        for p, jobs in self.rings.items():
            for index, job in enumerate(jobs):
                descriptor = COMMAND.encode(job.fields(index))
                self.put(places[p].address + COMMAND_BYTES * index, descriptor)

    def put(self, at: int, data: bytes) -> None:
        self.memory.data[at - BASE : at - BASE + len(data)] = data

    def run(self) -> Bench:
        """Ring the doorbell in clock 0 and stop some clocks after `irq`."""
        self._rig.run(self._drive)
        assert self.irq >= 0, "it never ends"
        return self

    async def _drive(self, ctx: SimulatorContext) -> None:
        dut, drive = self.dut, Drive(ctx)
        drive(dut.submission, HEADER_ADDRESS)
        for port in dut.ports:
            drive(port.active, 1)
            drive(port.engines_idle, 1)
        await ctx.tick().repeat(5)
        watched = self._watched()
        clock = 0
        while clock < self.limit and (self.irq < 0 or clock < self.irq + 4):
            drive(dut.start, clock == self._doorbell)
            drive(dut.abort, 0)
            self._act(drive, clock)
            self._prepare(drive, clock)
            _, _, seen = await ctx.tick().sample(Cat(watched))
            values = []
            for value in watched:
                values.append(seen & ((1 << len(value)) - 1))
                seen >>= len(value)
            self._see(ctx, drive, clock, values)
            clock += 1

    def _act(self, drive: Drive, clock: int) -> None:
        for name, value in self.acts.get(clock, {}).items():
            plain = name.rstrip("0123456789")
            target = self.dut if plain == name else self.dut.ports[int(name[len(plain) :])]
            drive(getattr(target, plain), value)

    def _prepare(self, drive: Drive, clock: int) -> None:
        self.memory.prepare(drive, self.dut.axi, clock)
        for p, engine in self.engines.items():
            port, due = self.dut.ports[p], engine.due.pop(clock, [])
            for name in ENGINES:
                drive(getattr(port, name), name in due)
            if "parameters_done" in due:
                engine.loading = False
            drive(port.command.ready, self._chooser.random() >= self.stalls)
            drive(port.parameters.ready, not engine.loading)

    def _watched(self) -> list[Value]:
        axi = self.dut.axi
        watched = [axi.rready, axi.arvalid, axi.araddr, axi.arlen, self.dut.irq]
        for port in self.dut.ports:
            watched += [
                port.command.valid & port.command.ready,
                port.command.payload,
                port.parameters.valid & port.parameters.ready,
                port.compute,
                port.ended,
                port.stop,
                port.region_reset,
            ]
        return watched

    def _see(self, ctx: SimulatorContext, drive: Drive, clock: int, values: list[int]) -> None:
        rready, arvalid, araddr, arlen, irq, *ports = values
        self.memory.take(clock, rready, arvalid, araddr, arlen)
        for p in self.engines:
            self._see_port(ctx, drive, clock, p, ports[7 * p : 7 * p + 7])
        if irq and self.again:
            self.again = False
            self.acts, self._doorbell = {}, clock + 3
            self.engines = {p: Engine(self.rings.get(p, ())) for p in range(self.partitions)}
            self.write_program()
            for port in self.dut.ports:
                drive(port.active, 1)
                drive(port.bus_error, 0)
                drive(port.module_error, 0)
        elif irq and self.irq < 0:
            self.irq = clock
            self._note_status(ctx)

    def _see_port(
        self, ctx: SimulatorContext, drive: Drive, clock: int, p: int, seen: list[int]
    ) -> None:
        command, beat, request, compute, ended, stop, reset = seen
        engine, port = self.engines[p], self.dut.ports[p]
        if command:
            engine.beats.append(beat)
        if request:
            engine.requested(clock, _plain(ctx.get(port.parameters.payload)))
        if compute:
            engine.started(clock, _plain(ctx.get(port.resolved)))
        if ended:
            engine.ends.append(clock - 1)
        if reset:
            self.resets.append((clock, p))
        if stop:
            self.stops.append((clock, p))
            engine.due.clear()
            engine.loading = False
            since = clock - min(at for at, where in self.stops if where == p)
            drive(port.engines_idle, since >= self.drain)

    def _note_status(self, ctx: SimulatorContext) -> None:
        dut = self.dut
        self.status = {n: ctx.get(getattr(dut, n)) for n in STATUS}
        self.completed = [ctx.get(port.completed) for port in dut.ports]
        self.port_errors = [
            (ctx.get(port.error), ctx.get(port.error_command)) for port in dut.ports
        ]


def _plain(struct: Const) -> dict[str, int]:
    """Return the fields of a sampled struct."""
    return {name: int(struct[name]) for name, _ in struct.shape()}
