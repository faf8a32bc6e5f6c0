"""Parameters that come while the region computes, under Icarus: see sim/benches/parameters.py."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("cocotb") is None or shutil.which("iverilog") is None:
    pytest.skip("needs cocotb and Icarus Verilog", allow_module_level=True)

from sim.benches.runner import failures, run

TESTS = 4


def run_parameters(folder: Path, seed: int, **environment: str) -> None:
    outcomes = run("parameters", folder, seed, environment=environment)
    assert len(outcomes) == TESTS
    assert not failures(outcomes)


def test_parameters(tmp_path: Path) -> None:
    run_parameters(tmp_path, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 5))
def test_parameters_at_more_moments(tmp_path: Path, seed: int) -> None:
    run_parameters(tmp_path, seed, THOROUGH="1")
