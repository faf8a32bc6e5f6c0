"""The stand-in for a board's kernel, and the device on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fpga_rt.device.pynq.device import Pynq
from tests.standin.standin import StandIn, installed, obstacle


@pytest.fixture
def standin() -> Iterator[StandIn]:
    reason = obstacle()
    if reason:
        pytest.skip(reason)
    with installed("pynq-z2") as running:
        yield running


@pytest.fixture
def device(standin: StandIn) -> Iterator[Pynq]:
    with Pynq("pynq-z2", kernel=standin.kernel, simulation_bitstreams=True) as opened:
        yield opened
