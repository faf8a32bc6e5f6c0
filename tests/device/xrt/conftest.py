"""A machine with a card, and the device on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fpga_rt.device.xrt.device import Xrt
from tests.device.xrt.made import BOARD, opened
from tests.standin.xrt import Machine, installed


@pytest.fixture
def machine() -> Iterator[tuple[Machine, Path]]:
    with installed(BOARD) as (found, folder):
        yield found, folder


@pytest.fixture
def device(machine: tuple[Machine, Path]) -> Iterator[Xrt]:
    with opened(*machine) as found:
        yield found
