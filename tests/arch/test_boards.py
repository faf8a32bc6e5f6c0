"""Tests of the boards: their floorplans, and what these leave to the static region."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fpga_rt.arch.boards import MemoryPort, board, boards
from fpga_rt.arch.devices import device
from fpga_rt.arch.floorplan import Rectangle, place
from fpga_rt.arch.resources import Resources
from fpga_rt.contract.command import MAX_PARTITIONS
from fpga_rt.errors import DeviceError

BRAM36_BYTES = 4096
URAM_BYTES = 32768


def test_known_boards() -> None:
    assert boards() == ("alveo-u200", "alveo-u200-xrt", "kv260", "pynq-z2", "zcu104", "zybo-z7-10")


def test_an_unknown_board_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DeviceError, match="unknown board 'pynq-z1': use one of alveo-u200, alveo"):
        board("pynq-z1")


@pytest.mark.parametrize("name", boards())
def test_every_board_is_whole(name: str) -> None:
    found = board(name)
    assert found.name == name
    assert found.default_port in found.ports
    assert all(key == port.name for key, port in found.ports.items())
    assert 1 <= len(found.partitions) <= MAX_PARTITIONS
    assert [p.index for p in found.partitions] == list(range(len(found.partitions)))
    assert len({p.name for p in found.partitions}) == len(found.partitions)
    assert found.notes


@pytest.mark.parametrize("name", [name for name in boards() if not board(name).estimate])
def test_partitions_hold_a_module_and_leave_a_static_region(name: str) -> None:
    found = board(name)
    for partition in found.partitions:
        assert Resources(4400, 20, 20) <= partition.resources
    # A sequencer, a configuration controller and DMA need some thousand LUTs and a few RAMB36.
    assert Resources(8000, 0, 16) <= found.static_resources


def test_pynq_z2_floorplan() -> None:
    z2 = board("pynq-z2")
    assert (z2.device.name, z2.device.family.name, z2.device.idcode) == (
        "xc7z020",
        "7-series",
        0x03727093,
    )
    assert z2.clock_ps == 7000
    assert [p.resources for p in z2.partitions] == [
        Resources(9600, 80, 40),
        Resources(8800, 80, 40),
        Resources(4800, 40, 20),
    ]
    # By the published size formula: mask 228, each pass content + 1 a run (+ 1 where the block RAM
    # ends its row), 404 bytes a frame, and the 324 + 64 bytes of commands a run.
    logic, memory = 12 * 36 + 4 * 28, 2 * 128
    frames = 228 + 2 * 2 * (logic + 1 + memory + 2)
    assert z2.partitions[0].bitstream_bytes == 404 * frames + 324 + 4 * 64
    assert z2.static_resources == Resources(30_000, 20, 40)
    assert z2.feature_memory_bytes == 24 * BRAM36_BYTES
    assert z2.static_resources.bram36 - 24 >= 16


@pytest.mark.parametrize(("name", "urams"), [("kv260", 64), ("zcu104", 96), ("alveo-u200", 960)])
def test_feature_memory_fits_the_ultraram(name: str, urams: int) -> None:
    assert board(name).feature_memory_bytes <= urams * URAM_BYTES


def test_alveo_is_an_estimate_by_a_region_of_known_geometry() -> None:
    card = board("alveo-u200")
    rows = tuple(f"Y{y}" for y in range(6))
    like = place(device("xczu7ev"), "like", 0, [Rectangle((129, 146), rows)])
    assert card.estimate
    for partition in card.partitions:
        assert partition.resources == like.resources
        assert partition.bitstream_bytes == like.bitstream_bytes
        assert partition.plain_bytes == like.plain_bytes
        assert partition.frames == like.frames


def test_a_board_is_a_value() -> None:
    assert {board("pynq-z2"): 1}[board("pynq-z2")] == 1


def test_memory_ports_round_up() -> None:
    assert [board("pynq-z2").dram.cycles(beats) for beats in (0, 1, 4, 5)] == [0, 2, 5, 7]
    assert board("pynq-z2").dram.latency_cycles == 30
    assert board("pynq-z2").on_chip == MemoryPort(3)
    assert MemoryPort(2).cycles(9) == 9


def test_importing_needs_no_numpy() -> None:
    code = "import sys, fpga_rt.arch.boards; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
