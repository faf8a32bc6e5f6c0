"""Constraints: partitions are drawn exactly, and what is named exists and is all there is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.floorplan import cells
from fpga_rt.arch.partials import runs
from fpga_rt.bitstream.expand import frame_order
from fpga_rt.bitstream.pblock import parse_pblock, snap
from hw.platform.constraints import (
    clock_constraints,
    partition_cell,
    partition_constraints,
)
from hw.platform.target import target
from tests.hw.platform.conftest import Made

BOARDS = pytest.mark.parametrize("name", ["pynq-z2", "kv260"])
_PBLOCK = re.compile(
    r"create_pblock (?P<name>\S+)\n"
    r"add_cells_to_pblock \[get_pblocks (?P=name)\] \[get_cells (?P<cell>\S+)\]\n"
    r"resize_pblock \[get_pblocks (?P=name)\] -add {(?P<sites>[^}]+)}\n"
)


@BOARDS
def test_pblocks_are_the_partitions(name: str) -> None:
    """Snapped as Vivado does, they hold each partition's columns and rows, and lose or waste none.

    So they are loaded with the frames that the planner counts and the verifier allows.
    """
    target_board = board(name)
    chip = target_board.device
    found = list(_PBLOCK.finditer(partition_constraints(target_board, target(target_board))))
    assert [one["cell"] for one in found] == [partition_cell(p) for p in target_board.partitions]
    for one, partition in zip(found, target_board.partitions, strict=True):
        snapped = snap(chip, parse_pblock(chip, one["sites"]))
        assert snapped.findings == ()
        assert snapped.cells == cells(chip, partition)
        order = frame_order(chip)
        loaded = order.listed(runs(chip, snapped.cells))
        assert np.array_equal(np.sort(loaded), np.sort(order.partition(partition)))
        assert len(loaded) == partition.frames


@BOARDS
def test_every_kind_of_site_is_drawn(name: str) -> None:
    """A pblock without a range of block RAM or DSP has none of it, however wide it is."""
    target_board = board(name)
    text = partition_constraints(target_board, target(target_board))
    for found, partition in zip(_PBLOCK.finditer(text), target_board.partitions, strict=True):
        drawn = set(re.findall(r"(\w+?)_X\d+Y\d+:", found["sites"]))
        dsp = "DSP48" if name == "pynq-z2" else "DSP48E2"
        assert partition.resources.dsp
        assert partition.resources.bram36
        assert drawn == {"SLICE", dsp, "RAMB18", "RAMB36"}


def test_only_series7_asks_for_the_reset() -> None:
    """UG909: since UltraScale a partial always resets its region, and the option is gone."""
    for name, count in (("pynq-z2", 3), ("kv260", 0)):
        text = partition_constraints(board(name), target(board(name)))
        assert text.count("RESET_AFTER_RECONFIG true") == count
        assert text.count("SNAPPING_MODE ON") == count


def test_clocks() -> None:
    text = clock_constraints(board("pynq-z2"), target(board("pynq-z2")))
    assert "create_clock -name processor -period 7.000 " in text
    assert "{board/processor/ps7/FCLKCLK[0]}" in text
    text = clock_constraints(board("kv260"), target(board("kv260")))
    assert "create_clock -name processor -period 4.000 " in text
    assert "{board/processor/ps8/PLCLK[0]}" in text


def test_every_synchroniser_is_kept_together(made: Made) -> None:
    """Each register called stage0 or stage1 in the netlist has ASYNC_REG, and nothing else has."""
    text = made.project.files["constraints/crossings.xdc"]
    named = re.findall(r"ASYNC_REG true \[get_cells {([^}]+)}\]", text)
    wanted = {
        re.sub(r"\[\d+\]$", "[*]", cell)
        for cell in made.names["cells"]
        if re.search(r"/stage[01]_reg(\[\d+\])?$", cell)
    }
    assert set(named) == wanted
    assert len(named) == len(wanted)
