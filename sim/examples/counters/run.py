"""Builds and runs the example under Icarus: python -m sim.examples.counters.run."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from fpga_rt.arch import boards
from fpga_rt.contract.boundary import Direction, Wire
from fpga_rt.errors import ToolchainError
from sim import port
from sim.port.frames import write_frames
from sim.reconfiguration import TransitionCoverage, module_switch

HERE = Path(__file__).resolve().parent
BOARD = "pynq-z2"
MODULES = {0xC0FFEE01: "count_up", 0xC0FFEE02: "count_down"}
WIRES = (
    Wire("reset", 1, Direction.INPUT),
    Wire("step", 1, Direction.INPUT),
    Wire("count", 8, Direction.OUTPUT),
)
SOURCES = (HERE / "counters.v", HERE / "top.v", *port.SOURCES)


def run(folder: Path) -> TransitionCoverage:
    """Run the bench in a folder, and return the transitions that it saw.

    Raises:
        ToolchainError: Icarus is missing, or a test of the bench failed.
    """
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    folder.mkdir(parents=True, exist_ok=True)
    board = boards.board(BOARD)
    switch = folder / "partition_0.v"
    switch.write_text(module_switch("partition_0", 0, WIRES, MODULES), encoding="utf-8")
    given = write_frames(folder / "frames.hex", board.device, board.partitions)
    parameters = {n: f'"{v}"' if isinstance(v, str) else v for n, v in given.items()}
    coverage = folder / "coverage.json"
    coverage.unlink(missing_ok=True)
    if shutil.which("iverilog") is None:
        raise ToolchainError(
            "Icarus Verilog is missing; install it, for example with: apt-get install iverilog"
        )
    simulator = get_runner("icarus")
    simulator.build(
        sources=[*SOURCES, switch],
        hdl_toplevel="top",
        parameters=parameters,
        build_args=["-g2012"],
        build_dir=folder,
        timescale=("1ns", "1ps"),
        always=True,
    )
    results = simulator.test(
        hdl_toplevel="top",
        test_module="sim.examples.counters.bench",
        build_dir=folder,
        test_dir=folder,
        extra_env={"TRANSITIONS": str(coverage)},
    )
    tests, failed = get_results(results)
    if failed or not tests:
        raise ToolchainError(
            f"{failed} of {tests} tests of the example failed, expected 0 of 5; the log above says"
            f" why, and {results} which"
        )
    return TransitionCoverage.from_json(coverage.read_text(encoding="utf-8"))


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if sys.argv[1:] else Path(os.curdir, "build", "counters")
    sys.stdout.write(f"{run(chosen.resolve()).report()}\n")
