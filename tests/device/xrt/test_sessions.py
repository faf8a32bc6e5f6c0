"""What one process leaves on the card, and what the next one finds there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.boards import Board, board
from fpga_rt.contract.kernel import STATIC_REGION_OFFSET
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device import stopping
from fpga_rt.device.memory import Region
from fpga_rt.device.xrt.device import Xrt
from fpga_rt.errors import DeviceError
from fpga_rt.network import golden
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.selfcheck.network import small_network
from tests.conformance.scaling import run_scale
from tests.device.programs import activate
from tests.device.xrt.made import BOARD, opened
from tests.standin.xrt import Machine, installed
from tests.standin.xrt_logic import EmulatedKernel

DOORBELL, STATUS = (STATIC_REGION[name] for name in ("doorbell", "sequencer_status"))
FIRST = "add_2"
"""Whose xclbin is loaded when a device is opened: the first of the folder."""


class LongProgram(EmulatedKernel):
    """A kernel whose program goes on until it is aborted, and for some looks at it more."""

    left = 0
    ends = True

    def __init__(self, target: Board) -> None:
        super().__init__(target)
        self._aborted = False

    def read(self, offset: int, bank: Region) -> int:
        if offset != STATIC_REGION_OFFSET + STATUS.offset or not self.left:
            return super().read(offset, bank)
        self.left -= self._aborted and self.ends
        return STATUS.pack(busy=1)

    def write(self, offset: int, value: int, bank: Region) -> None:
        if offset != STATIC_REGION_OFFSET + DOORBELL.offset:
            super().write(offset, value, bank)
            return
        self._aborted = bool(DOORBELL.unpack(value)["abort"])
        if not self._aborted:
            self.left = 3


@pytest.fixture
def running() -> Iterator[tuple[Machine, Path]]:
    with installed(BOARD, LongProgram) as (machine, folder):
        yield machine, folder


def start(device: Xrt) -> None:
    device.write32(DOORBELL.offset, DOORBELL.pack(start=1))


def kernel(machine: Machine) -> LongProgram:
    assert isinstance(machine._kernel, LongProgram)
    return machine._kernel


def test_closing_stops_a_program(running: tuple[Machine, Path]) -> None:
    with opened(*running) as device:
        start(device)
        assert kernel(running[0]).left
    assert running[0].interrupted == 0
    assert not kernel(running[0]).left


def test_a_program_that_goes_on_is_named_and_everything_given_back(
    running: tuple[Machine, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "DRAIN_S", 0.01)
    device = opened(*running)
    device.open()
    start(device)
    kernel(running[0]).ends = False
    with pytest.raises(DeviceError, match=r"the program was aborted and did not end in 0\.01 s"):
        device.close()
    assert (running[0].units, len(running[0].objects)) == (0, 0)
    with pytest.raises(DeviceError, match="the program was aborted and did not end"):
        opened(*running).open()
    assert (running[0].units, len(running[0].objects)) == (0, 0)
    running[0].interrupted = 0


def test_a_program_that_timed_out_is_over_before_anything_else_begins(
    running: tuple[Machine, Path],
) -> None:
    with opened(*running) as device:
        pending = device.submit(run_scale(device).submission())
        with pytest.raises(DeviceError, match="timeout, the program on partitions 0 did not end"):
            device.wait(pending, timeout_s=0.01)
        assert not kernel(running[0]).left


def test_a_program_that_a_process_left_is_stopped(running: tuple[Machine, Path]) -> None:
    """XRT gives unit and memory of a process that died back; the program goes on."""
    with opened(*running):
        pass
    kernel(running[0]).left = 3
    with opened(*running) as device:
        assert not kernel(running[0]).left
        activate(device, 0, "scale_8")


def test_an_xclbin_that_is_on_the_card_already_is_not_loaded(
    machine: tuple[Machine, Path],
) -> None:
    """The module of the session before is coupled still, and its memory is somebody else's."""
    network = small_network()
    codes = np.random.default_rng(1).integers(-128, 128, (2, 8, 8, 8)).astype(np.int8)
    with opened(*machine) as device:
        activate(device, 0, FIRST)
    machine[0].moved = 1 << 32
    with opened(*machine) as device:
        assert (len(machine[0].loaded), machine[0].asked) == (1, 3)
        assert device._status(0)["decoupled"]
        with Runtime(device) as runtime:
            model = runtime.load(compile_network(network, board(BOARD)))
            outputs = runtime.run(model, codes, batch=2)
    assert np.array_equal(outputs, golden.run(network, codes))
