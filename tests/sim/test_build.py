"""From a design to a library: what is kept, what is refused, and what registers start with."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import pytest

from fpga_rt.errors import ToolchainError
from sim import build
from sim.toolchain import obstacle
from tests.sim.small_system import MODULE, module_library

pytestmark = pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))


def test_registers_lose_their_initial_values() -> None:
    from hw.blocks.decoupler import Decoupler
    from hw.verilog import to_verilog

    before = to_verilog(Decoupler(), "decoupler")
    after = build.without_initial_values(before)
    initial = re.compile(r"^ *reg .*=", re.MULTILINE)
    declared = re.compile(r"^ *reg ", re.MULTILINE)
    assert len(initial.findall(before)) > 5
    assert not initial.search(after)
    assert len(declared.findall(before)) == len(declared.findall(after))


def test_memories_keep_what_they_start_with() -> None:
    text = "  reg signed [7:0] count = 8'h05;\n  reg one = 1'h1;\n  reg [7:0] storage [3:0];\n"
    contents = "  initial begin\n    storage[0] = 8'h11;\n  end\n  assign a = count == 8'h05;\n"
    bare = "  reg signed [7:0] count ;\n  reg one ;\n  reg [7:0] storage [3:0];\n"
    assert build.without_initial_values(text + contents) == bare + contents


def test_what_is_built_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    path = module_library(0x1111)

    def refuse(*_: object, **__: object) -> str:
        raise AssertionError

    monkeypatch.setattr(build, "run", refuse)
    text = MODULE.replace("MODULE_ID", "1111").replace("ADDEND", "5")
    design = build.Design("small_1111", "small_module", text)
    assert build.build_model(design) == path
    with pytest.raises(AssertionError):
        build.build_model(build.Design("small_1111", "small_module", text + "\n"))


def test_a_library_shows_nothing_but_its_interface() -> None:
    library = ctypes.CDLL(str(module_library(0x1111)))
    assert library.create_model
    with pytest.raises(AttributeError):
        _ = library.verilated_nothing


def test_verilog_that_is_wrong_is_quoted_with_its_design() -> None:
    with pytest.raises(ToolchainError, match=r"design broken cannot be verilated: (.|\n)*syntax"):
        build.build_model(build.Design("broken", "broken", "module broken(input a); wire; endmod"))


def test_a_design_without_ports_is_refused() -> None:
    text = "module closed; reg a; initial a = 1; endmodule"
    with pytest.raises(ToolchainError, match="design closed: top module closed has no ports"):
        build.build_model(build.Design("closed", "closed", text))


def test_a_name_that_cpp_knows_stays_a_port_name(tmp_path: Path) -> None:
    (tmp_path / "Vmodel.h").write_text(
        "    VL_IN8(&clk,0,0);\n    VL_OUT8(&__SYM__interrupt,0,0);\n"
        "    VL_OUT64(&module_id,63,0);\n    VL_INW(&wide,127,0,4);\n    VL_IN16(&a,11,0);\n"
    )
    table = build._port_table(tmp_path, build.Design("d", "d", ""))
    assert table.splitlines() == [
        "PORT(clk, clk, 1, 0)",
        "PORT(interrupt, __SYM__interrupt, 1, 1)",
        "PORT(module_id, module_id, 64, 1)",
        "PORT(wide, wide, 128, 0)",
        "PORT(a, a, 12, 0)",
    ]
