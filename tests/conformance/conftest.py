"""The devices that conformance is about.

A device joins by a line in `DEVICES`; one that cannot run here skips with the reason. `pynq` is
tested on a stand-in for a board's kernel, see `tests/standin/README.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fpga_rt.device.interface import Device
from fpga_rt.device.pynq.device import Pynq
from fpga_rt.device.registry import devices, open_device
from tests.standin import standin

DEVICES = [
    ("emulator", "pynq-z2"),
    ("emulator", "kv260"),
    ("rtl", "pynq-z2"),
    ("pynq", "pynq-z2"),
]


@pytest.fixture(params=DEVICES, ids=lambda p: f"{p[0]}-{p[1]}")
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    name, board = request.param
    obstacle = _obstacle(name)
    if obstacle:
        pytest.skip(f"{name}: {obstacle}")
    with _opened(name, board) as opened:
        yield opened


def _obstacle(name: str) -> str | None:
    if name == "pynq":
        return standin.obstacle()
    return {entry.name: entry.obstacle for entry in devices()}[name]


@contextmanager
def _opened(name: str, board: str) -> Iterator[Device]:
    if name != "pynq":
        with open_device(name, board) as opened:
            yield opened
        return
    with standin.installed(board) as running, Pynq(board, kernel=running.kernel) as opened:
        yield opened
