"""Counts and depths of netlists that are small enough to count by hand."""

from __future__ import annotations

from typing import Any

import pytest

from fpga_rt.arch.resources import Resources
from fpga_rt.errors import ToolchainError
from hw.synthesis.netlist import contents


def _cell(kind: str, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]) -> dict[str, Any]:
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {
        "type": kind,
        "parameters": {},
        "port_directions": directions,
        "connections": inputs | outputs,
    }


def _netlist(*cells: dict[str, Any]) -> dict[str, Any]:
    named = {f"cell{number}": cell for number, cell in enumerate(cells)}
    nets = {"source": {"bits": [2]}, "$hidden": {"bits": [2]}}
    return {"modules": {"top": {"cells": named, "netnames": nets}}}


def _register(d: int, q: int) -> dict[str, Any]:
    return _cell("FDRE", {"C": [1], "CE": ["1"], "D": [d], "R": ["0"]}, {"Q": [q]})


def _lut(source: int, result: int) -> dict[str, Any]:
    return _cell("LUT2", {"I0": [source], "I1": ["0"]}, {"O": [result]})


def test_levels_are_the_tables_between_registers() -> None:
    chain = [_lut(bit, bit + 1) for bit in (2, 3, 4)]
    found = contents(_netlist(_register(90, 2), *chain, _register(5, 6), _lut(6, 7)), "top")
    assert (found.levels, found.begins) == (3, "source")
    assert found.resources == Resources(lut=4)
    assert found.registers == 2


def test_a_carry_goes_up_and_never_down() -> None:
    """The table behind the lowest sum does not wait for the table before the highest place."""
    before = _lut(2, 10)
    carry = _cell(
        "CARRY4",
        {"CI": ["0"], "CYINIT": ["0"], "DI": ["0"] * 4, "S": [11, 12, 13, 10]},
        {"O": [20, 21, 22, 23], "CO": [24, 25, 26, 27]},
    )
    assert contents(_netlist(before, carry, _lut(20, 30)), "top").levels == 1
    assert contents(_netlist(before, carry, _lut(23, 30)), "top").levels == 2


def test_a_distributed_memory_is_tables_that_are_read_through() -> None:
    memory = _cell(
        "RAM64M",
        {"ADDRA": [3], "ADDRD": [4], "DIA": [5], "WE": [6], "WCLK": [1]},
        {"DOA": [7]},
    )
    found = contents(_netlist(_lut(2, 3), memory, _lut(7, 8)), "top")
    assert found.resources.lut == 6
    assert found.levels == 3


def test_halves_of_block_rams_are_put_together() -> None:
    halves = [_cell("RAMB18E1", {}, {}) for _ in range(3)]
    assert contents(_netlist(*halves, _cell("RAMB36E1", {}, {})), "top").resources.bram36 == 3


@pytest.mark.parametrize("missing", ["AREG", "BREG", "MREG", "PREG"])
def test_a_dsp_slice_without_one_of_its_registers_is_named(missing: str) -> None:
    dsp = _cell("DSP48E1", {}, {})
    dsp["parameters"] = dict.fromkeys(("AREG", "BREG", "MREG", "PREG"), "01")
    assert contents(_netlist(dsp), "top").bare_dsps == ()
    dsp["parameters"][missing] = "00"
    assert contents(_netlist(dsp), "top").bare_dsps == ("cell0",)


def test_a_cell_that_nobody_counts_is_an_error() -> None:
    expected = r"Yosys made cells URAM288 in top, expected kinds that are counted: count them in"
    with pytest.raises(ToolchainError, match=expected):
        contents(_netlist(_cell("URAM288", {}, {})), "top")
