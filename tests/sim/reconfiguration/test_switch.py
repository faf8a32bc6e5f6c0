"""The switch that stands for the modules of a partition, under Icarus."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fpga_rt.contract.boundary import Direction, Wire
from sim.reconfiguration import module_switch, registers_of

WIRES = (Wire("step", 1, Direction.INPUT), Wire("count", 8, Direction.OUTPUT))

_BENCH = """
`timescale 1ns / 1ps
module plus (input clk, input step, output reg [7:0] count);
    initial count = 0;
    always @(posedge clk) count <= count + step;
endmodule
module minus (input clk, input step, output reg [7:0] count);
    initial count = 0;
    always @(posedge clk) count <= count - step;
endmodule
module bench;
    reg clk = 0, garbage = 0, loaded = 0;
    reg [7:0] where = 0;
    reg [63:0] id = 0;
    wire [7:0] count;
    partition it (
        .port_clk(clk), .garbage(garbage), .loaded(loaded), .loaded_partition(where),
        .loaded_id(id), .step(1'b1), .count(count), .clk(clk)
    );
    always #5 clk = !clk;
    task load(input [7:0] to, input [63:0] module_id);
        begin
            garbage = 1;
            repeat (2) @(negedge clk);
            $display("%0d", count);
            {garbage, loaded, where, id} = {1'b0, 1'b1, to, module_id};
            @(negedge clk) loaded = 0;
            repeat (3) @(negedge clk);
            $display("%0d", count);
        end
    endtask
    initial begin
        repeat (3) @(negedge clk);
        $display("%0d", count);
        load(1, 7);
        load(1, 8);
        load(0, 7);
        load(1, 9);
        load(1, 7);
        $finish;
    end
endmodule
"""


def test_only_the_module_that_was_loaded_is_there(tmp_path: Path) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog")
    switch = module_switch("partition", 1, WIRES, {7: "plus", 8: "minus"})
    source, program = tmp_path / "bench.v", tmp_path / "bench.vvp"
    source.write_text(_BENCH + switch, encoding="utf-8")
    command = ["iverilog", "-g2012", "-Wall", "-Wno-timescale", "-s", "bench"]
    built = subprocess.run([*command, "-o", str(program), str(source)], check=False)
    assert built.returncode == 0
    ran = subprocess.run(["vvp", "-n", str(program)], capture_output=True, text=True, check=True)
    shown = ran.stdout.split()
    # Before a load; then for each load what is there meanwhile, and what it has counted to three
    # clocks later. A load of another partition lets the module go on: it counts a clock more.
    assert shown == ["x", *("x", "3"), *("x", "253"), *("x", "249"), *("x", "x"), *("x", "6")]


@pytest.mark.parametrize("modules", [{}, {0: "plus"}, {1 << 64: "plus"}])
def test_identities_are_checked(modules: dict[int, str]) -> None:
    with pytest.raises(ValueError, match=r"expected one or more from 1 to 2\*\*64 - 1$"):
        module_switch("partition", 0, WIRES, modules)


def test_registers_are_found_by_module(tmp_path: Path) -> None:
    source = tmp_path / "design.v"
    source.write_text(
        """
        // reg not_this;
        module first (input clk, output reg [7:0] count, output reg done, input wire other);
            reg a, b; /* reg nor_this; */
            reg signed [3:0] c = 4'd0;
            reg [31:0] memory [0:7];
            reg \\odd$name ;
            wire w;
        endmodule
        module second; wire regular; endmodule
        """,
        encoding="utf-8",
    )
    assert registers_of([source]) == {
        "first": {"count", "done", "a", "b", "c", "memory", "odd$name"},
        "second": set(),
    }
