"""The decoupler under Icarus, and that faults in it are found: see sim/benches/decoupler.py."""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("cocotb") is None or shutil.which("iverilog") is None:
    pytest.skip("needs cocotb and Icarus Verilog", allow_module_level=True)

from sim.benches.runner import failures, run
from sim.benches.tops import decoupler

SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))]


@pytest.mark.parametrize("seed", SEEDS)
def test_decoupler(tmp_path: Path, seed: int) -> None:
    outcomes = run("decoupler", tmp_path, seed)
    assert len(outcomes) == 4
    assert not failures(outcomes)


@pytest.mark.parametrize(
    ("pin", "wire", "found"),
    [
        ("static_error", "module_error", "decoupled_at_random"),
        ("module_start", "static_start", "decoupled_at_random"),
        ("static_output_valid", "module_output_valid", "decoupled_at_random"),
        ("static_input_ready", "module_input_ready", "static_input was unknown"),
    ],
)
def test_a_wire_past_the_decoupler_is_found(
    tmp_path: Path, pin: str, wire: str, found: str
) -> None:
    faulty, count = re.subn(rf"(  assign {pin} = ).*?;", rf"\g<1>{wire};", decoupler())
    assert count == 1
    assert found in failures(run("decoupler", tmp_path, component=faulty))
