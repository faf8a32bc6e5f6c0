"""What answers at an address: registers of the processor, and models of common IP.

Each model has the registers that PYNQ's drivers use. An IP without a model is refused by name, so
that no program takes silence for an answer.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.static_region import STATIC_REGION, ConfigurationState
from fpga_rt.device.interface import Device
from fpga_rt.errors import ArtifactError, DeviceError
from fpga_rt.serve.hwh import AddressRange

Window = Callable[[int, int], NDArray[np.uint8]]
"""Gives a view of device memory at an address; only of buffers of whoever made the access."""

_WORD = 0xFFFF_FFFF
_WORD_BYTES = 4
_MOST_WORDS = 1 << 20
_START = STATIC_REGION["configuration_control"].pack(start=1)


class Peripheral(ABC):
    """Registers of 32 bits at offsets that are multiples of 4."""

    @abstractmethod
    def read32(self, offset: int) -> int:
        """Return the word at an offset.

        Raises:
            DeviceError: there is no such register.
        """

    @abstractmethod
    def write32(self, offset: int, value: int, window: Window) -> None:
        """Take a word.

        Raises:
            DeviceError: there is no such register, or what it starts cannot be done.
        """


class Words(Peripheral):
    """Registers that hold what was written, and what they had at power-up."""

    def __init__(self, power_up: Mapping[int, int] | None = None) -> None:
        """Hold zeros but for what is given by offset."""
        self._words = dict(power_up or {})

    def read32(self, offset: int) -> int:
        """Return what was written last."""
        return self._words.get(offset, 0)

    def write32(self, offset: int, value: int, window: Window) -> None:
        """Keep the word.

        Raises:
            DeviceError: more words than the model keeps.
        """
        if len(self._words) >= _MOST_WORDS and offset not in self._words:
            raise DeviceError(f"a memory of more than {_MOST_WORDS} words is not simulated")
        self._words[offset] = value


class Missing(Peripheral):
    """An IP without a model."""

    def __init__(self, why: str) -> None:
        """Refuse every access with a reason."""
        self._why = why

    def read32(self, offset: int) -> int:
        """Refuse.

        Raises:
            DeviceError: always.
        """
        raise DeviceError(self._why)

    def write32(self, offset: int, value: int, window: Window) -> None:
        """Refuse.

        Raises:
            DeviceError: always.
        """
        raise DeviceError(self._why)


_DIRECTIONS = {0x0: 0x4, 0x8: 0xC}
"""AXI GPIO: offset of the data of a channel, and of its directions (1 is an input)."""


class AxiGpio(Peripheral):
    """AXI GPIO (PG144): pins that are outputs read back what was written, inputs read zero."""

    def __init__(self, drives: bool = False) -> None:
        """Be as at power-up: every pin an input, or an output where it was built so."""
        self._words = dict.fromkeys((0x0, 0x8), 0)
        self._words |= dict.fromkeys((0x4, 0xC), 0 if drives else _WORD)

    def read32(self, offset: int) -> int:
        """Return data, directions or an interrupt register."""
        value = self._words.get(offset, 0)
        return value & ~self._words[_DIRECTIONS[offset]] if offset in _DIRECTIONS else value

    def write32(self, offset: int, value: int, window: Window) -> None:
        """Keep the word."""
        self._words[offset] = value


class Decoupler(Peripheral):
    """PR or DFX decoupler (PG227, PG375): bit 0 asks for isolation and reads it back."""

    def __init__(self) -> None:
        """Be coupled, as at power-up."""
        self._decoupled = 0

    def read32(self, offset: int) -> int:
        """Return whether it isolates."""
        return self._decoupled if offset == 0 else 0

    def write32(self, offset: int, value: int, window: Window) -> None:
        """Isolate or couple."""
        if offset == 0:
            self._decoupled = value & 1


class ShutdownManager(Peripheral):
    """DFX AXI shutdown manager (PG377): asked to shut down it is in shutdown and idle at once."""

    def __init__(self) -> None:
        """Let transactions pass, as at power-up."""
        self._shut = False

    def read32(self, offset: int) -> int:
        """Return the status: requested, reads and writes in shutdown, and so on, all or none."""
        return 0xF if offset == 0 and self._shut else 0

    def write32(self, offset: int, value: int, window: Window) -> None:
        """Shut down or open."""
        if offset == 0:
            self._shut = bool(value & 1)


class AxiInterruptController(Peripheral):
    """AXI INTC (PG099) without sources: enables are kept, and nothing is ever pending."""

    _ENABLE, _SET, _CLEAR, _VECTOR, _MASTER = 0x08, 0x10, 0x14, 0x18, 0x1C

    def __init__(self) -> None:
        """Have everything disabled, as at power-up."""
        self._enabled = self._master = 0

    def read32(self, offset: int) -> int:
        """Return a register; the vector is all ones when nothing is pending."""
        known = {self._ENABLE: self._enabled, self._VECTOR: _WORD, self._MASTER: self._master}
        return known.get(offset, 0)

    def write32(self, offset: int, value: int, window: Window) -> None:
        """Enable or disable."""
        if offset == self._ENABLE:
            self._enabled = value
        elif offset == self._SET:
            self._enabled |= value
        elif offset == self._CLEAR:
            self._enabled &= ~value
        elif offset == self._MASTER:
            self._master = value & 3


class _Transfer(NamedTuple):
    """One side of a DMA that has begun, and whose memory it may use."""

    address: int
    size_bytes: int
    window: Window


class AxiDma(Peripheral):
    """AXI DMA in direct register mode (PG021), its stream out looped back to its stream in.

    There is no FIFO in the loop: a transfer out waits until there is one in, and the other way
    round. Both end within the register access that starts the second.
    """

    _SEND, _RECEIVE = 0x00, 0x30
    _CONTROL, _STATUS, _ADDRESS, _ADDRESS_HIGH, _LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
    _RUN, _RESET = 1 << 0, 1 << 2
    _HALTED, _IDLE = 1 << 0, 1 << 1
    _INTERNAL_ERROR, _DECODE_ERROR = 1 << 4, 1 << 6
    _INTERRUPT = 1 << 12
    _LONGEST_BYTES = 1 << 26
    """The longest length register that the IP can be built with has 26 bits."""

    def __init__(self) -> None:
        """Be halted, as at power-up."""
        self._reset()

    def _reset(self) -> None:
        self._words: dict[int, int] = {}
        self._status = {self._SEND: self._HALTED, self._RECEIVE: self._HALTED}
        self._waiting: dict[int, _Transfer] = {}

    def read32(self, offset: int) -> int:
        """Return a register of a channel."""
        channel = self._RECEIVE if offset >= self._RECEIVE else self._SEND
        if offset - channel == self._STATUS:
            return self._status[channel]
        return self._words.get(offset, 0)

    def write32(self, offset: int, value: int, window: Window) -> None:
        """Take a register of a channel; a length starts a transfer.

        Raises:
            DeviceError: the transfer is longer than the IP can count.
        """
        channel = self._RECEIVE if offset >= self._RECEIVE else self._SEND
        register = offset - channel
        if register == self._CONTROL:
            self._control(channel, value)
        elif register == self._STATUS:
            self._status[channel] &= ~(value & self._INTERRUPT)
        elif register == self._LENGTH:
            self._start(channel, value, window)
        else:
            self._words[offset] = value

    def _control(self, channel: int, value: int) -> None:
        if value & self._RESET:
            self._reset()
            return
        self._words[channel + self._CONTROL] = value
        if value & self._RUN:
            self._status[channel] &= ~self._HALTED
        else:
            self._status[channel] |= self._HALTED
            self._waiting.pop(channel, None)

    def _start(self, channel: int, size_bytes: int, window: Window) -> None:
        if self._status[channel] & self._HALTED or channel in self._waiting:
            return  # PG021: a length is ignored while the channel is halted or busy
        if not 0 <= size_bytes < self._LONGEST_BYTES:
            raise DeviceError(
                f"DMA of {size_bytes} bytes, expected less than {self._LONGEST_BYTES}; send less"
                " at a time"
            )
        address = self._words.get(channel + self._ADDRESS, 0)
        address |= self._words.get(channel + self._ADDRESS_HIGH, 0) << 32
        self._words[channel + self._LENGTH] = size_bytes
        self._status[channel] &= ~self._IDLE
        if not size_bytes:
            self._fail(channel, self._INTERNAL_ERROR)
            return
        transfer = _Transfer(address, size_bytes, window)
        if self._memory(channel, transfer) is None:
            return
        self._waiting[channel] = transfer
        if len(self._waiting) == 2:
            self._loop_back()

    def _memory(self, channel: int, transfer: _Transfer) -> NDArray[np.uint8] | None:
        """Return what a transfer is about; None, and a decode error, where there is no memory."""
        try:
            return transfer.window(transfer.address, transfer.size_bytes)
        except DeviceError:
            self._fail(channel, self._DECODE_ERROR)
            return None

    def _loop_back(self) -> None:
        """Move a packet; what does not fit is lost, and an error (PG021).

        The memory is looked up again: what the first side named may have been given back, and be
        another client's, by the time that the second begins.
        """
        waiting, self._waiting = self._waiting, {}
        places = {channel: self._memory(channel, one) for channel, one in waiting.items()}
        source, target = places[self._SEND], places[self._RECEIVE]
        if source is None or target is None:
            whole = (channel for channel, place in places.items() if place is not None)
            self._waiting = {channel: waiting[channel] for channel in whole}  # for its other side
            return
        length = min(len(source), len(target))
        target[:length] = source[:length].copy()
        self._end(self._SEND, len(source))
        if len(source) > len(target):
            self._fail(self._RECEIVE, self._INTERNAL_ERROR)
        else:
            self._end(self._RECEIVE, length)

    def _end(self, channel: int, size_bytes: int) -> None:
        self._words[channel + self._LENGTH] = size_bytes
        self._status[channel] |= self._IDLE | self._INTERRUPT

    def _fail(self, channel: int, error: int) -> None:
        self._status[channel] |= error | self._HALTED


class StaticRegion(Peripheral):
    """The registers of this project's static region: a device's own.

    A simulated clock stands still between accesses. A host that polls would see it creep, so a
    poll for the end of something is repeated here, until it has ended or some time has passed.
    """

    _PATIENCE_S = 0.02

    def __init__(self, device: Device) -> None:
        """Pass accesses on to an open device."""
        self._device = device

    def read32(self, offset: int) -> int:
        """Return a register, waiting a little for what is under way.

        Raises:
            DeviceError: there is no register.
        """
        word = self._device.read32(offset)
        limit = time.monotonic() + self._PATIENCE_S
        while _under_way(offset, word) and time.monotonic() < limit:
            word = self._device.read32(offset)
        return word

    def write32(self, offset: int, value: int, window: Window) -> None:
        """Write a register.

        Raises:
            DeviceError: there is no register that can be written.
        """
        if offset == STATIC_REGION["configuration_control"].offset and value & _START:
            self._announce(window)
        self._device.write32(offset, value)

    def _announce(self, window: Window) -> None:
        """Let the device see what is about to be loaded: a simulator builds a module beforehand.

        A stream that no partition takes is left to the configuration controller to refuse.
        """
        source, words = self._value("configuration_source"), self._value("configuration_words")
        try:
            stream = window(source, _WORD_BYTES * words).tobytes()
        except DeviceError:
            return  # of nobody here; the controller reads it, or answers with a bus error
        for partition in range(len(self._device.capabilities.board.partitions)):
            with suppress(ArtifactError):
                self._device.unstage(self._device.stage(stream, partition))
                return

    def _value(self, name: str) -> int:
        register = STATIC_REGION[name]
        offsets = (register.offset + _WORD_BYTES * word for word in range(register.words))
        return sum(self._device.read32(o) << (32 * i) for i, o in enumerate(offsets))


def _under_way(offset: int, word: int) -> bool:
    """Tell whether a status register says that something has begun and not ended."""
    register, _ = STATIC_REGION.at(offset)
    fields = {"sequencer_status": "busy", "configuration_status": "state"}
    field = fields.get(register.name)
    if field is None:
        return register.name.endswith("_status") and not register.unpack(word).get("quiescent", 1)
    return register.unpack(word)[field] == (
        1 if field == "busy" else int(ConfigurationState.RUNNING)
    )


MODELS: Mapping[str, Callable[[AddressRange], Peripheral]] = {
    "axi_bram_ctrl": lambda _: Words(),
    "axi_dma": lambda _: AxiDma(),
    "axi_gpio": lambda place: AxiGpio(place.drives),
    "axi_intc": lambda _: AxiInterruptController(),
    "dfx_axi_shutdown_manager": lambda _: ShutdownManager(),
    "dfx_decoupler": lambda _: Decoupler(),
    "pr_axi_shutdown_manager": lambda _: ShutdownManager(),
    "pr_decoupler": lambda _: Decoupler(),
}
"""Models of vendors' IP by the name in its VLNV."""
