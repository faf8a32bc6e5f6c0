"""A simulated board, a server on a free port, and clients of it made from the protocol's table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from fpga_rt.device.emulator import Emulator
from fpga_rt.serve.board import PynqBoard
from fpga_rt.serve.server import Server
from tests.serve.caller import Caller
from tests.serve.streams import MEMORY_BYTES, TARGET


@pytest.fixture
def pynq_board() -> Iterator[PynqBoard]:
    """A simulated PYNQ-Z2."""
    with Emulator(TARGET, memory_bytes=MEMORY_BYTES) as device:
        yield PynqBoard(device)


@pytest.fixture
def server(pynq_board: PynqBoard) -> Iterator[Server]:
    """A server of it on a free port."""
    pytest.importorskip("grpc", reason="the extra `serve` is not installed")
    with Server(pynq_board, port=0) as running:
        yield running


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[[], Caller]]:
    """Return a function that opens a connection."""
    with ExitStack() as open_ones:

        def make() -> Caller:
            caller = Caller(server.port)
            open_ones.callback(caller.close)
            return caller

        yield make


@pytest.fixture
def caller(connect: Callable[[], Caller]) -> Caller:
    """One connection."""
    return connect()
