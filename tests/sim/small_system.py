"""A small system in Verilog: one partition, a copy through its module, two modules that add."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.sequence import first_frame
from sim.build import Design, build_model
from sim.cache import cached
from sim.pacing import MemoryPort, Pacing
from sim.system import Setup, System
from sim.top import PortInfo, StaticSource, system_design

BASE = 0x1000_0000
MEMORY_BYTES = 1 << 20
SOURCE, DESTINATION = 0x1_0000, 0x8_0000
RUNNING, INTERRUPT = "configuration_running", "interrupt"
ADDENDS = {0x1111: 5, 0x2222: 7}
MODULE = Path(__file__).with_name("module.v").read_text(encoding="utf-8")
STATIC = Path(__file__).with_name("static_region.v").read_text(encoding="utf-8")
PACING = Pacing(30, Fraction(5, 4))
BOARD = board("pynq-z2")

_PORT = re.compile(r"(input|output)(?: reg)? (?:\[(\d+):0\] )?(\w+)")


def static_source(verilog: str = STATIC) -> StaticSource:
    found = _PORT.findall(verilog[: verilog.index(");")])
    clocks = ("clk", "rst", "icap_clk", "icap_rst")
    ports = {n: PortInfo(int(w or 0) + 1, d == "output") for d, w, n in found if n not in clocks}
    return StaticSource("small_static_region", verilog, ports)


@cache
def static_library(verilog: str = STATIC, waves: bool = False) -> Path:
    """Build the small static region; its configuration port knows the partition's first frames."""
    device, partition = BOARD.device, BOARD.partitions[0]
    line = f"0002{0:04x}{1:04x}{0:04x}{100:04x}{first_frame(device, partition):08x}\n"

    def make(folder: Path) -> None:
        (folder / "frames.hex").write_text(line, encoding="ascii")

    frames = cached("small-frames", "frames.hex", [line], make)
    parameters: dict[str, int | str] = {"IDCODE": device.idcode, "FRAMES": str(frames)}
    return build_model(system_design(static_source(verilog), 1, parameters), waves=waves)


@cache
def module_library(module_id: int, waves: bool = False) -> Path:
    text = MODULE.replace("MODULE_ID", f"{module_id:x}").replace("ADDEND", str(ADDENDS[module_id]))
    return build_model(Design(f"small_{module_id:x}", "small_module", text), waves=waves)


def setup(**changes: Any) -> Setup:  # noqa: ANN401 - the fields of Setup
    ports = [
        MemoryPort(name, name.endswith("write"), PACING)
        for name in ("configuration", "features_0_read", "features_0_write")
    ]
    strobes = {"event_start_0": (0, 0), "event_end_0": (1, 0)}
    watches = {INTERRUPT: True, RUNNING: False}
    waves = changes.get("waves") is not None
    made = Setup(static_library(waves=waves), 1, ports, watches, strobes, check=True)
    return replace(made, **changes)


class SmallSystem(System):
    """The system with its memory, and what its host does."""

    def __init__(self, used: Setup | None = None) -> None:
        self.memory = np.zeros(MEMORY_BYTES, np.uint8)
        used = used or setup()
        super().__init__(used, self.memory, BASE)
        for module_id in ADDENDS:
            path = module_library(module_id, used.waves is not None)
            self.add_module(module_id, path, f"small_{module_id:x}")

    def __enter__(self) -> SmallSystem:
        return self

    def stream(self, data: bytes) -> None:
        """Send a bitstream through the configuration port, the partition decoupled."""
        self.memory[: len(data)] = np.frombuffer(data, np.uint8)
        for offset, value in ((0x108, 1), (0x40, BASE), (0x48, len(data) // 4)):
            self.write(offset, value)
        self.arm(RUNNING)
        self.write(0x4C, 1)
        assert self.run([RUNNING], until_ps=self.now_ps + 10**9)
        self.run(until_ps=self.now_ps + 200_000)

    def load(self, module_id: int, reset: bool = True) -> None:
        self.stream(bitstream(module_id))
        if reset:
            self.write(0x108, 3)
        self.write(0x108, 0)

    def module_id(self) -> int:
        return self.read(0x104) << 32 | self.read(0x100)

    def start_copy(self, beats: int, source: int = BASE + SOURCE) -> None:
        for offset, value in ((0x20, source), (0x30, BASE + DESTINATION), (0x34, beats)):
            self.write(offset, value)
        self.arm(INTERRUPT)
        self.write(0x28, 1)

    def copy(self, data: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Send beats through the module and return what comes back."""
        size = data.nbytes
        self.memory[SOURCE : SOURCE + size] = data.view(np.uint8)
        self.start_copy(len(data))
        assert self.run([INTERRUPT], until_ps=self.now_ps + 10**9) == {INTERRUPT}
        return np.array(self.memory[DESTINATION : DESTINATION + size]).view(np.uint64)


def bitstream(module_id: int) -> bytes:
    return simulation_bitstream(BOARD.device, BOARD.partitions[0], module_id)


def beats(count: int) -> NDArray[np.uint64]:
    return np.random.default_rng(3).integers(0, 1 << 63, count, np.uint64)
