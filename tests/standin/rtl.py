"""The stand-in's static region as RTL: the one of device `rtl`, without that device."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

from fpga_rt.arch.boards import Board
from fpga_rt.arch.floorplan import Partition
from fpga_rt.bitstream.verify import verify_partial
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.memory import Bytes
from fpga_rt.errors import ArtifactError
from sim.device import INTERRUPT
from sim.events import strobes
from sim.libraries import module_library, static_library
from sim.pacing import CONFIGURATION, Pacing, board_ports
from sim.system import ICAP_PS, Setup, System

_CONTROL = STATIC_REGION["configuration_control"]


class RtlLogic:
    """The simulated static region; `Logic` says what its methods do.

    A module's library is built when the controller is told to load it. The PCAP is no part of the
    gateware, so a partial bitstream cannot come through it.
    """

    def __init__(self, board: Board, memory: Bytes, base: int) -> None:
        """Power up with a memory at an address; builds the static region where it is not built."""
        self.ended = 0
        self._board = board
        self._memory = memory
        self._base = base
        self._known: set[int] = set()
        self._has_port = False
        setup = Setup(
            top=static_library(board.name),
            partitions=len(board.partitions),
            ports=board_ports(board),
            watches={INTERRUPT: True},
            strobes=strobes(len(board.partitions)),
            clock_ps=board.clock_ps,
        )
        self._system = System(setup, memory, base)

    @property
    def pcap_has_port(self) -> bool:
        """Whether the ICAP is deaf."""
        return self._has_port

    @pcap_has_port.setter
    def pcap_has_port(self, value: bool) -> None:
        self._has_port = value
        self._system.poke("pcap_owns", int(value))

    def read(self, offset: int) -> int:
        """Return the register at an offset."""
        STATIC_REGION.at(offset)
        return self._system.read(offset)

    def write(self, offset: int, value: int) -> None:
        """Set the register at an offset."""
        STATIC_REGION.at(offset)
        if offset == _CONTROL.offset and _CONTROL.unpack(value)["start"]:
            self._announce()
        self._system.write(offset, value)

    def let_pass(self, time_ps: int) -> None:
        """Run the clocks, and note an interrupt."""
        self._system.run(until_ps=self._system.now_ps + time_ps)
        if self._system.run([INTERRUPT], until_ps=self._system.now_ps):
            self._system.arm(INTERRUPT)
            self.ended += 1
        self._system.events()  # kept until they are asked for

    def load(self, words: bytes) -> bool:
        """Refuse: there is no PCAP."""
        return False

    def close(self) -> None:
        """End the simulation."""
        self._system.close()

    def _announce(self) -> None:
        """Provide the module that is about to be loaded, and take as long as for a real one."""
        start = self._value("configuration_source") - self._base
        size_bytes = 4 * self._value("configuration_words")
        stream = self._memory[start : start + size_bytes].tobytes() if start >= 0 else b""
        self._system.pace(CONFIGURATION, Pacing.of(self._board.dram))
        for place in self._board.partitions:
            with suppress(ArtifactError):
                self._provide(verify_partial(stream, self._board.device, place).module_id)
                self._system.pace(CONFIGURATION, self._pacing(place, size_bytes))

    def _provide(self, module_id: int | None) -> None:
        if module_id is None or module_id in self._known:
            return
        found = module_library(module_id)
        if found is not None:
            self._known.add(module_id)
            self._system.add_module(module_id, *found)

    def _pacing(self, place: Partition, size_bytes: int) -> Pacing:
        clocks = Fraction(place.bitstream_bytes // 4 * ICAP_PS, self._board.clock_ps)
        return Pacing.of(self._board.dram).stretched(-(-size_bytes // 8), clocks)

    def _value(self, name: str) -> int:
        register = STATIC_REGION[name]
        offsets = (register.offset + 4 * word for word in range(register.words))
        return sum(self._system.read(o) << (32 * i) for i, o in enumerate(offsets))
