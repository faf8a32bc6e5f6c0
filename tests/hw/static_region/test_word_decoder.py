"""WordDecoder on addresses in and beside every window of a board, and the windows it refuses."""

from __future__ import annotations

import gc
import random
import warnings

import pytest
from amaranth.sim import Simulator, SimulatorContext

from fpga_rt.arch.boards import board
from fpga_rt.arch.families import SERIES7
from fpga_rt.arch.rules import rules_of
from hw.static_region.frame_windows import FarWindow, far_windows
from hw.static_region.word_decoder import WordDecoder

PYNQ = board("pynq-z2")
RULES = rules_of(SERIES7, full=False)
CLOCKS = 4
"""From a word to what is said of it."""


def decoder(windows: list[list[FarWindow]]) -> WordDecoder:
    return WordDecoder(PYNQ.device.idcode, SERIES7.frame_words, RULES, windows)


@pytest.mark.parametrize("target", range(len(PYNQ.partitions)))
def test_an_address_has_the_room_of_its_window(target: int) -> None:
    windows = [list(far_windows(PYNQ.device, partition)) for partition in PYNQ.partitions]
    chooser = random.Random(target)
    words = [
        word
        for each in windows
        for low, high, _, _ in each
        for word in (low - 1, low, high, high + 1, chooser.randint(low, high))
    ]
    words += [chooser.choice(words) ^ 1 << chooser.randrange(32) for _ in range(200)]
    dut = decoder(windows)
    found: list[tuple[int, int] | None] = []

    async def bench(ctx: SimulatorContext) -> None:
        ctx.set(dut.target, 1 << target)
        ctx.set(dut.valid, 1)
        for word in [*words, *[0] * CLOCKS]:
            ctx.set(dut.word, word)
            ready, seen = (await ctx.tick().sample(dut.ready, dut.seen))[2:]
            if ready:
                found.append((seen.word, seen.room - seen.passed) if seen.inside else None)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()

    def expected(word: int) -> tuple[int, int] | None:
        for low, high, most, frame_words in windows[target]:
            if low <= word <= high:
                return word, most - (word - low) * frame_words
        return None

    assert found == list(map(expected, words))
    assert None in found


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        (
            [FarWindow(0x80, 0x8F), FarWindow(0x8F, 0x9F)],
            "windows overlap: 0x00000080 to 0x0000008f and 0x0000008f to 0x0000009f",
        ),
        (
            [FarWindow(0xF0, 0x100, 999, 101)],
            "a window of 0x000000f0 to 0x00000100 reaches across a multiple of 256 addresses",
        ),
    ],
)
def test_windows_that_cannot_be_told_apart(windows: list[FarWindow], message: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is never elaborated warns when it goes
        with pytest.raises(ValueError, match=message):
            decoder([windows])
        gc.collect()
