"""Whole networks on the gateware: every output equals golden execution, and time the emulator's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import fpga_rt
from benchmarks import datasets
from fpga_rt.device.registry import open_device
from fpga_rt.frontend import load
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.runtime.records import ProgramRecord
from fpga_rt.runtime.runtime import Runtime
from sim.toolchain import obstacle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(obstacle() is not None, reason=str(obstacle())),
]

BOARD = "pynq-z2"
Codes = NDArray[np.int8]


@dataclass(frozen=True)
class Case:
    """A model, and the plan that is run.

    Attributes:
        name: of the model, as `benchmarks.datasets` has it.
        modules: that the planner may choose from; all when empty.
        partitions: of the board.
        random: inputs of random codes.
        late_cycles: largest difference of a command between emulator and RTL.
        because: what makes it.
    """

    name: str
    modules: tuple[str, ...]
    partitions: int
    random: int
    late_cycles: int
    because: str


CASES = (Case("ad", ("dense_8",), 1, 20, 10, "the output's segment starts within a burst of DRAM"),)


@pytest.fixture(autouse=True)
def _needs_data(data_dir: Path) -> None:
    pytest.importorskip("tflite")


def inputs(case: Case, network: Network) -> Codes:
    """Return random codes, then real data where there is some."""
    tensor = network.tensors[network.input]
    random = np.random.default_rng(5).integers(-128, 128, (case.random, *tensor.shape), np.int8)
    if case.name == "ad":
        real = datasets.machine_sounds(tensor.scale, tensor.zero_point)[:4]
        return np.concatenate([random, real])
    return random


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.partitions}")
def test_every_output_and_every_cycle(case: Case) -> None:
    network = load(datasets.model_path(case.name))
    codes = inputs(case, network)
    deployment = fpga_rt.compile(network, BOARD, case.partitions, case.modules or None)
    programs: dict[str, list[ProgramRecord]] = {}
    outputs: dict[str, Codes] = {}
    for name, options in (("emulator", {}), ("rtl", {"load_time": "stream"})):
        with open_device(name, BOARD, **options) as device, Runtime(device) as runtime:
            outputs[name] = runtime.run(runtime.load(deployment), codes)
            programs[name] = runtime.log.programs
    np.testing.assert_array_equal(outputs["rtl"], golden.run(network, codes))
    for found, said in zip(programs["rtl"], programs["emulator"], strict=True):
        took, expected = (p.ended_ps - p.started_ps for p in (found, said))
        assert took == pytest.approx(expected, rel=0.01)
        assert found.commands
        assert said.commands
        for partition, cycles in found.commands.items():
            difference = np.abs(cycles.computing - said.commands[partition].computing)
            assert difference.max() <= case.late_cycles, f"{difference}, not only {case.because}"
