"""The model against an independent description, output by output and clock by clock.

The pins are random: good streams of every form, broken ones, packets of every register, reads,
aborts, pauses, the processor taking the port away. A seed makes the same pins every time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

import pytest

from fpga_rt.arch import boards
from tests.sim.port.harness import Outputs, Port, build, parameters_of, swap
from tests.sim.port.load_oracle import Geometry
from tests.sim.port.port_oracle import Expected, PortOracle
from tests.sim.port.random_pins import Pins, RandomPins

NAMES = ("pynq-z2", "kv260")
PIECES = 6
_IDLE, _ALIGNED = 0xFFFFFF9F, 0xFFFFFFDF


@cache
def geometry(name: str) -> Geometry:
    return Geometry(boards.board(name))


def run_both(name: str, pins: Pins) -> list[Outputs]:
    """Drive both with the same pins; return what they put out, or fail at the first difference."""
    board = boards.board(name)
    outputs = Port(build(parameters_of(board))).clocks(pins)
    oracle = PortOracle(board, geometry(name))
    for clock, (row, got) in enumerate(zip(pins.tolist(), outputs, strict=True)):
        expected = oracle.clock(*row)
        if not _agree(got, expected):
            pytest.fail(_difference(clock, pins, got, expected))
    return outputs


def _agree(got: Outputs, expected: Expected) -> bool:
    pairs = zip(got, expected, strict=True)
    return all(wanted is None or value == wanted for value, wanted in pairs)


def _difference(clock: int, pins: Pins, got: Outputs, expected: Expected) -> str:
    named = zip(Outputs._fields, got, expected, strict=True)
    fields = [f"{n} {a:#x}, oracle {b:#x}" for n, a, b in named if b is not None and a != b]
    before = [
        f"{swap(word):08x}" if not (csib or rdwrb or owned) else f"({csib}, {rdwrb}, {owned})"
        for csib, rdwrb, word, owned in pins[max(0, clock - 9) : clock + 1].tolist()
    ]
    return f"clock {clock}: model has {'; '.join(fields)}\nafter {' '.join(before)}"


def seen(outputs: Iterable[Outputs]) -> Counter[str]:
    """Count what happened, to know that the pins reach it."""
    found: Counter[str] = Counter()
    for out in outputs:
        found["clocks"] += 1
        found["loads"] += out.loaded
        found["identities"] += out.loaded and out.loaded_id != 0
        found["frames"] += out.frame_written
        found["reads"] += out.o & 0xFFFFFF0F != 0xFFFFFF0F
        found["aborts"] += out.o & 0xFFFFFF7F == 0xFFFFFF0F
        for flag in ("crc_error", "id_error", "far_error", "synced", "garbage"):
            found[flag] += getattr(out, flag) != 0
    return found


def check(name: str, seeds: range) -> Counter[str]:
    """Run random pins of some seeds; return what happened."""
    found: Counter[str] = Counter()
    for seed in seeds:
        found += seen(run_both(name, RandomPins(boards.board(name), seed).make(PIECES)))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_random_pins(name: str) -> None:
    found = check(name, range(20))
    happened = ("identities", "frames", "reads", "aborts", "crc_error", "id_error", "far_error")
    assert all(found[what] >= 20 for what in happened[1:]), found
    assert found["identities"] >= 10


def test_segments_of_a_load() -> None:
    """Four segments, and one that is missing, repeated or broken."""
    found = seen(run_both("kv260", RandomPins(boards.board("kv260"), 3).segments()))
    assert found["loads"] >= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_random_pins_of_many_seeds(name: str) -> None:
    found = check(name, range(1000, 1250))
    assert found["identities"] >= 100
    assert found["aborts"] >= 100


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seeds"), [("kv260", 30), ("pynq-z2", 6)])
def test_segments_of_many_loads(name: str, seeds: int) -> None:
    board = boards.board(name)
    found: Counter[str] = Counter()
    for seed in range(100, 100 + seeds):
        found += seen(run_both(name, RandomPins(board, seed).segments()))
    assert found["loads"] >= seeds // 2


def test_a_difference_is_told() -> None:
    """The comparison finds one, and says where."""
    pins = RandomPins(boards.board("pynq-z2"), 0).make(1)
    got = Outputs(_ALIGNED, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0)
    expected = Expected(_IDLE, 1, 1, 0, 0, 0, None, None, 0, 0, 0, 0, 0, None)
    assert not _agree(got, expected)
    told = _difference(130, pins, got, expected)
    assert "clock 130: model has o 0xffffffdf, oracle 0xffffff9f; synced 0x1, oracle 0x0" in told
