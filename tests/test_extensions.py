"""A module and a device from a package outside this project: found, planned with, run on."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fpga_rt.device.registry import devices

MODULE = '''
"""A pooling module of another name and size."""

from fpga_rt.arch.resources import Resources
from fpga_rt.modules.pooling import PoolingModule


class WidePooling(PoolingModule):
    """Pooling on sixteen lanes."""

    family = "widepool"
    resources = Resources(lut=4500, dsp=24, bram36=15)


def variants():
    return (WidePooling(16),)
'''

FLOOR = '''
"""A module that cuts off what is below a limit, on four lanes: both halves."""

from fpga_rt.arch.resources import Resources
from fpga_rt.arithmetic.operations import NO_PADDING, MaximumPool
from fpga_rt.modules.pooling import PoolingModule


class Floor(PoolingModule):
    """Single pixels, no upper limit."""

    family = "floor"
    resources = Resources(lut=700)

    def refusal(self, layer):
        if not isinstance(layer.operation, MaximumPool) or layer.operation.high < 127:
            return "floor computes maxima without an upper limit"
        if layer.window != ((1, 1), (1, 1), NO_PADDING) or layer.input_shape[2] % self.lanes[0]:
            return "floor takes single pixels of a multiple of four channels"
        return super().refusal(layer)


def variants():
    return (Floor(4),)


def rtl(module):
    from amaranth.hdl import Module, Mux
    from fpga_rt.contract.command import Operation
    from hw.modules.elementwise.elementwise import Elementwise
    from hw.modules.elementwise.operators import Operator

    class FloorOperator(Operator):
        latency_cycles = 1

        def elaborate(self, platform):
            m = Module()
            low = self.header(m).low
            m.d.sync += [self.codes_valid.eq(self.chunk_valid), self.to.eq(self.chunk.to)]
            for code, result in zip(self.chunk.codes, self.codes):
                m.d.sync += result.eq(Mux(code < low, low, code))
            return m

    return Elementwise(module, Operation.MAXIMUM_POOL, FloorOperator)
'''

DEVICE = '''
"""A device of somebody else's."""

from fpga_rt.device.diagnosis import Finding
from fpga_rt.device.emulator import Emulator


class Remote(Emulator):
    """Somebody else's board."""

    @staticmethod
    def diagnose(board):
        """Say what a cable would need."""
        yield Finding("cable", f"none to {board.name}", "plug it in")
'''

BROKEN = '''
"""A device whose driver is missing."""

import a_driver_that_is_not_there


class Broken:
    """Never seen."""
'''

ENTRY_POINTS = """\
[fpga_rt.modules]
widepool = outside_pool:variants
floor = outside_floor:variants

[fpga_rt.gateware]
floor = outside_floor:rtl

[fpga_rt.devices]
outside = outside_device:Remote
broken = outside_broken:Broken
"""

PROGRAM = """
import numpy as np
from fpga_rt.arch.boards import board
from fpga_rt.device.registry import open_device
from fpga_rt.modules.registry import modules
from fpga_rt.network import golden
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.runtime import Runtime
from tests.random_networks import Builder

builder = Builder(np.random.default_rng(0), (8, 8, 32))
builder.maximum(2, 2)
network = builder.build()
wide = [m for m in modules() if m.family == "widepool"]
deployment = compile_network(network, board("pynq-z2"), 1, wide)
codes = np.arange(2 * 8 * 8 * 32, dtype=np.int8).reshape(2, 8, 8, 32)
with open_device("outside", "pynq-z2") as device, Runtime(device) as runtime:
    outputs = runtime.run(runtime.load(deployment), codes)
    print(runtime.log.swaps[0].module, np.array_equal(outputs, golden.run(network, codes)))
"""

ON_THE_RTL = """
import numpy as np
from fpga_rt.arch.boards import board
from fpga_rt.arithmetic.operations import MaximumPool
from fpga_rt.device.registry import open_device
from fpga_rt.modules.registry import named
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.runtime import Runtime
from tests.random_networks import Builder

builder = Builder(np.random.default_rng(0), (3, 5, 12))
builder.add(MaximumPool((1, 1), low=-20))
deployment = compile_network(builder.build(), board("pynq-z2"), 1, named(["floor_4"]))
codes = np.random.default_rng(1).integers(-128, 128, (2, 3, 5, 12)).astype(np.int8)
with open_device("rtl", "pynq-z2", load_time="stream") as device, Runtime(device) as runtime:
    outputs = runtime.run(runtime.load(deployment), codes)
    loaded = device.simulation.partition(0)[1] == named(["floor_4"])[0].module_id
    print(loaded, np.array_equal(outputs, np.maximum(codes, -20)))
"""


@pytest.fixture
def outside(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which the outside package is installed."""
    files = {
        "outside_pool.py": MODULE,
        "outside_floor.py": FLOOR,
        "outside_device.py": DEVICE,
        "outside_broken.py": BROKEN,
        "outside-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n",
        "outside-1.0.dist-info/entry_points.txt": ENTRY_POINTS,
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(content))
    root = Path(__file__).resolve().parents[1]
    return {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_module_and_a_device_from_outside_run_a_network(outside: dict[str, str]) -> None:
    done = _run(outside, "-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["widepool_16", "True"]


def test_the_gateware_of_a_module_from_outside_is_built_loaded_and_run(
    outside: dict[str, str],
) -> None:
    obstacle = {entry.name: entry.obstacle for entry in devices()}["rtl"]
    if obstacle:
        pytest.skip(f"rtl: {obstacle}")
    done = _run(outside, "-c", ON_THE_RTL)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True"]


def test_devices_from_outside_are_listed_with_what_stands_in_their_way(
    outside: dict[str, str],
) -> None:
    done = _run(outside, "-m", "fpga_rt.cli.main", "devices")
    assert done.returncode == 0, done.stderr
    assert "Somebody else's board." in done.stdout
    assert "a_driver_that_is_not_there" in done.stdout


def test_a_device_that_cannot_be_used_is_refused_by_name(outside: dict[str, str]) -> None:
    program = "from fpga_rt.device.registry import open_device; open_device('broken', 'pynq-z2')"
    done = _run(outside, "-c", program)
    assert "device broken cannot be used here: it does not import" in done.stderr


def test_a_device_from_outside_says_itself_what_it_lacks(outside: dict[str, str]) -> None:
    done = _run(outside, "-m", "fpga_rt.cli.main", "doctor", "--device", "outside")
    assert done.returncode == 6
    assert "device outside cannot be used here: cable: none to pynq-z2; plug it in" in done.stderr
