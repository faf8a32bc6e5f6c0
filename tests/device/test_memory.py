"""Emulated memory and its allocator."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from fpga_rt.device.memory import DRAM_BASE, Allocator, BusError, ByteMemory
from fpga_rt.errors import DeviceError


@pytest.fixture
def memory() -> ByteMemory:
    return ByteMemory(4096, 128)


def test_windows_are_views_of_one_memory(memory: ByteMemory) -> None:
    memory.window(DRAM_BASE + 10, 4, "a test")[:] = (1, 2, 3, 4)
    assert memory.window(DRAM_BASE + 12, 2, "a test").tolist() == [3, 4]
    memory.window(FEATURE_MEMORY_BASE + 127, 1, "a test")[:] = 9
    assert memory.regions[1].data[-1] == 9


@pytest.mark.parametrize(
    ("address", "size"),
    [
        (0, 4),
        (DRAM_BASE - 1, 2),
        (DRAM_BASE + 4093, 4),
        (FEATURE_MEMORY_BASE + 100, 29),
        (DRAM_BASE, FEATURE_MEMORY_BASE + 8 - DRAM_BASE),
    ],
)
def test_accesses_outside_are_bus_errors(memory: ByteMemory, address: int, size: int) -> None:
    expected = (
        rf"bus error: partition 1 command 2 accessed {size} bytes at {address:#x}, outside of"
        r" DRAM 0x10000000\.\.0x10000fff, feature memory 0xf0000000\.\.0xf000007f"
    )
    with pytest.raises(BusError, match=expected):
        memory.window(address, size, "partition 1 command 2")


def test_dram_must_not_reach_the_feature_memory() -> None:
    with pytest.raises(DeviceError, match=r"4294967296 bytes: expected 1\.\.3758096384"):
        ByteMemory(1 << 32, 0)


def test_buffers_are_aligned_and_zeroed_again(memory: ByteMemory) -> None:
    allocator = Allocator(memory.dram)
    first, second = allocator.allocate(100), allocator.allocate(1)
    assert (first.address, second.address) == (DRAM_BASE, DRAM_BASE + 128)
    first.view[:] = 7
    first.free()
    again = allocator.allocate(64)
    assert again.address == first.address
    assert not again.view.any()


def test_full_memory_says_what_is_left(memory: ByteMemory) -> None:
    allocator = Allocator(memory.dram)
    allocator.allocate(4000)
    with pytest.raises(
        DeviceError, match=r"got a request for 128 bytes, the largest free range has 64 of 4096"
    ):
        allocator.allocate(128)


def test_a_buffer_is_freed_once(memory: ByteMemory) -> None:
    buffer = Allocator(memory.dram).allocate(1)
    buffer.free()
    with pytest.raises(DeviceError, match="buffer at 0x10000000 was freed before"):
        buffer.free()


def test_empty_buffers_are_misuse(memory: ByteMemory) -> None:
    with pytest.raises(ValueError, match="a buffer of 0 bytes"):
        Allocator(memory.dram).allocate(0)


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 5)), max_size=40))
def test_buffers_never_overlap_and_memory_comes_back(steps: list[tuple[int, int]]) -> None:
    allocator = Allocator(ByteMemory(4096, 0).dram)
    held = []
    for size, victim in steps:
        try:
            held.append((size, allocator.allocate(size)))
        except DeviceError:
            pass
        if victim < len(held):
            held.pop(victim)[1].free()
        spans = sorted((b.address, b.address + n) for n, b in held)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    for _, buffer in held:
        buffer.free()
    assert allocator.free_bytes == 4096
    assert allocator.allocate(4096).address == DRAM_BASE
