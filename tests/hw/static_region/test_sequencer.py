"""The sequencer against the rule of `contract.sequencer`, which knows nothing of gateware."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.contract import sequencer as rule
from fpga_rt.contract.command import COMMAND, Segment, split_address
from fpga_rt.contract.sequencer import CommandCost, Timeline, timeline
from fpga_rt.contract.static_region import SequencerError
from fpga_rt.contract.submission import Placement
from tests.hw.static_region.sequencer_bench import (
    BASE,
    HEADER_ADDRESS,
    LATENCY,
    MEMORY_BYTES,
    PLACES,
    RING_ADDRESS,
    Bench,
    Job,
)

MEMORY = MemoryPort(LATENCY, 5, 4)
DOORBELL_CYCLES = 1
"""The bench counts from the strobe of the doorbell, the contract from the end of its access."""
RING_CYCLES = 10
"""The descriptors of a ring come behind those of the rings before it."""


def expected(rings: Mapping[int, Sequence[Job]], repeat: int, depth: int) -> Timeline:
    """Return the contract's timeline."""
    costs = {
        p: [CommandCost(j.parameters, j.compute, j.waits, j.streamed) for j in jobs]
        for p, jobs in rings.items()
    }
    return timeline(costs, MEMORY, repeat, depth)


def random_rings(
    chooser: random.Random, partitions: int, longest: int, shortest: int = 100
) -> dict[int, list[Job]]:
    """Return rings whose waits can be over: each for commands before it in some order."""
    order = [p for p in range(partitions) for _ in range(chooser.randrange(1, longest))]
    chooser.shuffle(order)
    rings: dict[int, list[Job]] = {p: [] for p in sorted(set(order))}
    for p in order:
        waits = [0, 0, 0, 0]
        for other, jobs in rings.items():
            if chooser.random() < 0.5:
                waits[other] = chooser.randrange(len(jobs) + 1)
        parameters = chooser.choice((chooser.randrange(40, 60), chooser.randrange(40, 250)))
        compute = chooser.randrange(shortest, chooser.choice((shortest + 40, 2 * shortest + 40)))
        a, b, c, d = waits
        rings[p].append(Job(parameters, compute, (a, b, c, d), chooser.random() < 0.2))
    return rings


def check_times(bench: Bench) -> None:
    times = expected(bench.rings, bench.repeat, max(bench.depth, 1))
    for p, jobs in bench.rings.items():
        engine = bench.engines[p]
        assert np.array_equal(engine.starts, times.start[p].ravel() + DOORBELL_CYCLES), p
        assert np.array_equal(engine.ends, times.end[p].ravel() + DOORBELL_CYCLES), p
        assert bench.completed[p] == len(jobs) * bench.repeat
    assert bench.irq == times.total + DOORBELL_CYCLES
    assert bench.status["error"] == SequencerError.NONE
    assert bench.status["bank"] == bench.bank


@pytest.mark.parametrize(
    ("seed", "partitions", "repeat", "depth"),
    [(0, 1, 2, 1), (1, 2, 2, 0), (2, 3, 2, 2), (4, 4, 1, 1)],
)
def test_every_start_and_end_is_the_contracts(
    seed: int, partitions: int, repeat: int, depth: int
) -> None:
    rings = random_rings(random.Random(seed), partitions, 4)
    bench = Bench(rings, repeat, depth, partitions=4 if partitions == 4 else 3)
    check_times(bench.run())


def test_the_documented_constants() -> None:
    bench = Bench({0: [Job(40, 100), Job(24, 100)], 1: [Job(40, 300, (1, 0, 0, 0))]}).run()
    assert bench.memory.requests[2][0] == rule.header_cycles(MEMORY) + DOORBELL_CYCLES
    origin = rule.ring_cycles(MEMORY, 0) + DOORBELL_CYCLES
    starts = bench.engines[0].starts
    assert starts == [origin + 40, origin + 140 + rule.DISPATCH_CYCLES]
    assert bench.engines[1].starts == [origin + 140 + rule.SYNC_CYCLES]
    assert bench.irq == bench.engines[1].ends[0] + rule.COMPLETION_CYCLES


@pytest.mark.parametrize("shortest", [12, 30])
def test_commands_too_short_for_prefetching_are_late_but_right(shortest: int) -> None:
    rings = {p: [Job(24, shortest)] * 4 for p in range(3)}
    bench = Bench(rings, repeat=2, depth=2).run()
    last = bench.engines[0].ends
    assert bench.completed == [8, 8, 8]
    assert last[-1] - last[0] <= 7 * max(3 * RING_CYCLES, shortest + rule.DISPATCH_CYCLES)


def test_a_ring_in_a_later_iteration_satisfies_a_wait() -> None:
    rings = {0: [Job(24, 100)] * 2, 1: [Job(24, 400), Job(24, 50, (2, 1, 0, 0))]}
    bench = Bench(rings, repeat=2, depth=2).run()
    assert bench.engines[0].ends[-1] < bench.engines[1].ends[1]
    check_times(bench)


@pytest.mark.parametrize("stalls", [0.0, 0.4])
def test_modules_get_the_descriptor_and_engines_absolute_addresses(stalls: float) -> None:
    rings = {0: [Job(60, 120), Job(60, 120, streamed=True)], 2: [Job(60, 150)]}
    bench = Bench(rings, repeat=5, depth=2, stalls=stalls).run()
    places = {**PLACES, Segment.FEATURES: Placement(0xF000_0000, 0x8000, 2)}
    depths = {s: max(1, place.depth) for s, place in places.items()}
    assert bench.status["error"] == SequencerError.NONE
    for p, jobs in rings.items():
        engine = bench.engines[p]
        assert len(engine.starts) == 5 * len(jobs)
        for number, resolved in enumerate(engine.resolved):
            iteration, index = divmod(number, len(jobs))
            fields = jobs[index].fields(index)
            beats = engine.beats[8 * number : 8 * number + 8]
            assert b"".join(b.to_bytes(8, "little") for b in beats) == COMMAND.encode(fields)
            for name in ("input", "output", "residual", "weights", "table"):
                segment, offset = split_address(fields[name])
                place = places[Segment(segment)]
                fields[name] = place.base + iteration % depths[Segment(segment)] * place.stride
                fields[name] = (fields[name] + offset) % (1 << 32)
            assert resolved == {name: fields[name] for name in resolved}
            request = engine.requests[number][1]
            assert request.pop("streamed") == jobs[index].streamed
            for name in ("table", "weights"):
                assert request.pop(f"has_{name}") == (fields[f"{name}_beats"] > 0)
            assert request == {name: fields[name] for name in request}


def test_an_address_in_no_segment_lies_in_no_memory() -> None:
    bench = Bench({0: [Job()]})
    for segment in (5, 9, 15):
        at = RING_ADDRESS + 4 * 4  # the descriptor's word 4, the input
        bench.put(at, ((segment << 28) | 0x1234).to_bytes(4, "little"))
        assert bench.run().engines[0].resolved[-1]["input"] == 0x1234
        bench = Bench({0: [Job()]})


def test_nothing_to_do_ends_at_once_with_the_bank() -> None:
    for bench in (Bench({}, bank=5), Bench({0: [Job()]}, repeat=0, bank=6)):
        bench.run()
        assert bench.irq == timeline({}, MEMORY).total + DOORBELL_CYCLES
        assert bench.status == {
            "busy": 0, "done": 1, "error": 0, "error_partition": 0, "bank": bench.bank,
        }  # fmt: skip
        assert not bench.engines[0].requests
        assert not bench.resets


TWO = {0: [Job(40, 100), Job(40, 100)], 1: [Job(40, 300)]}
GONE = BASE + MEMORY_BYTES


def errors() -> list[object]:
    wrong = bytes(160)
    third = {**TWO, 3: [Job()]}
    stuck = {0: [Job(waits=(0, 2, 0, 0))], 1: [Job(40, 100)]}
    itself = {1: [Job(), Job(waits=(0, 2, 0, 0))], 0: [Job()] * 3}
    nobody = {0: [Job(40, 100), Job(waits=(0, 0, 1, 0))]}
    bad = {0: [Job()], 1: [Job(), Job(), Job(sequence=3)]}
    code = SequencerError
    return [
        pytest.param({"rings": TWO, "header": wrong}, code.HEADER, 0, 0, id="magic"),
        pytest.param({"rings": third}, code.HEADER, 3, 0, id="absent partition"),
        pytest.param(
            {"rings": TWO, "acts": {0: {"active1": 0}}}, code.PARTITION, 1, 0, id="inactive"
        ),
        pytest.param(
            {"rings": TWO, "acts": {300: {"active1": 0}}}, code.PARTITION, 1, 0, id="later"
        ),
        pytest.param({"rings": TWO, "acts": {270: {"bus_error0": 1}}}, code.BUS, 0, 1, id="engine"),
        pytest.param(
            {"rings": TWO, "acts": {200: {"module_error1": 1}}}, code.MODULE, 1, 0, id="module"
        ),
        pytest.param({"rings": bad}, code.SEQUENCE, 1, 2, id="sequence"),
        pytest.param({"rings": stuck}, code.DEADLOCK, 0, 0, id="too many"),
        pytest.param({"rings": itself}, code.DEADLOCK, 1, 1, id="itself"),
        pytest.param({"rings": nobody}, code.DEADLOCK, 0, 1, id="nobody"),
    ]


@pytest.mark.parametrize(("program", "code", "partition", "command"), errors())
def test_the_first_error_is_told_and_the_region_left_clean(
    program: Mapping[str, Any], code: SequencerError, partition: int, command: int
) -> None:
    bench = Bench(**program).run()
    assert bench.status["done"] == 1
    assert bench.status["bank"] == 0
    check_error(bench, code, partition, command)


def check_error(bench: Bench, code: SequencerError, partition: int, command: int) -> None:
    assert (bench.status["error"], bench.status["error_partition"]) == (code, partition)
    shown = {p: error for p, error in enumerate(bench.port_errors) if error != (0, 0)}
    assert shown == ({partition: (code, command)} if partition < bench.partitions else {})
    used = {p for p, engine in bench.engines.items() if engine.requests}
    assert {p for _, p in bench.stops} >= used
    for p in used:
        resets = [clock for clock, where in bench.resets if where == p]
        assert resets == list(range(bench.irq - 4, bench.irq))
        assert resets[0] > min(clock for clock, where in bench.stops if where == p) + bench.drain
    stop = min(bench.stops, default=(bench.irq, 0))[0]
    assert all(max(e.starts, default=0) < stop for e in bench.engines.values())


def test_a_ring_outside_of_memory_is_a_bus_error_of_its_partition() -> None:
    bench = Bench(TWO)
    bench.put(HEADER_ADDRESS + 4 * 27, GONE.to_bytes(4, "little"))
    check_error(bench.run(), SequencerError.BUS, 1, 0)


def test_a_header_outside_of_memory_is_a_bus_error() -> None:
    bench = Bench(TWO, acts={0: {"submission": GONE}})
    check_error(bench.run(), SequencerError.BUS, 0, 0)
    assert not bench.resets


@pytest.mark.parametrize("clock", [1, 20, 56, 57, 58, 110, 250, 461])
def test_abort_at_any_moment(clock: int) -> None:
    bench = Bench(TWO, acts={clock: {"abort": 1}}).run()
    assert (bench.status["error"], bench.status["bank"]) == (SequencerError.ABORTED, 0)
    check_error(bench, SequencerError.ABORTED, 0, 0)


@pytest.mark.parametrize("clock", [57, 150])
def test_the_doorbell_after_an_error_finds_everything_as_after_power_up(clock: int) -> None:
    fresh = Bench(TWO, repeat=2).run()
    bench = Bench(TWO, repeat=2, acts={clock: {"abort": 1}}, again=True).run()
    assert bench.status == fresh.status
    assert bench.completed == fresh.completed == [4, 2, 0]
    for p in TWO:
        first = bench.engines[p].starts[0] - fresh.engines[p].starts[0]
        assert bench.engines[p].starts == [s + first for s in fresh.engines[p].starts]
        assert bench.engines[p].resolved == fresh.engines[p].resolved


def test_a_second_start_while_busy_and_an_abort_while_idle_are_ignored() -> None:
    plain = Bench(TWO).run()
    acts = {clock: {"start": 1} for clock in (1, 57, 150, plain.irq - 1)}
    bench = Bench(TWO, acts=acts).run()
    assert bench.irq == plain.irq
    assert bench.engines[0].starts == plain.engines[0].starts
    both = Bench(TWO, acts={0: {"abort": 1}}, limit=200)
    with pytest.raises(AssertionError, match="never ends"):
        both.run()


@pytest.mark.parametrize("seed", range(2))
def test_random_stalls_change_times_only(seed: int) -> None:
    rings = random_rings(random.Random(seed), 3, 3, 30)
    bench = Bench(rings, 2, 1, stalls=0.5).run()
    assert bench.status["error"] == SequencerError.NONE
    assert bench.completed == [2 * len(rings[p]) for p in range(3)]
