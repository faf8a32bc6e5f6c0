"""NNgen's environment, its design of a chain of layers, and a simulator of that design."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fpga_rt.errors import ToolchainError
from sim.cache import identity
from sim.toolchain import Toolchain, run, toolchain

FOLDER = Path(__file__).resolve().parents[1] / "build" / "nngen"
SCRIPT = Path(__file__).with_name("nngen_layer.py")
VERSION = "1.3.4"
PACKAGES = (
    # Exact: these three write the Verilog, so they decide every cycle and every multiplier.
    f"nngen=={VERSION}",
    "veriloggen==2.3.0",
    "pyverilog==1.3.0",
    # Exact: NNgen gives no upper bounds; with this set it was seen to work, on Python 3.11.
    "jinja2==3.1.6",
    "markupsafe==3.0.4",
    "ml-dtypes==0.6.0",
    "numpy==2.4.6",
    "onnx==1.23.2",
    "ply==3.11",
    "protobuf==7.36.2",
    "typing-extensions==4.16.0",
)

_VERILATOR_FLAGS = (
    *("--cc", "--exe", "--main", "--timing", "--no-assert"),
    *("--x-assign", "0", "--x-initial", "0", "-Wno-fatal", "-Wno-lint"),
    # Files of this size compile in seconds each.
    *("--output-split", "30000", "--top-module", "monitored"),
)
_COMPILER_FLAGS = ("-std=c++20", "-fcoroutines", "-O0")  # to optimise takes longer than to run
_UNUSED = ("COVERAGE", "SC", "TRACE", "TRACE_VCD", "TRACE_FST", "TRACE_SAIF")
_RUNTIME_SOURCES = ("verilated.cpp", "verilated_threads.cpp", "verilated_timing.cpp")

_MONITOR = """
module monitored;
  integer clocks = 0;
  reg [31:0] state = 0;
  test test();
  always @(posedge test.CLK) begin
    clocks <= clocks + 1;
    if (test.accelerator.main_fsm != state) begin
      $display("state %0d %0d", clocks, test.accelerator.main_fsm);
      state <= test.accelerator.main_fsm;
      if (test.accelerator.main_fsm == 0) $writememh("result.hex", test._memory_mem);
    end
    if (test.maxi_arvalid && test.maxi_arready)
      $display("read %0d %0d", clocks, test.maxi_araddr);
    if (test.maxi_rvalid && test.maxi_rready && test.maxi_rlast) $display("last %0d", clocks);
  end
endmodule
"""
"""Prints the clocks in which the main machine steps and a burst of reads begins and ends."""

_INSTANCE = re.compile(r"^  ((?:madd|multiplier)_\d+)\s+\w+\s+\(", re.MULTILINE)
_PRODUCT = re.compile(
    r"^module ((?:madd|multiplier)_\d+)\n\(.*?input \[(\d+)-1:0\] a,\s*input \[(\d+)-1:0\] b,",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Design:
    """A design that can be simulated.

    Attributes:
        folder: of its files; the simulator reads `memory.hex` there and writes `result.hex`.
        tensors: address and padded shape of each tensor in memory.
        states: first and last state of the main machine, for each layer.
        multipliers: of two int8 values, as the Verilog has them.
        other_multipliers: of wider values.
        simulator: what simulates it, with its version.
    """

    folder: Path
    tensors: Mapping[str, Mapping[str, Any]]
    states: Mapping[str, tuple[int, int]]
    multipliers: int
    other_multipliers: int
    simulator: str

    def simulate(self) -> list[tuple[str, ...]]:
        """Run the design and return the words of each line that the monitor printed.

        Raises:
            ToolchainError: the simulator failed.
        """
        program = self.folder / "simulator"
        (self.folder / "result.hex").unlink(missing_ok=True)  # it is written when the run ends
        ran = subprocess.run(
            [program], cwd=self.folder, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise ToolchainError(f"{program} stopped with exit code {ran.returncode}: {ran.stderr}")
        if not (self.folder / "result.hex").exists():
            raise ToolchainError(f"{program} ended before the design did: {ran.stdout[-300:]}")
        lines = ran.stdout.splitlines()
        return [tuple(line.split()) for line in lines if not line.startswith("-")]


def make(request: Mapping[str, Any]) -> Design:
    """Make the design that a request asks for, or take the one that was made before.

    Raises:
        ToolchainError: a tool is missing or fails, or NNgen cannot be installed.
    """
    tools = toolchain()
    recipe = [json.dumps(request), SCRIPT.read_text(), _MONITOR, *PACKAGES, *tools.versions]
    folder = FOLDER / identity([*recipe, *_VERILATOR_FLAGS, *_COMPILER_FLAGS])
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "layout.json").exists():
        (folder / "request.json").write_text(json.dumps(request))
        run([_environment(), "-I", SCRIPT, folder / "request.json", folder])
    if not (folder / "simulator").exists():
        _build(tools, folder)
    layout = json.loads((folder / "layout.json").read_text())
    own, others = _multipliers((folder / "design.v").read_text())
    return Design(folder, layout["tensors"], layout["states"], own, others, tools.versions[0])


def _environment() -> Path:
    """Return the Python of an environment with NNgen, made if it is not there."""
    folder = FOLDER / f"environment-{identity([sys.version, *PACKAGES])}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        run([sys.executable, "-m", "venv", "--clear", folder])
        pip: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "--no-input",
            "--disable-pip-version-check",
        ]
        run([*pip, *PACKAGES])
        (folder / "complete").touch()
    return python


def _build(tools: Toolchain, folder: Path) -> None:
    """Turn the Verilog into a program."""
    (folder / "monitor.v").write_text(_MONITOR)
    sources = folder / "sources"
    verilog = [folder / "monitor.v", folder / "design.v"]
    command: list[str | Path] = [tools.verilator, *_VERILATOR_FLAGS, "--Mdir", sources, *verilog]
    run(command, VERILATOR_ROOT=str(tools.verilator_root))
    include = [f"-I{path}" for path in (tools.include, tools.include / "vltstd", sources)]
    flags = [*_COMPILER_FLAGS, *include, "-DVM_TIMING=1", *(f"-DVM_{name}=0" for name in _UNUSED)]
    objects: list[str | Path] = []
    runtime = [tools.include / name for name in _RUNTIME_SOURCES]
    for source in [*runtime, *sorted(sources.glob("*.cpp"))]:
        objects.append(sources / f"{source.stem}.o")
        run([tools.compiler, *flags, "-c", source, "-o", objects[-1]])
    linked = sources / "simulator"
    run([tools.compiler, *objects, "-pthread", "-o", linked])
    linked.rename(folder / "simulator")


def _multipliers(verilog: str) -> tuple[int, int]:
    """Count the instances of multipliers: of two int8 values, and of others.

    Raises:
        ToolchainError: there is none, so the Verilog is not what this looks for.
    """
    widths = {name: (int(a), int(b)) for name, a, b in _PRODUCT.findall(verilog)}
    instances = [widths[name] for name in _INSTANCE.findall(verilog)]
    own = instances.count((8, 8))
    if not own:
        raise ToolchainError(
            f"NNgen's design has no multiplier of two int8 values among {len(instances)};"
            f" compare benchmarks/nngen_simulator.py with what NNgen {VERSION} writes"
        )
    return own, len(instances) - own
