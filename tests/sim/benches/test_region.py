"""The whole static region under Icarus, swapped while it works: see sim/benches/region.py."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("cocotb") is None or shutil.which("iverilog") is None:
    pytest.skip("needs cocotb and Icarus Verilog", allow_module_level=True)

from sim.benches.runner import failures, run
from sim.benches.tops import MODULES, small_board
from sim.reconfiguration import TransitionCoverage

TESTS = 10


def run_region(folder: Path, seed: int, **environment: str) -> TransitionCoverage:
    coverage = folder / "transitions.json"
    given = {"TRANSITIONS": str(coverage), **environment}
    outcomes = run("region", folder, seed, environment=given)
    assert len(outcomes) == TESTS
    assert not failures(outcomes)
    return TransitionCoverage.from_json(coverage.read_text(encoding="utf-8"))


def test_region(tmp_path: Path) -> None:
    coverage = run_region(tmp_path, seed=1)
    names = [partition.name for partition in small_board().partitions]
    assert coverage.modules == {name: MODULES for name in names}
    assert len(coverage.loads) == 2 * 3
    assert len(coverage.transitions) == 2 * 3 * 2
    assert coverage.missing == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 5))
def test_region_with_everything_tried(tmp_path: Path, seed: int) -> None:
    assert run_region(tmp_path, seed, THOROUGH="1").missing == []
