"""Waiting for the end of a program; a pseudoterminal has the reads and writes of a UIO device."""

from __future__ import annotations

import os
import struct
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from fpga_rt.device.pynq.interrupts import Polling, UioInterrupt
from fpga_rt.errors import DeviceError

ONE = struct.pack("=I", 1)


@pytest.fixture
def line() -> Iterator[tuple[int, UioInterrupt]]:
    """Return the driver's end of a device, and the interrupt on it."""
    driver, device = os.openpty()
    tty.setraw(device)
    interrupt = UioInterrupt(Path(os.ttyname(device)))
    yield driver, interrupt
    interrupt.close()
    os.close(device)
    os.close(driver)


def test_arming_unmasks(line: tuple[int, UioInterrupt]) -> None:
    driver, interrupt = line
    interrupt.arm()
    assert os.read(driver, 16) == ONE


def test_an_interrupt_ends_the_wait(line: tuple[int, UioInterrupt]) -> None:
    driver, interrupt = line
    threading.Timer(0.05, os.write, (driver, ONE)).start()
    begin = time.monotonic()
    interrupt.wait(30)
    assert time.monotonic() - begin < 20


def test_what_came_before_arming_is_forgotten(line: tuple[int, UioInterrupt]) -> None:
    driver, interrupt = line
    os.write(driver, ONE)
    interrupt.arm()
    begin = time.monotonic()
    interrupt.wait(0.05)
    assert time.monotonic() - begin >= 0.05


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot open the interrupt .*uio0: No such file"):
        UioInterrupt(tmp_path / "uio0")


def test_polling_never_sleeps_longer_than_it_may() -> None:
    polling = Polling()
    polling.arm()
    polling.wait(-1)
    polling.wait(1e-6)
    polling.close()
