"""The example of the simulation library: two counters that take turns in one partition."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("cocotb") is None or shutil.which("iverilog") is None:
    pytest.skip("needs cocotb and Icarus Verilog", allow_module_level=True)

from sim.examples.counters.run import run


def test_counters(tmp_path: Path) -> None:
    coverage = run(tmp_path)
    assert coverage.missing == []
    assert coverage.loads == {("rp0", "count_up"): 3, ("rp0", "count_down"): 2}
