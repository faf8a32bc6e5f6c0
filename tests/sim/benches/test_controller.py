"""Configuration controller and port under Icarus: see sim/benches/controller.py."""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("cocotb") is None or shutil.which("iverilog") is None:
    pytest.skip("needs cocotb and Icarus Verilog", allow_module_level=True)

from sim.benches.runner import failures, run
from sim.benches.tops import controller

SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))]


@pytest.mark.parametrize("bench", ["controller", "controller-icape3"])
@pytest.mark.parametrize("seed", SEEDS)
def test_controller(tmp_path: Path, bench: str, seed: int) -> None:
    outcomes = run(bench, tmp_path, seed)
    assert len(outcomes) == 8
    assert not failures(outcomes)


@pytest.mark.parametrize(("pin", "value"), [("icap_rdwrb", "1'b0"), ("icap_csib", "1'b0")])
def test_a_stuck_pin_is_found(tmp_path: Path, pin: str, value: str) -> None:
    faulty, count = re.subn(rf"(  assign {pin} = ).*?;", rf"\g<1>{value};", controller())
    assert count == 1
    assert failures(run("controller", tmp_path, component=faulty, only="good_streams"))
