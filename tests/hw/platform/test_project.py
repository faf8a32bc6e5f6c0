"""Projects: digests of sources name what is built, and only those."""

from __future__ import annotations

import re

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.builder.choice import choose
from fpga_rt.errors import ToolchainError
from hw.platform.project import _with_memory_style, vivado_project
from hw.platform.target import BLOCK, ULTRA
from tests.hw.platform.conftest import Made

BANK = """
  reg [63:0] bank{0} [15:0];
  initial begin
    bank{0}[0] = 64'h0000000000000000;
    bank{0}[1] = 64'h0000000000000000;
  end
  always @(posedge clk)
"""
MEMORY = "".join(BANK.format(bank) for bank in range(8))


def test_block_rams_keep_their_contents() -> None:
    styled = _with_memory_style(MEMORY, BLOCK)
    assert styled.count('(* ram_style = "block" *)\n  reg [63:0] bank') == 8
    assert styled.count("initial begin") == 8


def test_ultra_rams_have_none() -> None:
    styled = _with_memory_style(MEMORY, ULTRA)
    assert styled.count('(* ram_style = "ultra" *)\n  reg [63:0] bank') == 8
    assert "initial" not in styled
    assert styled.count("always @(posedge clk)") == 8


def test_banks_that_are_written_otherwise() -> None:
    with pytest.raises(ToolchainError) as error:
        _with_memory_style(MEMORY.replace("bank7", "last"), ULTRA)
    assert str(error.value) == (
        "rtl/board_logic.v: got 7 banks of the feature memory, expected 8, each a `reg` of 64 bits"
        " with its zeros behind it; adapt hw.platform.project to how they are written"
    )


def test_a_board_without_a_target_is_refused_before_what_takes_long() -> None:
    target = board("alveo-u200")
    heard: list[str] = []
    with pytest.raises(ToolchainError, match="no bitstreams can be built for alveo-u200: expected"):
        vivado_project(target, choose(target, ["add_2"]), heard.append)
    assert heard == []


def test_the_memory_is_what_the_board_has(made: Made) -> None:
    style = "block" if made.board.name == "pynq-z2" else "ultra"
    assert made.project.files["rtl/board_logic.v"].count(f'ram_style = "{style}"') == 8


def test_names_are_digests_of_sources(made: Made) -> None:
    project = made.project
    static = re.fullmatch(r"work/static-(\w{12})/bitstreams/base.bit", project.base)
    assert static
    assert static[1].startswith(f"{project.source_id:08x}")
    assert f"32'h{project.source_id:08x}" in project.files["rtl/top.v"]
    names = {run.module: run.file.rpartition("/")[2] for run in project.runs}
    assert all(re.fullmatch(rf"{name}-\w{{12}}.bit", file) for name, file in names.items())
    assert len(set(names.values())) == 2


def test_the_read_me_names_the_command(made: Made) -> None:
    text = made.project.files["README.md"]
    assert "vivado -mode batch -nojournal -source build.tcl" in text
    assert f"Vivado 2022.1 or newer with the device\nfamily of {made.project.part}" in text
