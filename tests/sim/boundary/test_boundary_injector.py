"""Values on the boundary of a partition that is being reconfigured."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fpga_rt.contract.boundary import BOUNDARY, Direction
from sim.toolchain import obstacle, toolchain

SOURCE = Path(__file__).resolve().parents[3] / "sim" / "boundary" / "boundary_injector.v"
OUTPUTS = {wire.name: wire.width for wire in BOUNDARY if wire.direction is Direction.OUTPUT}
_PORT = re.compile(r"^\s*(input|output) wire (?:\[(\d+):0\] )?(\w+),?$", re.MULTILINE)

_BENCH = """
`timescale 1ns / 1ps
module bench;
    reg clk = 0, garbage = 1'bx;
    wire [2:0] ready;
    wire [63:0] data, id;
    wire valid, error;
    boundary_injector #(.RANDOM(RANDOM)) injector (
        .clk(clk), .garbage(garbage), .module_command_ready(1'b1), .module_parameters_ready(1'b0),
        .module_input_ready(1'b1), .module_output_data(64'h0123456789ABCDEF),
        .module_output_valid(1'b1), .module_error(1'b0), .module_module_id(64'hFEDCBA9876543210),
        .command_ready(ready[2]), .parameters_ready(ready[1]), .input_ready(ready[0]),
        .output_data(data), .output_valid(valid), .error(error), .module_id(id)
    );
    integer n;
    initial for (n = 0; n < CLOCKS; n = n + 1) begin
        garbage = n != 0 && n != 1;
        if (n == 1) garbage = 1'bx;
        #5 clk = 1;
        #1 $display("%b %b %b %h %h", ready, valid, error, data, id);
        #4 clk = 0;
    end
endmodule
"""
CLEAN = "101 1 0 0123456789abcdef fedcba9876543210"


def _run(folder: Path, random: int, clocks: int) -> list[str]:
    if shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog")
    bench, program = folder / "bench.v", folder / "bench.vvp"
    text = _BENCH.replace("(RANDOM)", f"({random})").replace("CLOCKS", str(clocks))
    bench.write_text(text, encoding="utf-8")
    command = ["iverilog", "-g2012", "-Wall", "-s", "bench", "-o", str(program)]
    built = subprocess.run([*command, str(bench), str(SOURCE)], capture_output=True, check=False)
    assert (built.returncode, built.stderr) == (0, b"")
    ran = subprocess.run(["vvp", "-n", str(program)], capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


def test_ports_are_the_boundary_of_the_contract() -> None:
    found = {n: (d, int(w or 0) + 1) for d, w, n in _PORT.findall(SOURCE.read_text("utf-8"))}
    clocked = {"clk": ("input", 1), "garbage": ("input", 1)}
    from_module = {f"module_{name}": ("input", width) for name, width in OUTPUTS.items()}
    assert found == {**clocked, **from_module, **{n: ("output", w) for n, w in OUTPUTS.items()}}


def test_unknown_where_there_are_four_values(tmp_path: Path) -> None:
    unknown = " ".join(("xxx", "x", "x", "x" * 16, "x" * 16))
    assert _run(tmp_path, 0, 4) == [CLEAN, unknown, unknown, unknown]


def test_another_random_value_each_clock(tmp_path: Path) -> None:
    lines = _run(tmp_path, 1, 402)
    assert lines[0] == CLEAN
    noise = [line.split() for line in lines[2:]]
    assert len({tuple(line) for line in noise}) == 400
    for column, bits in ((0, 3), (1, 1), (2, 1)):
        for bit in range(bits):
            assert 150 < sum(line[column][bit] == "1" for line in noise) < 250
    assert len({line[3] for line in noise} | {line[4] for line in noise}) == 800


def test_verilator_takes_it_without_a_warning() -> None:
    missing = obstacle()
    if missing:
        pytest.skip(missing)
    tools = toolchain()
    command = [str(tools.verilator), "--lint-only", "-Wall", "--quiet", str(SOURCE)]
    environment = {"VERILATOR_ROOT": str(tools.verilator_root)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
