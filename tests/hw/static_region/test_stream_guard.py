"""StreamGuard on streams that tools write, and on every way to break its rules."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth.sim import Simulator, SimulatorContext

from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import SERIES7, ULTRASCALE_PLUS, Family
from fpga_rt.arch.packets import NOP, SYNC, Command, Opcode, Register, type1, type2, write
from fpga_rt.arch.rules import rules_of
from fpga_rt.bitstream.build import build
from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.walk import walk
from fpga_rt.contract.static_region import ConfigurationError
from hw.static_region.frame_windows import FarWindow, far_windows
from hw.static_region.stream_guard import Primitive, StreamGuard
from tests.hw.static_region.configuration_bench import device, frames_of, partitions

NONE, IDCODE, PARTITION, FORBIDDEN, CRC = (
    ConfigurationError.NONE,
    ConfigurationError.IDCODE,
    ConfigurationError.PARTITION,
    ConfigurationError.FORBIDDEN,
    ConfigurationError.CRC,
)
PLACE = device()
RP0, RP1 = partitions(PLACE)
HERE, THERE = (far_windows(PLACE, rp)[0].low for rp in (RP0, RP1))
FRAME = [0x5A5A5A5A] * 101
LATENCY = 8
"""Clocks from a word to the end of all it does."""
CHECK = write(Register.CRC, 0x1234ABCD)
"""A guard does not look at the value."""


@dataclass
class Result:
    """What a guard let through, and what it says in the end."""

    written: list[int]
    error: ConfigurationError
    aligned: bool
    started: bool


def guarded_each(
    streams: Sequence[Sequence[int]],
    where: Device = PLACE,
    target: int = 0,
    gaps: int = 0,
    windows: Sequence[Sequence[FarWindow]] = (),
) -> list[Result]:
    """Send streams through a guard one after the other, with `gaps` clocks between two words."""
    windows = windows or [far_windows(where, rp) for rp in partitions(where)]
    icap: Primitive = "ICAPE2" if where.family is SERIES7 else "ICAPE3"
    dut = StreamGuard(where.idcode, windows, icap)
    found: list[Result] = []

    async def one(ctx: SimulatorContext, words: Sequence[int]) -> Result:
        written: list[int] = []
        for word in [*words, *[None] * LATENCY]:
            ctx.set(dut.valid, word is not None)
            ctx.set(dut.word, word or 0)
            for _ in range(1 + gaps):
                _, _, passes, output = await ctx.tick().sample(dut.write, dut.output)
                if passes:
                    written.append(output)
                ctx.set(dut.valid, 0)
        error = ConfigurationError(ctx.get(dut.error))
        return Result(written, error, bool(ctx.get(dut.aligned)), bool(ctx.get(dut.started)))

    async def bench(ctx: SimulatorContext) -> None:
        ctx.set(dut.target, 1 << target)
        for words in streams:
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            found.append(await one(ctx, words))

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def guarded(
    words: Sequence[int],
    where: Device = PLACE,
    target: int = 0,
    gaps: int = 0,
    windows: Sequence[Sequence[FarWindow]] = (),
) -> Result:
    """Send one stream through; see `guarded_each`."""
    return guarded_each([words], where, target, gaps, windows)[0]


def words_of(stream: bytes) -> list[int]:
    return [int(word) for word in np.frombuffer(stream, ">u4")]


def due(stream: bytes) -> list[int]:
    """Return what of a good stream goes to the port: its segments and the NOPs behind each."""
    words, kept = words_of(stream), []
    for segment in parse(stream).segments:
        stop = segment.stop
        while stop < len(words) and words[stop] == NOP:
            stop += 1
        kept += words[segment.start - 1 : stop]
    return kept


def partial(*body: int, idcode: int = PLACE.idcode, check: Sequence[int] = CHECK) -> list[int]:
    """Return a stream with `body` between IDCODE and the end, which `check` belongs to."""
    rcrc, desync = (write(Register.CMD, c) for c in (Command.RCRC, Command.DESYNC))
    opening = (0xFFFFFFFF, 0xBB, 0x11220044, 0xFFFFFFFF, SYNC, NOP, *rcrc)
    return [*opening, *write(Register.IDCODE, idcode), *body, *check, *desync, NOP, NOP]


def frames_at(far: int, count: int = 2) -> list[int]:
    return [*write(Register.FAR, far), type1(Register.FDRI, 101 * count), *FRAME * count]


@pytest.mark.parametrize("family", [SERIES7, ULTRASCALE_PLUS], ids=str)
@pytest.mark.parametrize("form", ["plain", "compressed", "reset"])
@pytest.mark.parametrize("target", [0, 1])
def test_partials_pass_whole(family: Family, form: str, target: int) -> None:
    where = device(family)
    stream = build(where, frames_of(where, partitions(where)[target]), form)
    result = guarded(words_of(stream), where, target)
    assert result.error is NONE
    assert result.written == due(stream)
    assert result.started
    assert not result.aligned


def test_gaps_change_nothing() -> None:
    stream = build(PLACE, frames_of(PLACE, RP0))
    assert guarded(words_of(stream), gaps=2).written == due(stream)


@pytest.mark.parametrize("form", ["plain", "compressed", "reset"])
def test_a_partial_for_the_neighbour_stops_at_its_address(form: str) -> None:
    stream = build(PLACE, frames_of(PLACE, RP1), form)
    result = guarded(words_of(stream))
    assert result.error is PARTITION
    assert result.written == due(stream)[: len(result.written)]
    assert result.written[-1] == type1(Register.FAR, 1)


@pytest.mark.parametrize("family", [SERIES7, ULTRASCALE_PLUS], ids=str)
@pytest.mark.parametrize("form", ["full", "full-compressed"])
def test_a_full_stream_is_refused_before_it_does_anything(family: Family, form: str) -> None:
    where = device(family)
    stream = build(where, frames_of(where, partitions(where)[0]), form)
    result = guarded(words_of(stream), where)
    assert result.error is FORBIDDEN
    assert set(result.written) <= {SYNC, NOP}


COMMANDS = sorted({*range(32)} - {int(c) for c in rules_of(SERIES7, full=False).commands})
REGISTERS = sorted({*range(32)} - {int(r) for r in rules_of(SERIES7, full=False).registers})
BAD = {
    "another idcode": (partial(*frames_at(HERE), idcode=0x03722093), IDCODE, 0x03722093),
    "an address outside": (partial(*write(Register.FAR, THERE)), PARTITION, THERE),
    "one past the end": (partial(*write(Register.FAR, HERE + 256)), PARTITION, HERE + 256),
    "reserved bits of the address": (
        partial(*write(Register.FAR, HERE | 1 << 30)),
        PARTITION,
        HERE | 1 << 30,
    ),
    "frame data without an address": (
        partial(type1(Register.FDRI, 202), *FRAME * 2),
        PARTITION,
        type1(Register.FDRI, 202),
    ),
    "long frame data without an address": (
        partial(type1(Register.FDRI, 0), type2(202), *FRAME * 2),
        PARTITION,
        type1(Register.FDRI, 0),
    ),
    "frame data twice for one address": (
        partial(*frames_at(HERE), type1(Register.FDRI, 101), *FRAME),
        PARTITION,
        type1(Register.FDRI, 101),
    ),
    "more frame data than the window has": (
        partial(*frames_at(HERE, 4)),
        PARTITION,
        type1(Register.FDRI, 404),
    ),
    "more in a long packet": (
        partial(*write(Register.FAR, HERE), type1(Register.FDRI, 0), type2(304), *FRAME * 4),
        PARTITION,
        type2(304),
    ),
    "frame data at the address of the end": (
        partial(*frames_at(SERIES7.end_address)),
        PARTITION,
        type1(Register.FDRI, 202),
    ),
    "a repeat at the address of the end": (
        partial(*write(Register.FAR, SERIES7.end_address), *write(Register.MFWR, 0, 0, 0, 0)),
        PARTITION,
        type1(Register.MFWR, 4),
    ),
    "a repeat without an address": (
        partial(*write(Register.MFWR, 0, 0, 0, 0)),
        PARTITION,
        type1(Register.MFWR, 4),
    ),
    "an empty repeat": (
        partial(*write(Register.FAR, HERE), type1(Register.MFWR, 0)),
        FORBIDDEN,
        type1(Register.MFWR, 0),
    ),
    "a type 2 packet by itself": (partial(type2(5), 1, 2, 3, 4, 5), FORBIDDEN, type2(5)),
    "a type 2 packet after a NOP": (
        partial(*write(Register.FAR, HERE), type1(Register.FDRI, 0), NOP, type2(202), *FRAME * 2),
        FORBIDDEN,
        type2(202),
    ),
    "a read": (
        partial(type1(Register.STAT, 1, Opcode.READ)),
        FORBIDDEN,
        type1(Register.STAT, 1, Opcode.READ),
    ),
    "a long read": (partial(type2(9, Opcode.READ)), FORBIDDEN, type2(9, 1)),
    "a bare zero": (partial(0), FORBIDDEN, 0),
    "another kind of NOP": (partial(NOP | 1), FORBIDDEN, NOP | 1),
    "a header with stray bits": (
        partial(type1(Register.FAR, 1) | 1 << 20, HERE),
        FORBIDDEN,
        type1(Register.FAR, 1) | 1 << 20,
    ),
    "more stray bits": (
        partial(type1(Register.FAR, 1) | 1 << 11, HERE),
        FORBIDDEN,
        type1(Register.FAR, 1) | 1 << 11,
    ),
    "a second sync word": (partial(SYNC), FORBIDDEN, SYNC),
    "two words at once": (partial(*write(Register.CMD, 0, 0)), FORBIDDEN, type1(Register.CMD, 2)),
    "a command with stray bits": (partial(*write(Register.CMD, 0x20)), FORBIDDEN, 0x20),
    "a mask of the decryptor": (
        partial(*write(Register.MASK, 0x40), *write(Register.CTL0, 0x40)),
        FORBIDDEN,
        type1(Register.CTL0, 1),
    ),
    "a control register without a mask": (
        partial(*write(Register.CTL1, 0)),
        FORBIDDEN,
        type1(Register.CTL1, 1),
    ),
    "a mask for the other register": (
        partial(*write(Register.MASK, 0x500), *write(Register.CTL1, 0)),
        FORBIDDEN,
        type1(Register.CTL1, 1),
    ),
    **{
        f"command {c}": (partial(*write(Register.CMD, c)), FORBIDDEN, c)
        for c in COMMANDS
        if c != NOP
    },
    **{f"register {r}": (partial(*write(r, 0)), FORBIDDEN, type1(r, 1)) for r in REGISTERS},
}


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """What becomes of every bad stream, one after the other."""
    return dict(zip(BAD, guarded_each([words for words, _, _ in BAD.values()]), strict=True))


@pytest.mark.parametrize("name", BAD)
def test_a_broken_rule_stops_at_the_word_that_breaks_it(
    name: str, results: dict[str, Result]
) -> None:
    words, error, culprit = BAD[name]
    result = results[name]
    assert result.error is error
    start = words.index(SYNC)
    stop = max(at for at, word in enumerate(words) if word == culprit)
    assert result.written == words[start:stop]


def test_frame_data_from_the_middle_of_a_region_is_bounded_by_its_end() -> None:
    second = far_windows(PLACE, RP0)[1].low
    assert guarded(partial(*frames_at(second, 2))).error is NONE
    assert guarded(partial(*frames_at(second, 3))).error is PARTITION
    windows = [[FarWindow(0x80, 0x83, 505, 101)]]
    for far, frames, error in ((0x80, 5, NONE), (0x83, 2, NONE), (0x83, 3, PARTITION)):
        assert guarded(partial(*frames_at(far, frames)), windows=windows).error is error


REPEATED = [*write(Register.FAR, HERE), type1(Register.FDRI, 101), *FRAME]
START, RCRC, DESYNC = (
    write(Register.CMD, c) for c in (Command.START, Command.RCRC, Command.DESYNC)
)


@pytest.mark.parametrize(
    "body",
    [
        frames_at(HERE),
        [*frames_at(HERE), *START],
        [*frames_at(HERE), *CHECK, *frames_at(HERE)],
        [*write(Register.FAR, HERE), type1(Register.FDRI, 0), type2(202), *FRAME * 2],
        [*REPEATED, *CHECK, *write(Register.MFWR, 0, 0)],
    ],
    ids=["short", "started", "the second of two", "long", "repeat"],
)
@pytest.mark.parametrize("end", [DESYNC, RCRC], ids=["DESYNC", "RCRC"])
def test_frame_data_without_a_crc_is_not_ended(body: list[int], end: list[int]) -> None:
    words = partial(*body, *end, check=())
    result = guarded(words)
    assert result.error is CRC
    last = len(words) - len([*end, *DESYNC, NOP, NOP])
    assert result.written == words[words.index(SYNC) : last + 1]
    assert guarded(partial(*body, *CHECK, *end, check=())).error is NONE


def test_a_stream_without_frame_data_needs_no_crc() -> None:
    assert guarded(partial(check=())).error is NONE


def test_frame_data_before_idcode() -> None:
    words = [SYNC, *frames_at(HERE)]
    result = guarded(words)
    assert result.error is IDCODE
    assert result.written == words[:3]


def test_the_revision_of_the_silicon_is_not_compared() -> None:
    assert guarded(partial(*frames_at(HERE), idcode=PLACE.idcode | 0xF0000000)).error is NONE


def test_an_address_holds_for_one_segment() -> None:
    rest = partial(type1(Register.FDRI, 202), *FRAME * 2)
    assert guarded(partial(*frames_at(HERE)) + rest).error is PARTITION
    bare = [SYNC, *frames_at(HERE)]
    assert guarded(partial(*frames_at(HERE)) + bare).error is IDCODE


def test_nothing_but_nops_between_segments() -> None:
    one = partial(*frames_at(HERE))
    result = guarded([*one, 0x12345678, NOP, 0xFFFFFFFF, *one])
    assert result.error is NONE
    assert result.written == [*one[4:], NOP, *one[4:]]


def test_nothing_at_all_before_a_sync_word() -> None:
    result = guarded([NOP, *write(Register.CMD, Command.RCRC), 0xFFFFFFFF, 0x665599AA])
    assert result == Result([], NONE, aligned=False, started=False)


@pytest.mark.parametrize("count", [100, 102, 202])
def test_the_first_repeat_follows_one_frame_exactly(count: int) -> None:
    data = [*write(Register.FAR, HERE), type1(Register.FDRI, count), *[7] * count]
    assert guarded(partial(*data, *write(Register.MFWR, 0, 0))).error is PARTITION


def test_random_words_write_nothing_outside() -> None:
    """Frame addresses that reach the port, read by the host's own parser, are all inside."""
    chooser = random.Random(4)
    good = words_of(build(PLACE, frames_of(PLACE, RP0), "compressed"))
    window = far_windows(PLACE, RP0)[0]
    headers = [at for at, word in enumerate(good) if word >> 28 == 3 or word < 1 << 26]
    streams = [list(good) for _ in range(25)]
    for words in streams:
        words[chooser.choice(headers)] ^= 1 << chooser.randrange(32)
    results = guarded_each(streams)
    for result in results:
        sent = np.array(result.written[1:] + [NOP] * 400, np.uint32)
        found = walk(sent, 0) if result.written else None
        fars = found.value[found.to(Register.FAR)] if found else np.zeros(0)
        complete = fars[fars != NOP]
        assert np.all((complete >= window.low) & (complete <= window.high))
    assert {NONE, FORBIDDEN} <= {result.error for result in results}
