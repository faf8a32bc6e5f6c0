"""Operands against plain loops over the bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.contract.command import Segment, address
from fpga_rt.contract.submission import Placement
from fpga_rt.device.memory import DRAM_BASE, BusError, ByteMemory
from fpga_rt.device.operands import SegmentMemory

SIZE = 1 << 12


def random_memory() -> ByteMemory:
    memory = ByteMemory(SIZE, 64)
    memory.dram.data[:] = np.random.default_rng(3).integers(0, 256, SIZE)
    return memory


def bind(memory: ByteMemory, place: Placement, iterations: range) -> SegmentMemory:
    return SegmentMemory(memory, {Segment.INPUT: place}, iterations, "partition 0 command 0")


def fields(side: str, offset: int, shape: tuple[int, int, int], *pitches: int) -> dict[str, int]:
    return {
        side: address(Segment.INPUT, offset),
        f"{side}_height": shape[0],
        f"{side}_width": shape[1],
        f"{side}_channels": shape[2],
        f"{side}_row_pitch": pitches[0],
        f"{side}_pixel_pitch": pitches[1],
    }


shapes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))
places = st.builds(
    Placement, st.integers(DRAM_BASE, DRAM_BASE + 200), st.integers(0, 90), st.integers(1, 4)
)


@given(shapes, places, st.integers(0, 50), st.integers(0, 60), st.integers(0, 9), st.integers(1, 6))
def test_reading_equals_a_loop(
    shape: tuple[int, int, int], place: Placement, offset: int, row: int, pixel: int, count: int
) -> None:
    memory = random_memory()
    got = bind(memory, place, range(1, 1 + count)).read(
        fields("input", offset, shape, row, pixel), "input"
    )
    data = memory.dram.data.view(np.int8)
    for (i, y, x, c), value in np.ndenumerate(got):
        start = place.base + ((i + 1) % place.depth) * place.stride - DRAM_BASE + offset
        assert value == data[start + y * row + x * pixel + c]
    assert got.shape == (count, *shape)


@given(shapes, places, st.integers(0, 50), st.integers(0, 60), st.integers(0, 9), st.integers(1, 6))
def test_writing_equals_a_loop_in_which_later_bytes_win(
    shape: tuple[int, int, int], place: Placement, offset: int, row: int, pixel: int, count: int
) -> None:
    memory = random_memory()
    expected = memory.dram.data.copy().view(np.int8)
    codes = np.random.default_rng(4).integers(-128, 128, (count, *shape), np.int8)
    for (i, y, x, c), value in np.ndenumerate(codes):
        start = place.base + ((i + 2) % place.depth) * place.stride - DRAM_BASE + offset
        expected[start + y * row + x * pixel + c] = value
    bind(memory, place, range(2, 2 + count)).write(
        fields("output", offset, shape, row, pixel), codes
    )
    assert (memory.dram.data.view(np.int8) == expected).all()


def test_evenly_spaced_iterations_are_one_view() -> None:
    memory = random_memory()
    operands = bind(memory, Placement(DRAM_BASE, 100, 8), range(8))
    view = operands.read(fields("input", 0, (2, 3, 4), 12, 4), "input")
    assert np.shares_memory(view, memory.dram.data)


def test_blocks_are_bytes_of_the_first_iteration() -> None:
    memory = random_memory()
    operands = bind(memory, Placement(DRAM_BASE + 7), range(4))
    assert operands.block(address(Segment.INPUT, 5), 9) == memory.dram.data[12:21].tobytes()


def test_leaving_the_memory_is_a_bus_error() -> None:
    operands = bind(random_memory(), Placement(DRAM_BASE, 0, 1), range(1))
    with pytest.raises(
        BusError, match="command 0 reading its input accessed 5 bytes at 0x10000ffc"
    ):
        operands.read(fields("input", SIZE - 4, (1, 1, 5), 0, 0), "input")
    with pytest.raises(BusError, match="writing its output accessed 13 bytes at 0x10000ff8"):
        operands.write(
            fields("output", SIZE - 8, (2, 1, 3), 10, 0), np.zeros((1, 2, 1, 3), np.int8)
        )


def test_a_segment_that_does_not_exist_is_a_bus_error() -> None:
    operands = bind(random_memory(), Placement(DRAM_BASE), range(1))
    with pytest.raises(BusError, match=r"uses address 0x70000000 in segment 7, expected 0\.\.4"):
        operands.block(0x7000_0000, 4)


def test_shapes_that_make_no_sense_are_named() -> None:
    operands = bind(random_memory(), Placement(DRAM_BASE), range(1))
    with pytest.raises(ValueError, match=r"its input has the shape \(0, 1, 1\)"):
        operands.read(fields("input", 0, (0, 1, 1), 0, 0), "input")
    with pytest.raises(ValueError, match=r"output has the shape \(2, 2, 2\), the descriptor says"):
        operands.write(fields("output", 0, (1, 1, 1), 0, 0), np.zeros((1, 2, 2, 2), np.int8))
