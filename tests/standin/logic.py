"""What the FPGA of the stand-in holds: a static region, and how time passes for it."""

from __future__ import annotations

from typing import Protocol

from fpga_rt.arch.boards import Board
from fpga_rt.contract.static_region import CONTROLLER_PORT, STATIC_REGION, ConfigurationError
from fpga_rt.device.emulated_region import EmulatedRegion
from fpga_rt.device.faults import Faults
from fpga_rt.device.memory import ByteMemory, Bytes, Region

NOBODY = 0xFFFF_FFFF
"""What a bus answers where nobody is."""
_CONTROL = STATIC_REGION["configuration_control"]


class Logic(Protocol):
    """A static region as its full bitstream left it; power it up again by making another.

    Attributes:
        pcap_has_port: whether the configuration controller is kept from the ICAP.
        ended: submissions that have ended, each with a pulse on the interrupt line.
    """

    pcap_has_port: bool
    ended: int

    def read(self, offset: int) -> int:
        """Return the register at an offset.

        Raises:
            DeviceError: there is none.
        """

    def write(self, offset: int, value: int) -> None:
        """Set the register at an offset.

        Raises:
            DeviceError: there is none that can be written.
        """

    def let_pass(self, time_ps: int) -> None:
        """Let time pass."""

    def load(self, words: bytes) -> bool:
        """Take a partial bitstream from the PCAP to its end; False where that is not modelled."""

    def close(self) -> None:
        """Stop the clocks."""


class EmulatedLogic:
    """The emulator's static region."""

    def __init__(self, board: Board, memory: Bytes, base: int) -> None:
        """Power up with a memory at an address."""
        own = ByteMemory(len(memory), board.feature_memory_bytes)
        own.dram = Region("DRAM", base, memory)
        own.regions = (own.dram, *own.regions[1:])
        self.pcap_has_port = False
        self.ended = 0
        self._board = board
        self._region = EmulatedRegion(board, own, Faults())
        self._now_ps = 0
        self._was_done = False

    def read(self, offset: int) -> int:
        """Return the register at an offset."""
        return self._region.read(offset, self._now_ps)

    def write(self, offset: int, value: int) -> None:
        """Set the register at an offset; the controller's start without the port is refused."""
        if offset == _CONTROL.offset and self.pcap_has_port and _CONTROL.unpack(value)["start"]:
            port, why = self._region.port, "the PCAP has the port"
            port.idcode = NOBODY
            port.refuse(CONTROLLER_PORT, why, ConfigurationError.PORT, self._now_ps)
            return
        self._region.write(offset, value, self._now_ps)
        self._look()

    def let_pass(self, time_ps: int) -> None:
        """Let time pass, and end what ends meanwhile."""
        self._now_ps += time_ps
        self._region.advance(self._now_ps)
        self._look()

    def load(self, words: bytes) -> bool:
        """Take a partial bitstream from the PCAP, as long as the board's port takes."""
        port = self._region.port
        self.let_pass(0)
        port.start(self._board.ports["pcap"], words, self._now_ps)
        self.let_pass(max(0, (self._region.load_ended_ps() or 0) - self._now_ps))
        return True

    def close(self) -> None:
        """Do nothing: no clock runs by itself."""

    def _look(self) -> None:
        done = self._region.sequencer.done
        self.ended += int(done and not self._was_done)
        self._was_done = done
