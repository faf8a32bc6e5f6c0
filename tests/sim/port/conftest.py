"""Configuration ports of two boards, one a generation; what a test does is repeated on Icarus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fpga_rt.arch import boards
from tests.sim.port.harness import Outputs, Port, build, icarus_clocks, parameters_of

ICARUS_CLOCKS = 60_000
"""Longer recordings are not repeated: Icarus does some 40,000 clocks a second."""
BOARDS = {"7-series": "pynq-z2", "UltraScale+": "kv260"}


@pytest.fixture
def make_port(tmp_path: Path) -> Iterator[Callable[..., Port]]:
    """Make a port of a board, past its power-up; at the end Icarus has to do the same."""
    made: list[tuple[dict[str, int | str], Recorded]] = []

    def make(name: str, *, power_up: bool = True) -> Port:
        parameters = parameters_of(boards.board(name))
        port = Recorded(build(parameters))
        made.append((parameters, port))
        if power_up:
            port.idle(125)
        return port

    yield make
    for parameters, port in made:
        pins = np.concatenate(port.pins) if port.pins else np.zeros((0, 4), np.uint32)
        if 0 < len(pins) <= ICARUS_CLOCKS:
            assert icarus_clocks(tmp_path, parameters, pins) == port.outputs


class Recorded(Port):
    """A port that remembers its pins."""

    def __init__(self, library: Path) -> None:
        super().__init__(library)
        self.pins: list[NDArray[np.uint32]] = []  # (n, 4) uint32 each
        self.outputs: list[Outputs] = []

    def clocks(self, pins: NDArray[np.uint32]) -> list[Outputs]:
        found = super().clocks(pins)
        self.pins.append(pins)
        self.outputs += found
        return found


@pytest.fixture
def port(make_port: Callable[[str], Port]) -> Port:
    """Return the port of the 7-series board."""
    return make_port(BOARDS["7-series"])


@pytest.fixture
def plus_port(make_port: Callable[[str], Port]) -> Port:
    """Return the port of the UltraScale+ board."""
    return make_port(BOARDS["UltraScale+"])
