"""The gateware in simulation: loads through the configuration controller, speed, swaps, builds.

Device time is counted in clocks of the simulated RTL, at the clocks that it is made for: 1000/7 and
100 MHz, assumed, for nothing is implemented yet. Wall and processor time are this machine's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.measurement import Measurement
from fpga_rt.arch.boards import Board, board
from fpga_rt.arch.floorplan import cells
from fpga_rt.arch.packets import NOP
from fpga_rt.arch.partials import Cell
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.standin import stand_in
from fpga_rt.bitstream.verify import verify
from fpga_rt.contract.static_region import STATIC_REGION, partition_register
from fpga_rt.errors import DeviceError, ExecutionError, ToolchainError
from fpga_rt.frontend import load
from fpga_rt.modules.registry import named
from fpga_rt.network import golden
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.selfcheck.ports import fit
from fpga_rt.selfcheck.swaps import Swap
from sim.cache import VARIABLE
from sim.device import RUNNING, RtlDevice
from sim.system import ICAP_PS, Content

BOARD = "pynq-z2"
GOAL_BYTES = 1_033_328
"""The partial that the goal of a load is stated for: 11 columns of logic, one of multipliers and
one of block RAM in two rows, which no place of the board offers."""
GOAL_COLUMNS = {"Y2": (54, 67), "Y1": (59, 67)}
"""Of all neighbouring columns in the rows of the largest partition those whose partial is the
longest below: 1,740 bytes are missing, and NOPs behind the stream make up for them."""
SMALL_COLUMNS = ({"Y2": (54, 55)}, {"Y2": (54, 59)})
"""Of two small partials in the same place, whose times predict that of the large one."""
MODULES = ("scale_8", "add_8")
SWAPS = 20
DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits" / "digits.onnx"
IMAGES = 16
"""In the request whose simulation is timed."""
GOALS_COLD_S = {"the static region": 60.0, f"the static region and {MODULES[0]}": 90.0}
"""Wall time into an empty cache, from the same start: what is built for a device that is opened,
and for one that has a module besides."""


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    onnx = None if find_spec("onnx") else "no package onnx: pip install 'fpga-rt[onnx]'"
    return RtlDevice.obstacle() or onnx


def run() -> list[Measurement]:
    """Return the figures of loads, of the simulator, and of a cold build."""
    target = board(BOARD)
    with RtlDevice(target, load_time="stream") as device:
        figures = [*_loads(device, target), *_swaps(device, target)]
    return [*figures, _speed(), *_cold_build()]


def _loads(device: RtlDevice, target: Board) -> list[Measurement]:
    """Send whole partials through the controller, every byte of them."""
    (module,) = named(MODULES[:1])
    partition = target.partitions[2]
    stream = stand_in(target.device, partition, module.module_id)
    staged = device.stage(stream, partition.index)
    device.decouple(partition.index)
    done = device.wait(device.begin_load(partition.index, staged, "icap"))
    rate = len(stream) / 4 * ICAP_PS / (done.ended_ps - done.started_ps)
    note = f"{len(stream):,} bytes, 30 clocks of memory latency; set-up and accesses counted"
    return [
        Measurement("load, words per ICAP clock", rate, "", "rtl", 0.99, False, note),
        *_load_of_goal(device, target, module.module_id),
    ]


def _load_of_goal(device: RtlDevice, target: Board, module_id: int) -> list[Measurement]:
    """Send a partial of exactly `GOAL_BYTES`, by registers: `stage` wants whole partitions."""
    partition = target.partitions[0]
    region = _region(target, GOAL_COLUMNS)
    partial = stand_in(target.device, partition, module_id, region=region)
    nops = (GOAL_BYTES - len(partial)) // 4
    stream = partial + NOP.to_bytes(4, "big") * nops
    verify(stream, target.device, region)
    wall = time.perf_counter()
    load_ps = _sent_ps(device, stream)
    wall = time.perf_counter() - wall
    if device.simulation.partition(partition.index) != (Content.MODULE, module_id):
        raise DeviceError(f"the partial of {len(stream):,} bytes was not loaded")
    note = (
        f"{len(stream):,} bytes, every one sent: {len(partial):,} are a partial that resets"
        f" {len(region)} columns inside {partition.name}, then {nops} NOPs; accesses counted"
    )
    small = []
    for columns in SMALL_COLUMNS:
        part = stand_in(target.device, partition, module_id, region=_region(target, columns))
        phases = {"transfer": _sent_ps(device, part)}
        small.append(Swap(partition.index, MODULES[0], "icap", len(part), phases))
    line = fit(target.ports["icap"], small)
    predicted_ps = line.setup_ps + GOAL_BYTES / line.bytes_per_second * 1e12
    sizes = " and ".join(f"{load.size_bytes:,}" for load in small)
    return [
        Measurement("load of 1,033,328 bytes", load_ps / 1e9, "ms", "rtl", 2.9, note=note),
        Measurement(
            "the same by a line through small loads, off by",
            100 * abs(predicted_ps / load_ps - 1), "%", "rtl", 5,
            note=f"{predicted_ps / 1e9:.3f} ms, from loads of {sizes} bytes, as selfcheck fits",
        ),
        Measurement("the same, simulated in", wall, "s", "wall"),
    ]  # fmt: skip


def _region(target: Board, columns: Mapping[str, tuple[int, int]]) -> frozenset[Cell]:
    """Return the cells of the first partition in columns from one to another, by row."""
    return frozenset(
        cell
        for cell in cells(target.device, target.partitions[0])
        if cell.row.name in columns
        and columns[cell.row.name][0] <= cell.column <= columns[cell.row.name][1]
    )


def _sent_ps(device: RtlDevice, stream: bytes) -> int:
    """Send a stream to the first partition by registers; return how long it took."""
    partition = device.board.partitions[0]
    buffer = device.allocate(len(stream))
    buffer.view[:] = np.frombuffer(stream, np.uint8)
    device.decouple(partition.index)
    began_ps = device.now_ps()
    _write(device, partition_register(partition.index, "load"), begin=1)
    _write(device, "configuration_source", value=buffer.address)
    _write(device, "configuration_words", value=len(stream) // 4)
    device.simulation.arm(RUNNING)
    _write(device, "configuration_control", start=1)
    device.simulation.run([RUNNING], until_ps=began_ps + 10**10)
    return device.simulation.fired_ps(RUNNING) - began_ps


def _write(device: RtlDevice, name: str, **fields: int) -> None:
    register = STATIC_REGION[name]
    for word, value in enumerate(register.word_values(register.pack(**fields))):
        device.write32(register.offset + 4 * word, value)


def _swaps(device: RtlDevice, target: Board) -> list[Measurement]:
    """Time how long the simulator takes to unload a module's library and load another one's."""
    partition = target.partitions[0]
    staged = [
        device.stage(simulation_bitstream(target.device, partition, module.module_id), 0)
        for module in named(MODULES)
    ]
    device.decouple(0)
    before = device.simulation.swap_seconds
    for index in range(SWAPS):
        device.wait(device.begin_load(0, staged[index % 2], "icap"))
    value = (device.simulation.swap_seconds - before) / SWAPS * 1e3
    note = f"mean of {SWAPS}"
    return [Measurement("hot swap besides its clocks", value, "ms", "wall", 1.0, note=note)]


def _speed() -> Measurement:
    """Simulate the whole system while a network runs: every partition computes, memories work."""
    network = load(DIGITS)
    deployment = compile_network(network, board(BOARD))
    shape = (IMAGES, *network.tensors[network.input].shape)
    codes = np.random.default_rng(0).integers(-128, 128, shape, np.int8)
    with RtlDevice(BOARD, load_time="stream") as device, Runtime(device) as runtime:
        model = runtime.load(deployment)
        runtime.run(model, codes[:1])  # builds and loads what is not there yet
        clocks, began = device.simulation.clocks, time.perf_counter()
        outputs = runtime.run(model, codes, IMAGES)
        wall_s = time.perf_counter() - began
        clocks = device.simulation.clocks - clocks
    if not np.array_equal(outputs, golden.run(network, codes)):
        raise ExecutionError(f"{network.name} on rtl differs from golden execution")
    note = (
        f"compute clocks a second of wall time; {network.name}, {IMAGES} images in a request,"
        f" {clocks:,} clocks, {len(deployment.launches[0].rings)} partitions computing"
    )
    return Measurement("speed of the whole system", clocks / wall_s / 1e6, "M/s", "wall", note=note)


_COLD_BUILD = f"""
import json, os, time
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.modules.registry import named
from sim.device import RtlDevice

def spent():
    return time.perf_counter() - began, sum(os.times()[:4])

began = time.perf_counter()
with RtlDevice({BOARD!r}) as device:
    opened = spent()
    board, (module,) = device.board, named({MODULES[:1]!r})
    device.stage(simulation_bitstream(board.device, board.partitions[0], module.module_id), 0)
print(json.dumps([opened, spent()]))
"""


def _cold_build() -> list[Measurement]:
    """Build into an empty cache: the static region (60 s), then a module besides (90 s in all)."""
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [sys.executable, "-c", _COLD_BUILD],
            env={**os.environ, VARIABLE: folder},
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        raise ToolchainError(f"the cold build failed: {ran.stderr.strip()}")
    found = []
    names = ("cold build of the static region", f"cold build with {MODULES[0]}")
    for name, (what, goal), (wall_s, cpu_s) in zip(
        names, GOALS_COLD_S.items(), json.loads(ran.stdout), strict=True
    ):
        note = f"{what}, from an empty cache; {cpu_s:.0f} s of processor time"
        found.append(Measurement(name, wall_s, "s", "wall", goal, note=note))
    return found
