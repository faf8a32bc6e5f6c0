"""ICAPE2 and ICAPE3 told again in Python, clock by clock: an oracle for the model in Verilog.

Written from UG470 and UG570 as docs/reference/configuration-port.md quotes them, from measured
facts on real files, and from the choices that the page names; the model was not looked at.
"""

from __future__ import annotations

from typing import NamedTuple

from fpga_rt.arch.boards import Board
from fpga_rt.arch.families import SERIES7
from fpga_rt.arch.packets import SYNC, Command, Opcode, Register
from tests.sim.port.load_oracle import Geometry, LoadOracle

POWER_UP_CLOCKS = 125
_QUIET, _ABORT_CLOCKS, _ANSWER_CLOCKS = 0xFFFFFFFF, 4, 3
_STAT, _EOS, _GHIGH_B = 0x001078FC, 1 << 4, 1 << 7
_POLYNOMIAL = 0x82F63B78
_UNCOUNTED = (Register.LOUT, Register.NESTED, Register.CIPHERTEXT)
"""Registers whose words are no matter of this die's CRC."""


class Expected(NamedTuple):
    """Outputs after a clock as `harness.Outputs`; None where the facts leave it open."""

    o: int
    avail: int
    prdone: int
    prerror: int
    garbage: int
    loaded: int
    loaded_partition: int | None
    loaded_id: int | None
    crc_error: int
    id_error: int
    far_error: int
    synced: int
    frame_written: int
    frame_address: int | None


def _shifted(state: int, bits: int) -> int:
    for _ in range(bits):
        state = state >> 1 ^ (_POLYNOMIAL if state & 1 else 0)
    return state


_BYTE = [_shifted(value, 8) for value in range(256)]
_ADDRESS = [_shifted(value, 5) for value in range(32)]
_SWAPPED = [int(f"{value:08b}"[::-1], 2) for value in range(256)]


def crc_step(crc: int, register: int, word: int) -> int:
    """Return the CRC after a write: 32 data bits, then five of the address, lowest first."""
    crc ^= word
    for _ in range(4):
        crc = crc >> 8 ^ _BYTE[crc & 0xFF]
    crc ^= register
    return crc >> 5 ^ _ADDRESS[crc & 0x1F]


def swapped(word: int) -> int:
    """Return a word with the bits of each byte in reverse order."""
    low, second, third, high = (_SWAPPED[word >> shift & 0xFF] for shift in (0, 8, 16, 24))
    return high << 24 | third << 16 | second << 8 | low


class PortOracle:
    """A configuration port fresh from power-up."""

    def __init__(self, board: Board, geometry: Geometry | None = None) -> None:
        self._device = board.device
        self._is_icape3 = board.device.family is not SERIES7
        self._geometry = Geometry(board) if geometry is None else geometry
        self._loads = LoadOracle(self._geometry)
        self._clocks = 0
        self._before = (1, 1)  # csib, rdwrb of the last clock that was heard
        self._abort_left = 0
        self._abort_of_aligned = False
        self._synced = False
        self._crc_error = self._id_error = 0
        self._prdone = True
        self._begin_packets()
        self._registers = dict.fromkeys(Register, 0)
        self._eos = self._ghigh = True
        self._frame: list[int] = []  # words of the frame that comes
        self._whole: list[int] | None = None  # the last one that came whole
        self._waits = False  # it is not written yet
        self._position: int | None = 0  # of FAR in the order of the device
        self._mask_left = 0  # frames of the reset mask from FAR on
        self._read_left = self._read_edges = 0
        self._read_register: int | None = None

    def clock(self, csib: int = 1, rdwrb: int = 1, i: int = 0, pcap_owns: int = 0) -> Expected:
        """Take a rising edge; `i` is what is on the pins."""
        self._loaded: tuple[int, int] | None = None
        self._written: list[int | None] = []
        heard = self._clocks >= POWER_UP_CLOCKS and not pcap_owns
        self._clocks += 1
        o = self._heard(csib, rdwrb, i) if heard else self._unheard()
        quiet = self._clocks < POWER_UP_CLOCKS or bool(pcap_owns)
        loaded = self._loaded
        return Expected(
            o=_QUIET if quiet else o,
            avail=int(not (quiet and self._is_icape3)),
            prdone=int(self._prdone or not self._is_icape3),
            prerror=int(self._failed and self._is_icape3),
            garbage=self._loads.garbage,
            loaded=int(loaded is not None),
            loaded_partition=loaded[0] if loaded else None,
            loaded_id=loaded[1] if loaded else None,
            crc_error=self._crc_error,
            id_error=self._id_error,
            far_error=self._loads.far_error,
            synced=int(self._synced),
            frame_written=int(bool(self._written)),
            frame_address=self._written[0] if self._written else None,
        )

    @property
    def _failed(self) -> bool:
        return bool(self._crc_error or self._id_error)

    def _unheard(self) -> int:
        """Take a clock in which the pins do not reach the port: as deselected, an abort waits."""
        self._before = (1, 1)
        self._read_edges = 0
        return self._status()

    def _heard(self, csib: int, rdwrb: int, i: int) -> int:
        turned = not csib and not self._before[0] and rdwrb != self._before[1]
        self._before = (csib, rdwrb)
        if self._abort_left:
            return self._abort()
        if turned:
            self._abort_left = _ABORT_CLOCKS
            self._abort_of_aligned = self._synced
            self._read_left = 0
            return self._abort()
        if csib or not rdwrb:
            self._read_edges = 0
        if not csib and not rdwrb:
            self._word(swapped(i))
        if not csib and rdwrb and self._read_left:
            return self._read()
        return self._status()

    def _abort(self) -> int:
        """Take one of the four clocks of an abort."""
        self._abort_left -= 1
        aligned = self._abort_of_aligned and self._abort_left >= 2
        if self._abort_left == 1:
            self._synced = False
            self._begin_packets()
        in_abort_b = self._abort_left in (0, 3)
        return self._status_word(aligned, False, in_abort_b)

    def _status(self) -> int:
        return self._status_word(self._synced, self._read_left > 0, True)

    def _status_word(self, aligned: bool, reading: bool, in_abort_b: bool) -> int:
        bits = (not self._failed, aligned, reading, in_abort_b)
        return 0xFFFFFF0F | sum(bit << 7 - place for place, bit in enumerate(bits))

    def _read(self) -> int:
        self._read_edges += 1
        if self._read_edges < _ANSWER_CLOCKS:
            return self._status()
        self._read_left -= 1
        return swapped(self._value(self._read_register))

    def _value(self, register: int | None) -> int:
        if register == Register.CRC:
            return self._crc
        if register == Register.STAT:
            lowered = (0 if self._eos else _EOS) | (0 if self._ghigh else _GHIGH_B)
            return _STAT & ~lowered | self._crc_error | self._id_error << 15
        if register == Register.IDCODE:
            return self._device.idcode
        readable = (Register.FAR, Register.CMD, Register.CTL0, Register.MASK)
        if register in (*readable, Register.COR0, Register.COR1, Register.CTL1):
            return self._registers[Register(register)]
        return 0

    def _begin_packets(self) -> None:
        self._left = 0
        self._register: int | None = None
        self._crc = 0
        self._identified = False

    def _word(self, word: int) -> None:
        if not self._synced:
            if word == SYNC:
                self._synced = True
                self._begin_packets()
                self._registers[Register.CMD] = 0
                self._whole = None
                self._drop()
                self._loads.begin_segment()
        elif self._left:
            self._left -= 1
            if self._register is not None:
                self._write(self._register, word)
        else:
            self._header(word)

    def _header(self, word: int) -> None:
        kind, opcode = word >> 29, word >> 27 & 3
        if kind not in (1, 2) or opcode not in (Opcode.READ, Opcode.WRITE):
            return
        if kind == 1:
            self._register = word >> 13 & 31
        count = word & (0x7FF if kind == 1 else 0x7FFFFFF)
        if opcode == Opcode.READ:
            self._read_register, self._read_left = self._register, count
            return
        self._left = count
        self._first = True
        if self._register == Register.FDRI:
            self._prdone = False

    def _error(self, kind: str) -> None:
        """Take a wrong CRC or IDCODE: the port desynchronises."""
        if kind == "id":
            self._id_error = 1
        else:
            self._crc_error = 1
        self._loads.fail()
        self._synced = False
        self._read_left = 0

    def _write(self, register: int, word: int) -> None:
        first, self._first = self._first, False
        if register not in (Register.CRC, *_UNCOUNTED):
            self._crc = crc_step(self._crc, register, word)
        actions = {
            Register.CRC: self._check_crc,
            Register.FDRI: self._frame_data,
            Register.FAR: self._address,
            Register.CMD: self._command,
            Register.IDCODE: self._identify,
        }
        if register in actions:
            actions[Register(register)](word)
        elif register == Register.MFWR and first:
            self._repeat_frame()
        elif register in (Register.CTL0, Register.CTL1):
            mask = self._registers[Register.MASK]
            kept = self._registers[Register(register)] & ~mask
            self._registers[Register(register)] = kept | word & mask
        elif register in (Register.MASK, Register.COR0, Register.COR1):
            self._registers[Register(register)] = word

    def _check_crc(self, word: int) -> None:
        if word == self._crc:
            self._crc = 0
            self._loads.good_crc()
        else:
            self._crc = 0
            self._error("crc")

    def _identify(self, word: int) -> None:
        if (word ^ self._device.idcode) & 0x0FFFFFFF:
            self._error("id")
        else:
            self._identified = True

    def _command(self, word: int) -> None:
        command = self._registers[Register.CMD] = word & 31
        if command == Command.WCFG:
            self._drop()
        elif command == Command.RCRC:
            self._crc = self._crc_error = self._id_error = 0
            self._loads.reset_crc()
        elif command == Command.DESYNC:
            self._synced = False
            self._read_left = 0
            self._prdone |= self._eos
            self._loaded = self._loads.desync()
        elif command == Command.SHUTDOWN:
            self._eos = False
            self._loads.shut_down()
        elif command == Command.START:
            self._eos = True
        elif command in (Command.AGHIGH, Command.LFRM):
            self._ghigh = command == Command.LFRM

    def _address(self, word: int) -> None:
        bits = self._device.family.address.block_type[0] + 1
        far = word & ((1 << bits) - 1)
        self._registers[Register.FAR] = far
        self._position = self._geometry.positions.get(far)
        self._mask_left = self._geometry.mask_frames if self._geometry.is_mask(far) else 0
        self._drop()

    def _drop(self) -> None:
        """Forget what waits to be written."""
        self._frame = []
        self._waits = False

    def _frame_data(self, word: int) -> None:
        if not self._identified:
            self._error("id")
            return
        if self._registers[Register.CMD] != Command.WCFG:
            return
        self._frame.append(word)
        if len(self._frame) == self._device.family.frame_words:
            if self._waits and self._whole is not None:
                self._write_frame(self._whole)
                self._count_on()
            self._whole, self._frame = self._frame, []
            self._waits = True

    def _repeat_frame(self) -> None:
        if self._registers[Register.CMD] == Command.MFW and self._whole is not None:
            self._write_frame(self._whole)

    def _write_frame(self, words: list[int]) -> None:
        if self._mask_left:
            return
        far: int | None = self._registers[Register.FAR]
        if self._position is not None:
            far = self._geometry.at(self._position)
            if far is None:
                return
        self._written.append(far)
        assert far is not None
        self._loads.write(far, words, self._registers[Register.CTL1])

    def _count_on(self) -> None:
        if self._mask_left:
            self._mask_left -= 1
        if self._position is not None:
            self._position += 1
            far = self._geometry.at(self._position)
            if far is not None:
                self._registers[Register.FAR] = far
        else:
            self._registers[Register.FAR] += 1
