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

import numpy as np

from benchmarks.measurement import Measurement
from fpga_rt.arch.boards import Board, board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.standin import stand_in
from fpga_rt.errors import ToolchainError
from fpga_rt.modules.registry import named
from sim.cache import VARIABLE
from sim.device import RtlDevice
from sim.system import ICAP_PS

BOARD = "pynq-z2"
GOAL_BYTES = 1_033_328
"""The partial that the goal of a load is stated for; no legal region of the board has this size."""
MODULES = ("scale_8", "add_8")
SWAPS = 20


def run() -> list[Measurement]:
    """Return the figures of loads, of the simulator, and of a cold build."""
    target = board(BOARD)
    with RtlDevice(target, load_time="stream") as device:
        figures = [*_loads(device, target), *_swaps(device, target), _speed(device)]
    return [*figures, *_cold_build()]


def _loads(device: RtlDevice, target: Board) -> list[Measurement]:
    """Send whole partials through the controller, every byte of them."""
    (module,) = named(MODULES[:1])
    sizes, times_ps, walls = [], [], []
    for partition in (target.partitions[2], target.partitions[0]):
        stream = stand_in(target.device, partition, module.module_id)
        staged = device.stage(stream, partition.index)
        device.decouple(partition.index)
        began = time.perf_counter()
        done = device.wait(device.begin_load(partition.index, staged, "icap"))
        walls.append(time.perf_counter() - began)
        sizes.append(len(stream))
        times_ps.append(done.ended_ps - done.started_ps)
    rate = sizes[0] / 4 * ICAP_PS / times_ps[0]
    goal_ms = float(np.interp(GOAL_BYTES, sizes, times_ps)) / 1e9
    note = f"{sizes[0]:,} bytes, 30 clocks of memory latency; set-up and register accesses counted"
    between = f"between {times_ps[0] / 1e9:.3f} ms for {sizes[0]:,} and {times_ps[1] / 1e9:.3f} ms"
    return [
        Measurement("load, words per ICAP clock", rate, "", "rtl", 0.99, False, note),
        Measurement(
            "load of 1,033,328 bytes", goal_ms, "ms", "rtl", 2.9,
            note=f"{between} for {sizes[1]:,} bytes",
        ),
        Measurement("the longer of the two, simulated in", walls[1], "s", "wall"),
    ]  # fmt: skip


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


def _speed(device: RtlDevice) -> Measurement:
    """Simulate the whole system while it moves: a partial goes through the controller."""
    target = board(BOARD)
    partition = target.partitions[2]
    (module,) = named(MODULES[:1])
    staged = device.stage(stand_in(target.device, partition, module.module_id), partition.index)
    simulation = device.simulation
    device.decouple(partition.index)
    clocks, began = simulation.clocks, time.process_time()
    device.wait(device.begin_load(partition.index, staged, "icap"))
    rate = (simulation.clocks - clocks) / (time.process_time() - began)
    note = "compute clocks a second of processor time, three partitions, one being loaded"
    return Measurement("speed of the whole system", rate / 1e6, "M/s", "wall", note=note)


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
    """Build everything into an empty cache: the static region, then a module besides."""
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
    for name, goal, (wall_s, cpu_s) in zip(
        ("cold build of the static region", f"cold build with {MODULES[0]}"),
        (60.0, 90.0),
        json.loads(ran.stdout),
        strict=True,
    ):
        note = f"{cpu_s:.0f} s of processor time"
        found.append(Measurement(name, wall_s, "s", "wall", goal, note=note))
    return found
