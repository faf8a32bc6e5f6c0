"""What the configuration controller finds wrong with a stream: the first fault in its order.

The words are read as the gateware's stream guard reads them, one packet after the other, with the
checksums of the port behind it. Two differences: the length of frame data is left to the caller,
and a wrong CRC counts where it stands, while a port takes some clocks to answer, in which the guard
may refuse one of the few words that follow.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import SERIES7, FrameAddress
from fpga_rt.arch.floorplan import Partition, cells
from fpga_rt.arch.packets import (
    NOP,
    SYNC,
    TYPE1_MAX_WORDS,
    TYPE2_MAX_WORDS,
    Command,
    Register,
    type1,
    type2,
)
from fpga_rt.arch.partials import written_runs
from fpga_rt.arch.rules import IDCODE_MASK, Rules, rules_of
from fpga_rt.bitstream.crc import REGISTER_TERM, crc_of_terms
from fpga_rt.bitstream.expand import frame_order
from fpga_rt.contract.static_region import ConfigurationError

Words = NDArray[np.uint32]
_FRAME_DATA = (Register.FDRI, Register.MFWR)
_NO_TERMS = np.zeros(0, np.uint32)
_RESET_MASK = FrameAddress(2, 0, 0)


@lru_cache(maxsize=64)
def addresses_of(device: Device, partition: Partition) -> frozenset[int]:
    """Return the frame addresses that a stream for a partition may name.

    Those are its frames, the one past every frame that ends a stream, and the start of the 7-series
    reset mask.
    """
    order, family = frame_order(device), device.family
    if partition.is_estimate:
        frames = order.partition(partition)
    else:
        frames = order.listed(written_runs(device, cells(device, partition)))
    masks = {family.address.encode(_RESET_MASK)} if family is SERIES7 and device.rows else set()
    return frozenset(frames.tolist()) | masks | {family.end_address}


class GuardFault(Exception):
    """A word is refused: an answer of the emulated port, never an error of the host's."""

    def __init__(self, code: ConfigurationError, *, by_port: bool = False) -> None:
        """Keep what the controller calls it, and whether the port found it."""
        super().__init__(code.name)
        self.code = code
        self.by_port = by_port


@dataclass
class Guard:
    """Reads one stream. `addresses` are the frame addresses that the partition may be given.

    `disturbed` tells whether frame data has passed, so that the partition holds anything.
    """

    device: Device
    addresses: Container[int]
    disturbed: bool = False
    _started: bool = False
    _aligned: bool = False
    _identified: bool = False
    _addressed: bool = False
    _held: bool = False
    _unchecked: bool = False
    _mask: int = -1
    _terms: list[Words] = field(default_factory=list)

    def read(self, words: Words, *, whole: bool = True) -> None:
        """Take a stream; after it come unreadable words unless it is `whole`.

        Raises:
            GuardFault: the first word that is refused, or the end of the stream.
        """
        at, register, follows = 0, -1, False
        while at < len(words):
            word = int(words[at])
            at += 1
            if not self._aligned:
                if word == SYNC:
                    self._begin_segment()
                follows = False
                continue
            if word == NOP:
                follows = False
                continue
            is_long = word >> 29 == type2(0) >> 29
            count = word & (TYPE2_MAX_WORDS if is_long else TYPE1_MAX_WORDS)
            register = self._header(word, count, follows)
            follows = not is_long and register == Register.FDRI and not count
            self._payload(register, words[at : at + count], count)
            at += count
        if not whole:
            raise GuardFault(ConfigurationError.BUS)
        if self._aligned or not self._started:
            raise GuardFault(ConfigurationError.INCOMPLETE)

    @property
    def _rules(self) -> Rules:
        return rules_of(self.device.family, full=False)

    def _begin_segment(self) -> None:
        self._started = self._aligned = True
        self._identified = self._addressed = self._held = self._unchecked = False
        self._mask = -1
        self._terms = []

    def _header(self, word: int, count: int, follows: bool) -> int:
        """Return the register that a header writes; `follows`: an empty one of FDRI came before."""
        if follows and word == type2(count):
            self._frame_data(True, count)
            return Register.FDRI
        register = word >> 13 & 0x1F
        if word == type1(Register.FDRI, count & TYPE1_MAX_WORDS):
            self._frame_data(self._addressed, count)
        elif word == type1(Register.MFWR, count & TYPE1_MAX_WORDS):
            self._multi_frame(count)
        elif register not in self._rules.registers or word != type1(register, 1):
            raise GuardFault(ConfigurationError.FORBIDDEN)
        elif register in (Register.CTL0, Register.CTL1):
            allowed = self._rules.control[register == Register.CTL1]
            if self._mask < 0 or self._mask & ~allowed:
                raise GuardFault(ConfigurationError.FORBIDDEN)
        return register

    def _frame_data(self, placed: bool, count: int) -> None:
        self._addressed = False
        self._unchecked |= count > 0
        if self.device.family is SERIES7:
            self._held = count == self.device.family.frame_words
        self._need(self._identified, ConfigurationError.IDCODE)
        self._need(placed, ConfigurationError.PARTITION)

    def _multi_frame(self, count: int) -> None:
        placed = self._addressed or self._held
        self._addressed = self._held = False
        self._unchecked = True
        self._need(self._identified, ConfigurationError.IDCODE)
        self._need(placed, ConfigurationError.PARTITION)
        self._need(count > 0, ConfigurationError.FORBIDDEN)

    def _payload(self, register: int, words: Words, count: int) -> None:
        """Take the words that a packet writes, or as many as there are."""
        if not len(words):
            return
        value = int(words[-1])
        if register in _FRAME_DATA:
            self.disturbed = True
        elif register == Register.CRC:
            self._check_crc(value)
            return
        elif register == Register.CMD:
            self._command(value)
            if value == Command.RCRC:
                return
        else:
            self._setting(register, value)
        self._terms.append(words ^ REGISTER_TERM[register])

    def _check_crc(self, value: int) -> None:
        expected = crc_of_terms(np.concatenate([_NO_TERMS, *self._terms]))
        self._unchecked, self._terms = False, []
        if value != expected:
            raise GuardFault(ConfigurationError.CRC, by_port=True)

    def _command(self, value: int) -> None:
        restarts = value in (Command.RCRC, Command.DESYNC)
        self._need(not (restarts and self._unchecked), ConfigurationError.CRC)
        self._need(value in self._rules.commands, ConfigurationError.FORBIDDEN)
        self._aligned = value != Command.DESYNC
        if value == Command.RCRC:
            self._terms = []

    def _setting(self, register: int, value: int) -> None:
        """Take a word for a register that says where frames go, or how."""
        if register == Register.FAR:
            self._addressed, self._held = True, False
            self._need(value in self.addresses, ConfigurationError.PARTITION)
        elif register == Register.IDCODE:
            self._identified = True
            same = not (value ^ self.device.idcode) & IDCODE_MASK
            self._need(same, ConfigurationError.IDCODE)
        elif register == Register.COR0:
            options = [due for named, due, _ in self._rules.options if named is Register.COR0]
            self._need(value in options, ConfigurationError.FORBIDDEN)
        elif register == Register.MASK:
            self._mask = value

    @staticmethod
    def _need(kept: bool, otherwise: ConfigurationError) -> None:
        if not kept:
            raise GuardFault(otherwise)
