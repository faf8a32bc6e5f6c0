"""Parameters that come while the region computes, under Icarus: see sim/benches/parameters.py."""

from __future__ import annotations

import asyncio
import shutil
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import AsyncMock, MagicMock

import pytest

if find_spec("cocotb") is None or shutil.which("iverilog") is None:
    pytest.skip("needs cocotb and Icarus Verilog", allow_module_level=True)

from sim.benches.parameters import Updated
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


@pytest.mark.parametrize(
    ("problem", "shown"),
    [(None, False), ("output 1 is wrong", True), ("more than output 1 changed", None)],
)
def test_only_a_wrong_output_shows_an_overwritten_bank(
    problem: str | None, shown: bool | None
) -> None:
    """What else goes wrong is a fault of the gateware, not what was looked for."""
    updated = MagicMock(_operations=[], some_clocks=AsyncMock(), ended=AsyncMock())
    updated.system.host.start = AsyncMock()
    updated.ended.side_effect = problem and AssertionError(problem)
    trial = Updated.overwritten(updated, "tables")
    if shown is None:
        with pytest.raises(AssertionError, match=problem):
            asyncio.run(trial)
    else:
        assert asyncio.run(trial) is shown
