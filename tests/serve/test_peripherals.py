"""Models of IP, against what their product guides say of the registers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fpga_rt.contract.static_region import STATIC_REGION, SequencerError
from fpga_rt.device.emulator import Emulator
from fpga_rt.errors import DeviceError
from fpga_rt.serve.peripherals import (
    AxiDma,
    AxiGpio,
    AxiInterruptController,
    Decoupler,
    ShutdownManager,
    StaticRegion,
)
from tests.serve.streams import TARGET

RUN, RESET = 1, 4
HALTED, IDLE, INTERNAL, DECODE, INTERRUPT = 1, 2, 0x10, 0x40, 0x1000
SEND, RECEIVE = 0x00, 0x30


def nothing(address: int, size_bytes: int) -> NDArray[np.uint8]:
    raise DeviceError(f"no memory at {address:#x}")


class Memory:
    """A kilobyte at address 0x1000."""

    def __init__(self) -> None:
        self.data = np.zeros(1024, np.uint8)
        self.freed = False

    def __call__(self, address: int, size_bytes: int) -> NDArray[np.uint8]:
        start = address - 0x1000
        if self.freed or not 0 <= start <= start + size_bytes <= len(self.data):
            raise DeviceError(f"no memory at {address:#x}")
        return self.data[start : start + size_bytes]


def start(dma: AxiDma, memory: Memory, channel: int, address: int, size: int) -> None:
    """Program a channel in the order of PG021, direct register mode."""
    dma.write32(channel, RUN, memory)
    dma.write32(channel + 0x18, address, memory)
    dma.write32(channel + 0x1C, 0, memory)
    dma.write32(channel + 0x28, size, memory)


def status(dma: AxiDma, channel: int) -> int:
    return dma.read32(channel + 4)


@pytest.mark.parametrize("first", [SEND, RECEIVE])
def test_dma_loops_a_packet_back_whichever_side_begins(first: int) -> None:
    dma, memory = AxiDma(), Memory()
    memory.data[:100] = range(100)
    assert status(dma, SEND) == status(dma, RECEIVE) == HALTED
    transfers = {SEND: (0x1000, 100), RECEIVE: (0x1200, 128)}
    start(dma, memory, first, *transfers.pop(first))
    assert status(dma, first) == 0  # running, not idle: it waits for the other side
    ((second, place),) = transfers.items()
    start(dma, memory, second, *place)
    assert status(dma, SEND) == status(dma, RECEIVE) == IDLE | INTERRUPT
    assert dma.read32(RECEIVE + 0x28) == 100  # bytes received, not those asked for
    assert memory.data[0x200:0x264].tolist() == list(range(100))
    assert not memory.data[0x264:].any()
    dma.write32(SEND + 4, INTERRUPT, memory)
    assert status(dma, SEND) == IDLE


def test_dma_errors_halt_the_channel() -> None:
    dma, memory = AxiDma(), Memory()
    start(dma, memory, SEND, 0x9000, 4)
    assert status(dma, SEND) == HALTED | DECODE
    start(dma, memory, RECEIVE, 0x1000, 0)
    assert status(dma, RECEIVE) == HALTED | INTERNAL
    dma.write32(0, RESET, memory)
    assert status(dma, SEND) == status(dma, RECEIVE) == HALTED
    start(dma, memory, RECEIVE, 0x1000, 4)
    start(dma, memory, SEND, 0x1000, 8)
    assert status(dma, RECEIVE) == HALTED | INTERNAL  # the packet is longer than the room for it


def test_dma_ignores_a_length_while_it_is_halted_or_busy() -> None:
    dma, memory = AxiDma(), Memory()
    dma.write32(SEND + 0x28, 4, memory)
    assert status(dma, SEND) == HALTED
    start(dma, memory, SEND, 0x1000, 4)
    dma.write32(SEND + 0x28, 8, memory)
    assert dma.read32(SEND + 0x28) == 4
    dma.write32(SEND, 0, memory)
    start(dma, memory, RECEIVE, 0x1000, 4)
    assert status(dma, RECEIVE) == 0  # what was stopped is not delivered


@pytest.mark.parametrize("first", [SEND, RECEIVE])
def test_dma_reaches_no_buffer_that_was_given_back(first: int) -> None:
    """The buffer is freed while one side waits: its memory may be another client's by then."""
    dma, memory = AxiDma(), Memory()
    memory.data[:4] = 7
    start(dma, memory, first, 0x1000 if first == SEND else 0x1200, 4)
    memory.freed = True
    other = Memory()
    other.data = memory.data  # the other side's buffer lies beside it
    second = RECEIVE if first == SEND else SEND
    start(dma, other, second, 0x1200 if first == SEND else 0x1000, 4)
    assert status(dma, first) == HALTED | DECODE
    assert status(dma, second) == 0  # as on the board, it goes on to wait
    assert not memory.data[0x200:].any()
    start(dma, other, first, 0x1000 if first == SEND else 0x1200, 4)
    assert status(dma, second) == IDLE | INTERRUPT
    assert memory.data[0x200:0x204].tolist() == [7] * 4


def test_dma_transfers_are_bounded() -> None:
    dma, memory = AxiDma(), Memory()
    with pytest.raises(DeviceError, match="DMA of 67108864 bytes, expected less than 67108864"):
        start(dma, memory, SEND, 0x1000, 1 << 26)


def test_gpio_reads_back_outputs_only() -> None:
    gpio = AxiGpio()
    assert gpio.read32(4) == 0xFFFF_FFFF
    gpio.write32(0, 0xA5, nothing)
    assert gpio.read32(0) == 0
    gpio.write32(4, 0xFFFF_FF0F, nothing)
    assert gpio.read32(0) == 0xA0
    leds = AxiGpio(drives=True)
    leds.write32(0, 0x5, nothing)
    assert leds.read32(0) == 0x5


def test_interrupts_are_enabled_and_never_come() -> None:
    controller = AxiInterruptController()
    for offset, value in ((0x10, 0b110), (0x14, 0b010), (0x1C, 0b11)):
        controller.write32(offset, value, nothing)
    assert [controller.read32(offset) for offset in (0x00, 0x04, 0x08, 0x18, 0x1C)] == [
        0, 0, 0b100, 0xFFFF_FFFF, 0b11,
    ]  # fmt: skip
    controller.write32(0x08, 0b1, nothing)
    assert controller.read32(0x08) == 0b1


def test_isolation_reads_back() -> None:
    decoupler, manager = Decoupler(), ShutdownManager()
    for one, closed in ((decoupler, 1), (manager, 0xF)):
        assert one.read32(0) == 0
        one.write32(0, 1, nothing)
        assert one.read32(0) == closed
        one.write32(0, 0, nothing)
        assert one.read32(0) == 0


def test_a_poll_of_the_static_region_sees_the_end() -> None:
    """A program that fails ends while it is polled, though nobody waits for the device."""
    with Emulator(TARGET, memory_bytes=1 << 20) as device:
        region = StaticRegion(device)
        header = device.allocate(256)  # zeros: no magic
        region.write32(STATIC_REGION["submission"].offset, header.address, nothing)
        region.write32(STATIC_REGION["doorbell"].offset, 1, nothing)
        register = STATIC_REGION["sequencer_status"]
        fields = register.unpack(region.read32(register.offset))
    assert (fields["busy"], fields["done"]) == (0, 1)
    assert fields["error"] == SequencerError.HEADER
