"""The devices that conformance is about.

A device joins by a line in `DEVICES`; one that cannot run here skips with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fpga_rt.device.interface import Device
from fpga_rt.device.registry import devices, open_device

DEVICES = [("emulator", "pynq-z2"), ("emulator", "kv260"), ("rtl", "pynq-z2")]


@pytest.fixture(params=DEVICES, ids=lambda p: f"{p[0]}-{p[1]}")
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    name, board = request.param
    obstacle = {entry.name: entry.obstacle for entry in devices()}[name]
    if obstacle:
        pytest.skip(f"{name}: {obstacle}")
    with open_device(name, board) as opened:
        yield opened
