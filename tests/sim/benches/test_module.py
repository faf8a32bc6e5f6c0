"""Compute modules on few lanes under Icarus, in four values: see sim/benches/module.py."""

from __future__ import annotations

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

if find_spec("cocotb") is None or shutil.which("iverilog") is None:
    pytest.skip("needs cocotb and Icarus Verilog", allow_module_level=True)

from fpga_rt.modules.convolution import ConvolutionModule
from sim.benches.runner import SMALL_MODULES, failures, run
from sim.benches.tops import module_top
from tests.hw.modules import test_convolution as convolution
from tests.hw.modules import test_dense as dense
from tests.hw.modules import test_depthwise as depthwise
from tests.hw.modules import test_pooling as pooling
from tests.hw.modules.streams import Command

COMMANDS = 6
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))]


def random_command(module: str, seed: int) -> Command:
    """Return a command that a module computes, of a random operation and shape."""
    if module == "depthwise_2":
        return depthwise.random_command(2, seed)[2]
    if module == "pooling_2":
        return pooling.random_command(2, seed)[2]
    random = np.random.default_rng(seed)
    if module == "dense_2":
        inputs, outputs = (int(n) for n in random.integers(1, 25, 2))
        return dense.random_command(inputs, outputs, (8, 4)[seed % 2], seed)
    layer = convolution.random_layer(random)
    while len(ConvolutionModule(2, 2).tiles(layer)) > 1:
        layer = convolution.random_layer(random)
    gaps = convolution.gaps_of(random, layer, 2)
    return convolution.command_of((2, 2), layer, gaps)


def write_commands(path: Path, module: str, seed: int) -> None:
    """Write commands as the bench reads them."""
    commands = [random_command(module, 100 * seed + number) for number in range(COMMANDS)]
    entries = [
        {
            "descriptor": command.descriptor,
            "parameters": command.table,
            "started_after": len(command.table) - getattr(command, "weights", 0),
            "input": command.input,
            "output": command.output,
            "sizes": command.sizes,
        }
        for command in commands
    ]
    path.write_text(json.dumps(entries), encoding="utf-8")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("module", SMALL_MODULES)
def test_module(tmp_path: Path, module: str, seed: int) -> None:
    commands = tmp_path / "commands.json"
    write_commands(commands, module, seed)
    outcomes = run(module, tmp_path, seed, environment={"BENCH_COMMANDS": str(commands)})
    assert len(outcomes) == 3
    assert not failures(outcomes)


def test_a_module_that_is_not_reset_is_found(tmp_path: Path) -> None:
    """The region's reset does not reach the module: what its registers start with stays."""
    text = module_top("pooling_2")
    top, _, module = text.partition("module pooling_2_pins")
    faulty, count = re.subn(r"\.reset\(reset\)", ".reset(1'b0)", module, count=1)
    assert count == 1
    commands = tmp_path / "commands.json"
    write_commands(commands, "pooling_2", 1)
    outcomes = run(
        "pooling_2",
        tmp_path,
        component=f"module pooling_2_pins{faulty}",
        only="computes",
        environment={"BENCH_COMMANDS": str(commands)},
    )
    assert top
    assert failures(outcomes)
