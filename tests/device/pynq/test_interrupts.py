"""Waiting for the end of a program, on a UIO device with the semantics of the kernel's driver."""

from __future__ import annotations

import errno
import os
import select
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fpga_rt.contract.command import Segment
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.pynq.device import _INTERRUPT_SLICE_S, Pynq
from fpga_rt.device.pynq.interrupts import Polling, UioInterrupt
from fpga_rt.errors import DeviceError
from tests.conformance.scaling import run_scale
from tests.standin.standin import StandIn, installed, obstacle

ENABLE = struct.pack("=I", 1)


@pytest.fixture
def uio() -> Iterator[StandIn]:
    reason = obstacle()
    if reason:
        pytest.skip(reason)
    with installed("pynq-z2", "--uio") as running:
        yield running


@pytest.fixture
def node(uio: StandIn) -> Path:
    return uio.kernel.root / "dev/uio0"


@pytest.fixture
def file(node: Path) -> Iterator[int]:
    """Return the device file as a driver's user opens it."""
    descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    yield descriptor
    os.close(descriptor)


def is_ready(file: int, timeout_s: float = 0) -> bool:
    return bool(select.select([file], [], [], timeout_s)[0])


def test_the_stand_in_masks_counts_and_keeps_one_edge(uio: StandIn, file: int) -> None:
    """As uio.c, uio_pdrv_genirq.c and handle_edge_irq do."""
    assert not is_ready(file)
    with pytest.raises(BlockingIOError):
        os.read(file, 4)
    uio.ask("interrupt")
    assert is_ready(file)
    assert os.read(file, 4) == struct.pack("=I", 1)
    assert not is_ready(file)
    for _ in range(3):
        uio.ask("interrupt")  # masked since the first one
    assert not is_ready(file)
    os.write(file, ENABLE)
    assert os.read(file, 4) == struct.pack("=I", 2)
    os.write(file, ENABLE)
    assert not is_ready(file)


def test_the_stand_in_reads_and_writes_words_only(file: int) -> None:
    for call in (lambda: os.read(file, 8), lambda: os.write(file, b"1")):
        with pytest.raises(OSError, match="Invalid argument") as caught:
            call()
        assert caught.value.errno == errno.EINVAL


def test_an_interrupt_ends_the_wait_and_is_unmasked_again(uio: StandIn, node: Path) -> None:
    interrupt = UioInterrupt(node)
    interrupt.arm()
    for _ in range(2):
        threading.Timer(0.05, uio.ask, ("interrupt",)).start()
        begin = time.monotonic()
        interrupt.wait(30)
        assert 0.04 < time.monotonic() - begin < 20
    interrupt.close()


def test_what_came_before_arming_is_forgotten(uio: StandIn, node: Path) -> None:
    interrupt = UioInterrupt(node)
    uio.ask("interrupt")
    interrupt.arm()
    begin = time.monotonic()
    interrupt.wait(0.05)
    assert time.monotonic() - begin >= 0.05
    interrupt.close()


def test_a_program_is_waited_for_without_a_look_at_its_registers(uio: StandIn) -> None:
    with Pynq("pynq-z2", kernel=uio.kernel, simulation_bitstreams=True) as device:
        program = run_scale(device, images=200)  # some ms of the stand-in's time
        pending = device.submit(program.submission())
        before, began = uio.ask()["accesses"], time.monotonic()
        device.wait(pending)
        looks = (time.monotonic() - began) / _INTERRUPT_SLICE_S  # in case the interrupt is lost
        polls = uio.ask()["accesses"] - before
        expected = program.layer.operation.apply(program.tensor(Segment.INPUT))  # type: ignore[call-arg]  # one operand
        assert (program.tensor(Segment.OUTPUT) == expected).all()
        assert any("of a program by interrupt" in text for text in device.capabilities.assumptions)
    ends = 2 + STATIC_REGION["map_id"].words + STATIC_REGION["capabilities"].words + 2
    assert polls <= ends + looks


def test_a_lost_interrupt_is_noticed_all_the_same(uio: StandIn) -> None:
    with Pynq("pynq-z2", kernel=uio.kernel, simulation_bitstreams=True) as device:
        program = run_scale(device)
        uio.ask("break interrupt")
        begin = time.monotonic()
        device.wait(device.submit(program.submission()))
        assert time.monotonic() - begin < 60  # and not ten seconds of device time, which fail


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot open the interrupt .*uio0: No such file"):
        UioInterrupt(tmp_path / "uio0")


def test_polling_never_sleeps_longer_than_it_may() -> None:
    polling = Polling()
    polling.arm()
    polling.wait(-1)
    polling.wait(1e-6)
    polling.close()
