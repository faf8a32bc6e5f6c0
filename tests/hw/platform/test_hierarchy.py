"""Hierarchy: the names it finds are those that another reader of Verilog finds."""

from __future__ import annotations

from hw.platform.hierarchy import Hierarchy, Register
from tests.hw.platform.conftest import Made


def test_registers_are_those_of_the_netlist(made: Made) -> None:
    hierarchy = Hierarchy(made.project.files["rtl/board_logic.v"], "board_logic")
    cells = set(made.names["cells"])
    for name in ("stage0", "produce_w_gry", "left", "write_state", "winner", "clock"):
        found = list(hierarchy.registers(name))
        bits = {
            f"board/{register.path}_reg" + (f"[{bit}]" if register.width > 1 else "")
            for register in found
            for bit in range(register.width)
        }
        assert bits <= cells
        if name != "clock":  # a wire everywhere
            assert bits


def test_patterns() -> None:
    assert Register("a/b", 1).pattern == "a/b_reg"
    assert Register("a/U$3/b", 7).pattern == "a/U$3/b_reg[*]"
