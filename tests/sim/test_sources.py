"""What is made once: Verilog of the gateware by its sources, and frames by their contents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.modules.elementwise import ElementwiseModule
from sim import sources
from sim.sources import ports_of, variant_of, verilog
from sim.toolchain import obstacle
from sim.top import PortInfo

if TYPE_CHECKING:
    from amaranth.lib.wiring import Component

needs_tools = pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))
BOARD = board("pynq-z2")
TEXT = """
module other(a);
  input a;
endmodule
module top(clk, rst, s_axi_awaddr, interrupt);
  input clk;
  input rst;
  input [11:0] s_axi_awaddr;
  output interrupt;
  wire [3:0] inner;
endmodule
"""


def test_ports_are_those_of_the_top_module_without_clocks() -> None:
    expected = {"s_axi_awaddr": PortInfo(12, False), "interrupt": PortInfo(1, True)}
    assert ports_of(TEXT, "top") == expected
    assert ports_of(TEXT, "other") == {"a": PortInfo(1, False)}


def test_boards_that_differ_in_gateware_have_names_of_their_own() -> None:
    moved = replace(BOARD.partitions[1], name=BOARD.partitions[0].name)
    others = [
        board("kv260"),
        replace(BOARD, partitions=BOARD.partitions[:1]),
        replace(BOARD, feature_memory_bytes=4096),
        replace(BOARD, device=replace(BOARD.device, idcode=BOARD.device.idcode ^ 1)),
        replace(BOARD, device=replace(BOARD.device, rows=BOARD.device.rows[:1])),
        replace(BOARD, partitions=(moved, *BOARD.partitions[1:])),
    ]
    assert len({variant_of(one) for one in (BOARD, *others)}) == 7
    assert variant_of(BOARD) == variant_of(replace(BOARD))


def test_frames_of_two_boards_are_two_files_that_stay() -> None:
    whole = sources.port_parameters(BOARD)
    fewer = sources.port_parameters(replace(BOARD, partitions=BOARD.partitions[:2]))
    assert (whole["PARTITIONS"], fewer["PARTITIONS"]) == (len(BOARD.partitions), 2)
    assert whole["FRAMES"] != fewer["FRAMES"]
    for found in (whole, fewer):
        lines = Path(str(found["FRAMES"])).read_text(encoding="ascii").splitlines()
        assert len(lines) == found["COLUMNS"]


@needs_tools
def test_verilog_is_made_once_until_a_source_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hw.blocks.decoupler import Decoupler

    monkeypatch.setenv("FPGA_RT_CACHE", str(tmp_path))
    made = []

    def make() -> Component:
        made.append(1)
        return Decoupler()

    first = verilog("decoupler", make)
    assert verilog("decoupler", make) == first
    assert len(made) == 1
    monkeypatch.setattr(sources, "_gateware", lambda _: "another hash")
    assert verilog("decoupler", make) == first
    assert len(made) == 2


@needs_tools
def test_only_modules_of_this_project_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FPGA_RT_CACHE", str(tmp_path))
    own = sources.module_verilog(ElementwiseModule("clamp", 2))
    assert len(list(tmp_path.glob("verilog-clamp_2-*"))) == 1
    asked = []
    monkeypatch.setattr(sources, "verilog", lambda *given, **_: asked.append(given))
    foreign = type("Foreign", (ElementwiseModule,), {"__module__": "somebody.else"})
    assert sources.module_verilog(foreign("clamp", 2)) == own
    assert not asked


def test_every_source_that_is_named_is_there() -> None:
    for place in (*sources._STATIC, *sources._MODULES):
        assert sources._files(place)
