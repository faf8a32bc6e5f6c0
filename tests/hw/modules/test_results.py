"""Results of any number a clock come out as the beats of their pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from fpga_rt.modules.window_cycles import OUTPUT_ROW_BEATS
from hw.modules.window.results import LATENCY_CYCLES, ROWS, Packer, Results


@dataclass(frozen=True)
class Chunk:
    """What comes in a clock: bytes, and whether they end a piece or a row."""

    data: bytes
    ends: bool = False
    row_ends: bool = False


def cut(piece: bytes, sizes: list[int], row_ends: bool) -> list[Chunk]:
    """Cut a piece into chunks of the sizes, one after the other and again."""
    chunks, at, number = [], 0, 0
    while at < len(piece):
        data = piece[at : at + sizes[number % len(sizes)]]
        at, number = at + len(data), number + 1
        last = at == len(piece)
        chunks.append(Chunk(data, last, last and row_ends))
    return chunks


def beats_of(pieces: list[bytes]) -> list[bytes]:
    """Return the bytes that count in the beats of pieces."""
    return [p[at : at + 8] for p in pieces for at in range(0, len(p), 8)]


def check(beats: list[bytes], pieces: list[bytes]) -> None:
    """See that beats are those of the pieces, but for the bytes that do not count."""
    expected = beats_of(pieces)
    cut = [beat[: len(want)] for beat, want in zip(beats, expected, strict=True)]
    assert cut == expected


def apply(ctx: Any, dut: Packer | Results, chunk: Chunk | None, lanes: int) -> None:  # noqa: ANN401
    """Drive a chunk, or no valid one; what does not count is ones."""
    for lane, code in enumerate((chunk.data if chunk else b"").ljust(lanes, b"\xff")):
        ctx.set(dut.codes[lane], code - 256 * (code > 127))
    ctx.set(dut.codes_valid, chunk is not None)
    ctx.set(dut.codes_count, len(chunk.data) if chunk else lanes)
    ctx.set(dut.codes_ends, chunk.ends if chunk else 1)
    ctx.set(dut.codes_row_ends, chunk.row_ends if chunk else 1)


def pack(lanes: int, chunks: list[Chunk], stall: float, seed: int = 0) -> list[tuple[bytes, int]]:
    """Return the beats that a packer makes, and which of them end a row."""
    dut = Packer(lanes)
    random = np.random.default_rng(seed)
    got: list[tuple[bytes, int]] = []

    async def drive(ctx: Any) -> None:  # noqa: ANN401
        for chunk in [*chunks, None, None, None]:
            while chunk and random.random() < stall:
                apply(ctx, dut, None, lanes)
                await ctx.tick()
            apply(ctx, dut, chunk, lanes)
            await ctx.tick()

    async def watch(ctx: Any) -> None:  # noqa: ANN401
        async for *_, valid, beat in ctx.tick().sample(dut.beat_valid, dut.beat):
            if valid:
                got.append((bytes(beat.bytes), beat.row_ends))

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(drive)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    return got


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
def test_pieces_of_any_length_in_chunks_of_any_size(lanes: int, stall: float) -> None:
    random = np.random.default_rng(lanes)
    pieces, chunks = [], []
    for number in range(60):
        piece = random.bytes(int(random.integers(1, 30)))
        sizes = [int(n) for n in random.integers(1, lanes + 1, 7)]
        pieces.append(piece)
        chunks += cut(piece, sizes, number % 3 == 2)
    got = pack(lanes, chunks, stall)
    check([beat for beat, _ in got], pieces)
    closing = [len(beats_of(pieces[:number])) - 1 for number in range(3, 61, 3)]
    assert [at for at, (_, row_ends) in enumerate(got) if row_ends] == closing


@pytest.mark.parametrize("size", [9, 15, 23, 30, 31, 8, 7])
def test_a_clock_of_results_after_the_other_never_loses_a_beat(size: int) -> None:
    random = np.random.default_rng(size)
    pieces = [random.bytes(size) for _ in range(20)]
    for sizes in ([8], [7, 8], [1, 8, 8], [8, 7]):
        chunks = [chunk for piece in pieces for chunk in cut(piece, sizes, False)]
        check([beat for beat, _ in pack(8, chunks, 0)], pieces)


def test_a_row_ends_a_piece() -> None:
    got = pack(2, [Chunk(b"ab", False, True), Chunk(b"c", True)], 0)
    check([beat for beat, _ in got], [b"ab", b"c"])
    assert [row_ends for _, row_ends in got] == [1, 0]


def play(rows: list[bytes], stall: float) -> tuple[list[bytes], list[int], list[int]]:
    """Send rows of 8 bytes a clock, each when nothing is left of the row before the last one.

    Returns:
        Beats, the clocks in which each was taken, and those in which each row was begun.
    """
    dut = Results(8)
    random = np.random.default_rng(1)
    out: list[bytes] = []
    taken: list[int] = []
    begun: list[int] = []
    ended: list[int] = []

    async def drive(ctx: Any) -> None:  # noqa: ANN401
        clock = 0
        for number, row in enumerate(rows):
            apply(ctx, dut, None, 8)
            while len(ended) < number - 1:
                await ctx.tick()
                clock += 1
            begun.append(clock)
            for chunk in cut(row, [8], True):
                apply(ctx, dut, chunk, 8)
                await ctx.tick()
                clock += 1
        apply(ctx, dut, None, 8)

    async def take(ctx: Any) -> None:  # noqa: ANN401
        for clock in range(6000):
            ready = int(random.random() >= stall)
            ctx.set(dut.output.ready, ready)
            *_, valid, beat, row = await ctx.tick().sample(
                dut.output.valid, dut.output.payload, dut.row_taken
            )
            if valid and ready:
                out.append(int(beat).to_bytes(8, "little"))
                taken.append(clock)
            if row:
                ended.append(clock)
            if len(ended) == len(rows):
                break
        assert ended == [
            taken[sum(-(-len(row) // 8) for row in rows[: number + 1]) - 1]
            for number in range(len(rows))
        ]

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(take)
    simulator.add_testbench(drive, background=True)
    simulator.run()
    return out, taken, begun


def test_holds_two_of_the_longest_rows() -> None:
    random = np.random.default_rng(0)
    rows = [random.bytes(8 * OUTPUT_ROW_BEATS) for _ in range(4)]
    out, taken, begun = play(rows, 0.5)
    check(out, rows)
    assert begun[1] == begun[0] + OUTPUT_ROW_BEATS
    for number in range(ROWS, len(rows)):
        free = taken[(number - 1) * OUTPUT_ROW_BEATS - 1] + 1
        assert begun[number] == free > begun[number - 1] + OUTPUT_ROW_BEATS


def test_a_beat_takes_the_latency_and_the_last_of_a_row_is_told() -> None:
    rows = [b"abcdefgh" * 3, b"12345"]
    out, taken, begun = play(rows, 0)
    check(out, rows)
    assert taken == [begun[0] + LATENCY_CYCLES + n for n in range(4)]
