"""ConfigurationController with a memory and a stand-in of the port: how every load ends."""

from __future__ import annotations

import gc
import random
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from amaranth.sim import SimulatorContext

from fpga_rt.arch.families import SERIES7, ULTRASCALE_PLUS, Family
from fpga_rt.arch.packets import NOP, SYNC, Command, Register, write
from fpga_rt.bitstream.build import build
from fpga_rt.contract.static_region import ConfigurationError, ConfigurationState
from hw.static_region.configuration_controller import ConfigurationController
from hw.static_region.port_feeder import AVAILABLE_CYCLES, SETTLE_CYCLES
from tests.hw.static_region.configuration_bench import (
    BASE,
    ICAP_PS,
    SYNC_PS,
    Bench,
    Outcome,
    Port,
    device,
    frames_of,
    partitions,
)
from tests.hw.static_region.test_stream_guard import due, words_of

DONE, FAILED = ConfigurationState.DONE, ConfigurationState.FAILED
PLACE = device()
ABORT_NOP = [NOP]
READ_IDCODE = [0xFFFFFFFF, SYNC, NOP, 0x28018001, NOP, NOP]
READ_STAT = [0xFFFFFFFF, SYNC, NOP, 0x2800E001, NOP, NOP]
DESYNC = [NOP, *write(Register.CMD, Command.DESYNC), NOP, NOP]
PROBE = [*ABORT_NOP, *READ_IDCODE, *DESYNC]
SETTLE = [NOP] * SETTLE_CYCLES

Action = Callable[[SimulatorContext], Awaitable[None]]


@cache
def stream(family: Family = SERIES7, form: str = "plain", target: int = 0) -> bytes:
    where = device(family)
    return build(where, frames_of(where, partitions(where)[target]), form)


def bench(data: bytes | None = None, port: Port | None = None) -> Bench:
    return Bench(stream() if data is None else data, PLACE, port=port)


def failed(outcome: Outcome, error: ConfigurationError) -> bool:
    return (outcome.state, outcome.error) == (FAILED, error)


@pytest.mark.parametrize(
    ("family", "form", "target"),
    [
        *((SERIES7, form, 0) for form in ("plain", "compressed", "reset")),
        *((ULTRASCALE_PLUS, form, 0) for form in ("plain", "reset")),
        (SERIES7, "plain", 1),
    ],
    ids=str,
)
def test_a_partial_reaches_the_port_word_for_word(family: Family, form: str, target: int) -> None:
    data = stream(family, form, target)
    b = Bench(data, device(family))
    outcome = b.load(loading=1 << target)
    assert (outcome.state, outcome.error) == (DONE, ConfigurationError.NONE)
    assert outcome.idcode == device(family).idcode
    assert b.port.written == [*PROBE, *due(data), *SETTLE]
    assert not b.port.aligned
    assert b.port.aborts == 1
    assert b.port.early == 0


def test_a_word_per_clock() -> None:
    data = stream(form="reset")
    b = bench(data)
    outcome = b.load()
    first = len(PROBE)
    clocks = b.writes[first : first + len(due(data))]
    assert clocks == list(range(clocks[0], clocks[0] + len(due(data))))
    overhead = outcome.clocks * SYNC_PS / ICAP_PS - len(data) // 4
    assert overhead < 80


@pytest.mark.slow
def test_the_port_is_busy_99_percent_of_64_kib() -> None:
    frame = [*np.random.default_rng(2).integers(0, 1 << 32, 101).tolist()]
    bodies = [
        *write(Register.FAR, 0),
        Register.FDRI << 13 | 0x30000000,
        0x50000000 | 168 * 101,
        *frame * 168,
    ]
    data = np.array(
        [*words_of(stream())[:20], *bodies, *write(0, 0), *write(4, 13), *[NOP] * 16], ">u4"
    )
    b = Bench(data.tobytes(), PLACE, port=Port(PLACE.idcode, checks_crc=False), unbounded=True)
    outcome = b.load()
    assert outcome.state is DONE
    assert len(data) >= 16_384
    clocks = b.writes[len(PROBE) : -SETTLE_CYCLES]
    assert len(clocks) >= 0.99 * (clocks[-1] - clocks[0] + 1)


def test_pauses_of_the_memory_change_nothing() -> None:
    b = bench()
    b.memory.numerator = 23
    assert b.load().state is DONE
    assert b.port.written == [*PROBE, *due(stream()), *SETTLE]
    assert b.writes[-1] - b.writes[0] > 2 * len(b.writes)


@pytest.mark.parametrize("odd", [1, 2])
def test_words_beyond_the_stream_are_not_sent(odd: int) -> None:
    data = stream()[: -4 * odd]
    b = bench(data + write_bytes(0xDEADBEEF) * 8)
    outcome = b.load(words=len(data) // 4)
    assert outcome.state is DONE
    assert b.port.written == [*PROBE, *due(data), *SETTLE]


def write_bytes(word: int) -> bytes:
    return word.to_bytes(4, "big")


def corrupt(at: int, bits: int = 1) -> bytes:
    words = words_of(stream())
    words[at] ^= bits
    return np.array(words, ">u4").tobytes()


PAYLOAD = 100
"""A word of frame data in the plain stream."""


def test_a_flipped_bit_of_frame_data() -> None:
    b = bench(corrupt(PAYLOAD))
    outcome = b.load()
    assert failed(outcome, ConfigurationError.CRC)
    assert outcome.stat & 1
    assert b.port.written[-len(READ_STAT + DESYNC) :] == READ_STAT + DESYNC
    assert b.port.aborts == 2
    assert not b.port.aligned
    crc = next(at for at, word in enumerate(due(stream())) if word == 0x30000001)
    assert len(b.port.written) < len(PROBE) + crc + 12 + len(READ_STAT + DESYNC)


@pytest.mark.parametrize(
    ("attribute", "error"),
    [("crc_error", ConfigurationError.CRC), ("id_error", ConfigurationError.IDCODE)],
)
def test_an_error_that_the_port_finds_by_itself(attribute: str, error: ConfigurationError) -> None:
    at = len(PROBE) + 60
    b = bench(port=Port(PLACE.idcode, fails_at=(at, attribute)))
    outcome = b.load()
    assert failed(outcome, error)
    assert len(b.port.written) < at + 12 + len(READ_STAT + DESYNC)
    assert not b.port.aligned


def test_an_error_at_the_very_end() -> None:
    at = len(PROBE) + len(due(stream())) - 1
    b = bench(port=Port(PLACE.idcode, fails_at=(at, "crc_error")))
    assert failed(b.load(), ConfigurationError.CRC)


def test_another_device() -> None:
    where = replace(PLACE, idcode=0x03722093)
    data = build(where, frames_of(where, partitions(where)[0]))
    b = bench(data)
    assert failed(b.load(), ConfigurationError.IDCODE)
    assert 0x03722093 not in b.port.written
    assert b.port.frames == 0
    assert not b.port.aligned


def test_another_partition() -> None:
    b = bench(stream(target=1))
    assert failed(b.load(loading=1), ConfigurationError.PARTITION)
    assert b.port.frames == 0
    assert not b.port.aligned


def test_a_full_stream() -> None:
    b = bench(build(PLACE, frames_of(PLACE, partitions(PLACE)[0]), "full"))
    assert failed(b.load(), ConfigurationError.FORBIDDEN)
    assert b.port.frames == 0
    assert not b.port.aligned


@pytest.mark.parametrize("words", [60, 333, 334])
def test_a_truncated_stream(words: int) -> None:
    b = bench()
    assert failed(b.load(words=words), ConfigurationError.INCOMPLETE)
    sent = due(stream())[: words - (len(words_of(stream())) - len(due(stream())))]
    assert b.port.written == [*PROBE, *sent]
    assert b.port.aborts == 2
    assert not b.port.aligned


@pytest.mark.parametrize("words", [0, 1, 12])
def test_a_stream_without_a_sync_word(words: int) -> None:
    b = bench()
    assert failed(b.load(words=words), ConfigurationError.INCOMPLETE)
    assert b.port.written == PROBE


@pytest.mark.parametrize("loading", [0, 3])
def test_not_exactly_one_partition_is_loading(loading: int) -> None:
    b = bench()
    outcome = b.load(loading=loading)
    assert failed(outcome, ConfigurationError.PARTITION)
    assert outcome.clocks == 1
    assert b.port.written == []
    assert b.memory.beats == 0


@pytest.mark.parametrize(
    "how",
    [{"source": BASE + 32}, {"source": BASE + (1 << 32)}, {"words": 1 << 23}],
    ids=["unaligned", "beyond the bus", "too long"],
)
def test_a_range_that_no_memory_has(how: dict[str, int]) -> None:
    b = bench()
    outcome = b.load(None, **how)
    assert failed(outcome, ConfigurationError.BUS)
    assert outcome.clocks == 2
    assert b.port.written == []


@pytest.mark.parametrize("refused", [0, 128, 640, 1280])
def test_a_bus_error_stops_before_the_word_it_hits(refused: int) -> None:
    b = bench()
    b.memory.refuses_from = refused
    assert failed(b.load(), ConfigurationError.BUS)
    good = due(stream())
    skipped = len(words_of(stream())) - len(good)
    sent = b.port.written[len(PROBE) :]
    body = sent[:-1] if sent and sent[-1] == NOP else sent
    assert body == good[: len(body)]
    assert len(body) <= max(0, refused // 4 - skipped)
    assert not b.port.aligned


def test_the_processor_owns_the_port() -> None:
    b = bench(port=Port(PLACE.idcode, deaf=True))
    outcome = b.load()
    assert failed(outcome, ConfigurationError.PORT)
    assert outcome.idcode == 0xFFFFFFFF
    assert b.port.written == []


def test_a_port_of_another_device() -> None:
    b = bench(port=Port(0x03722093))
    outcome = b.load()
    assert failed(outcome, ConfigurationError.PORT)
    assert outcome.idcode == 0x03722093
    assert b.port.written == [*PROBE, *ABORT_NOP]


def test_a_later_revision_of_the_silicon() -> None:
    outcome = bench(port=Port(PLACE.idcode | 0x3 << 28)).load()
    assert outcome.state is DONE
    assert outcome.idcode == PLACE.idcode | 0x3 << 28


@pytest.mark.parametrize("latency", [2, 6])
def test_registers_come_when_they_come(latency: int) -> None:
    b = bench(corrupt(PAYLOAD), port=Port(PLACE.idcode, latency=latency))
    outcome = b.load()
    assert failed(outcome, ConfigurationError.CRC)
    assert outcome.idcode == PLACE.idcode
    assert outcome.stat & 1


def test_icape3_is_waited_for_but_not_for_ever() -> None:
    where = device(ULTRASCALE_PLUS)
    data = stream(ULTRASCALE_PLUS)
    late = Bench(data, where, port=Port(where.idcode, unavailable=True))

    async def comes(ctx: SimulatorContext) -> None:
        await ctx.tick("icap").repeat(AVAILABLE_CYCLES // 2)
        late.port.unavailable = False

    never = Bench(data, where, port=Port(where.idcode, unavailable=True))
    assert late.load(comes).state is DONE
    assert failed(never.load(), ConfigurationError.PORT)
    assert never.port.written == []


def test_icape3_that_goes_away() -> None:
    where = device(ULTRASCALE_PLUS)
    b = Bench(stream(ULTRASCALE_PLUS), where)

    async def goes(ctx: SimulatorContext) -> None:
        await ctx.tick("icap").repeat(150)
        b.port.unavailable = True

    assert failed(b.load(goes), ConfigurationError.PORT)
    assert not b.port.aligned


def test_the_processor_takes_the_port_in_the_middle() -> None:
    b = bench()

    async def takes(ctx: SimulatorContext) -> None:
        await ctx.tick("icap").repeat(150)
        b.port.deaf = True

    assert failed(b.load(takes), ConfigurationError.PORT)


@pytest.mark.parametrize("clocks", [1, 20, 61, 90, 300])
def test_abort_at_any_time(clocks: int) -> None:
    b = bench()

    async def abort(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(clocks)
        ctx.set(b.dut.abort, 1)
        await ctx.tick()
        ctx.set(b.dut.abort, 0)

    first, second = b.loads(abort, None)
    assert failed(first, ConfigurationError.ABORTED)
    assert second.state is DONE
    assert b.port.written[-len(due(stream())) - SETTLE_CYCLES :] == [*due(stream()), *SETTLE]
    assert not b.port.aligned


def test_loading_must_last() -> None:
    b = bench()

    async def fail(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(200)
        ctx.set(b.dut.loading, 0b10)

    assert failed(b.load(fail), ConfigurationError.PARTITION)
    assert not b.port.aligned


def test_a_start_while_running_is_shown_and_changes_nothing() -> None:
    b = bench()
    shown: list[int] = []

    async def again(ctx: SimulatorContext) -> None:
        shown.append(ctx.get(b.dut.refused))
        for _ in range(40):
            await ctx.tick().repeat(11)
            ctx.set(b.dut.source, 0)
            ctx.set(b.dut.words, 3)
            ctx.set(b.dut.start, 1)
            await ctx.tick()
            ctx.set(b.dut.start, 0)
            shown.append(ctx.get(b.dut.refused))

    async def look(ctx: SimulatorContext) -> None:
        shown.append(ctx.get(b.dut.refused))

    first, second = b.loads(again, look)
    assert (first.state, second.state) == (DONE, DONE)
    assert b.port.written == [*PROBE, *due(stream()), *SETTLE] * 2
    assert shown == [0, *[1] * 40, 0]


def test_an_abort_beside_a_start_counts() -> None:
    b = bench()

    async def never(ctx: SimulatorContext) -> None:
        ctx.set(b.dut.abort, 1)
        await b.start(ctx)
        ctx.set(b.dut.abort, 0)
        assert ctx.get(b.dut.state) == DONE
        assert not ctx.get(b.dut.refused)

    async def after(ctx: SimulatorContext) -> None:
        await b.end(ctx)
        await never(ctx)

    assert b.load(after).state is DONE
    assert b.port.written == [*PROBE, *due(stream()), *SETTLE]


def test_an_error_stays_until_the_next_start() -> None:
    b = bench(corrupt(PAYLOAD))
    seen: list[tuple[int, int]] = []

    async def abort_when_idle(ctx: SimulatorContext) -> None:
        await b.end(ctx)
        ctx.set(b.dut.abort, 1)
        for _ in range(50):
            await ctx.tick()
            seen.append((ctx.get(b.dut.state), ctx.get(b.dut.error)))
        ctx.set(b.dut.abort, 0)
        b.memory.data = stream()

    first, second = b.loads(abort_when_idle, None)
    assert failed(first, ConfigurationError.CRC)
    assert set(seen) == {(FAILED, ConfigurationError.CRC)}
    assert (second.state, second.error) == (DONE, ConfigurationError.NONE)


def test_an_error_of_the_last_load_is_none_of_the_next() -> None:
    """The port still shows the error of the last load when the next one begins."""
    b = bench(corrupt(PAYLOAD))

    async def repair(ctx: SimulatorContext) -> None:
        await b.end(ctx)
        assert b.port.crc_error
        b.memory.data = stream()

    assert [o.state for o in b.loads(repair, None)] == [FAILED, DONE]


@pytest.mark.parametrize(
    ("domain", "clocks"), [("sync", 30), ("sync", 250), ("icap", 90), ("icap", 250), ("both", 250)]
)
def test_a_reset_in_the_middle_of_a_load(domain: str, clocks: int) -> None:
    b = bench()
    resets = [b.resets[name] for name in ("sync", "icap") if domain in (name, "both")]

    async def reset(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(clocks)
        for signal in resets:
            ctx.set(signal, 1)
        for _ in range(3):
            await ctx.tick()
        if domain != "icap":
            b.memory.forget()
        for signal in resets:
            ctx.set(signal, 0)
        await ctx.tick()

    first, second = b.loads(reset, None)
    if domain == "icap":
        assert failed(first, ConfigurationError.PORT)
    else:
        assert (first.state, first.error) == (ConfigurationState.IDLE, ConfigurationError.NONE)
    assert second.state is DONE
    assert b.port.written[-len(due(stream())) - SETTLE_CYCLES :] == [*due(stream()), *SETTLE]


def test_random_flips_never_end_well_unless_harmless() -> None:
    """The checksum or the guard catches every flipped bit behind the sync word."""
    chooser = random.Random(11)
    good = words_of(stream())
    sync = good.index(SYNC)
    last = len(good) - 17
    for _ in range(4):
        at = chooser.randrange(sync + 1, last)
        b = bench(corrupt(at, 1 << chooser.randrange(32)))
        outcome = b.load()
        assert outcome.state is FAILED, f"word {at}"
        assert not b.port.aligned


def test_as_many_windows_as_partitions() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is never elaborated warns when it goes
        with pytest.raises(ValueError, match=r"far_windows of 1 partitions, expected 2"):
            ConfigurationController(2, PLACE.idcode, [[]])
        gc.collect()
