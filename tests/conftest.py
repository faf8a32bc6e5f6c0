"""What every test shares: the folder of real data, and property tests that repeat exactly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every machine; no deadline, because a busy core may stall for seconds.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real data: `FPGA_RT_DATA`, or `../shared/data` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("FPGA_RT_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no folder of real data at {folder}: set FPGA_RT_DATA to it")
    return folder
