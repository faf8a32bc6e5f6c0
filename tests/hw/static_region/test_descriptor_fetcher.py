"""The fetcher by itself on a reader that answers at once: order, marks, room, what is wrong."""

from __future__ import annotations

from amaranth.sim import Simulator, SimulatorContext

from fpga_rt.contract.command import COMMAND, Segment, address
from fpga_rt.contract.static_region import SequencerError
from fpga_rt.contract.submission import Placement, Ring, Submission
from hw.static_region.descriptor_fetcher import SLOTS, DescriptorFetcher

FEATURES = Placement(0xF000_0000, 0x400, 2)
RINGS = {0: Ring(0x1000_0000, 2), 2: Ring(0x1000_1FC0, 3)}


def descriptor(index: int) -> bytes:
    place = address(Segment.FEATURES, 0x40 * index)
    return COMMAND.encode({"sequence": index, "input": place, "table": 0x1234})


class Bench:
    """Answers requests, releases slots when told, and notes what rings are given."""

    def __init__(self, repeat: int, wrong_index: int | None = None) -> None:
        self.dut = DescriptorFetcher()
        self.header = Submission(RINGS, {Segment.FEATURES: FEATURES}, repeat, 9).encode()
        self.wrong_index = wrong_index
        self.requests: list[int] = []
        self.inputs: dict[int, list[int]] = {0: [], 2: []}
        self.marks: dict[int, list[tuple[int, int, int]]] = {0: [], 2: []}
        self.errors: list[tuple[int, int, int]] = []
        self.release: list[int] = []
        self._beats: list[int] = []
        self._addresses: dict[int, int] = {}

    def _answer(self, at: int, beats: int) -> None:
        if at == 0x1000_8000:
            data = self.header
        else:
            ring = 2 if at >= RINGS[2].address else 0
            self.requests.append(ring)
            index = (at - RINGS[ring].address) // 64
            data = descriptor(7 if (ring, index) == (2, self.wrong_index) else index)
        assert len(data) == 8 * beats
        self._beats += [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]

    async def step(self, ctx: SimulatorContext) -> None:
        dut = self.dut
        ctx.set(dut.data.valid, bool(self._beats))
        if self._beats:
            ctx.set(dut.data.payload, self._beats[0])
        for ring in (0, 2):
            ctx.set(dut.rings[ring].release, ring in self.release)
        self.release = []
        ports = [dut.rings[0], dut.rings[2]]
        _, _, asked, at, beats, taken, error, *rest = await ctx.tick().sample(
            dut.request.valid & dut.request.ready,
            dut.request.payload.address,
            dut.request.payload.beats,
            dut.data.valid & dut.data.ready,
            dut.error,
            dut.error_code, dut.error_ring, dut.error_command, dut.header_done,
            *(v for p in ports for v in (p.address_write, p.address_index, p.address, p.commit)),
            *(v for p in ports for v in (p.marks.first, p.marks.last, p.marks.final)),
        )  # fmt: skip
        code, where, command, done, *writes = rest
        if taken:
            self._beats.pop(0)
        if asked:
            self._answer(at, beats)
        if error:
            self.errors.append((code, where, command))
        ctx.set(dut.begin, done)
        for number, ring in enumerate((0, 2)):
            write, index, value, commit = writes[4 * number : 4 * number + 4]
            if write:
                self._addresses[index] = value
            if commit:
                assert sorted(self._addresses) == [0, 1, 2, 3, 4]
                assert self._addresses[4] == 0x1234 + 0  # segment 0 is at 0
                self.inputs[ring].append(self._addresses[0])
                self.marks[ring].append(tuple(writes[8 + 3 * number : 11 + 3 * number]))
                self._addresses = {}

    def run(self, cycles: int, always_room: bool) -> None:
        async def bench(ctx: SimulatorContext) -> None:
            dut = self.dut
            ctx.set(dut.request.ready, 1)
            ctx.set(dut.submission, 0x1000_8000)
            ctx.set(dut.start, 1)
            await self.step(ctx)
            ctx.set(dut.start, 0)
            for _ in range(cycles):
                before = {ring: len(marks) for ring, marks in self.marks.items()}
                await self.step(ctx)
                if always_room:
                    self.release = [r for r, marks in self.marks.items() if len(marks) > before[r]]
            self.quiet = ctx.get(dut.quiet)
            assert ctx.get(dut.magic)
            assert (ctx.get(dut.repeats), ctx.get(dut.bank)) == (self._repeat() > 0, 9)
            assert (ctx.get(dut.present), ctx.get(dut.features_depth)) == (0b101, 2)

        simulator = Simulator(self.dut)
        simulator.add_clock(7e-9)
        simulator.add_testbench(bench)
        simulator.run()

    def _repeat(self) -> int:
        return int.from_bytes(self.header[4:8], "little")


def test_rings_take_turns_over_iterations_with_places_and_marks() -> None:
    bench = Bench(repeat=3)
    bench.run(260, always_room=True)
    assert bench.requests == [0, 2] * 6 + [2] * 3
    for ring, place in RINGS.items():
        length = place.commands
        assert bench.inputs[ring] == [
            FEATURES.at(iteration) + 0x40 * index
            for iteration in range(3)
            for index in range(length)
        ]
        assert bench.marks[ring] == [
            (index == 0, index == length - 1, index == length - 1 and iteration == 2)
            for iteration in range(3)
            for index in range(length)
        ]
    assert bench.quiet
    assert not bench.errors


def test_a_ring_without_room_is_not_read_further() -> None:
    bench = Bench(repeat=100)
    bench.run(250, always_room=False)
    assert bench.requests == [0, 2] * SLOTS
    assert bench.quiet


def test_a_wrong_sequence_number_is_not_handed_on() -> None:
    bench = Bench(repeat=1, wrong_index=1)
    bench.run(120, always_room=False)
    assert bench.errors[0] == (SequencerError.SEQUENCE, 2, 1)
    assert bench.marks[2] == [(1, 0, 0), (0, 1, 1)]
