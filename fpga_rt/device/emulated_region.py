"""The emulated static region: what every register of the map reads and does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from fpga_rt.arch.boards import Board
from fpga_rt.contract.registers import Access, Register
from fpga_rt.contract.static_region import (
    CONTROLLER_PORT,
    SOURCE_ALIGNMENT_BYTES,
    STATIC_REGION,
    ConfigurationError,
    SequencerError,
    partition_register,
)
from fpga_rt.device.emulated_partition import EmulatedPartition
from fpga_rt.device.emulated_port import EmulatedPort
from fpga_rt.device.emulated_sequencer import EmulatedSequencer
from fpga_rt.device.faults import Faults
from fpga_rt.device.memory import BusError, ByteMemory
from fpga_rt.errors import DeviceError

Fields = Mapping[str, int]
_ADDRESSES, _MOST_WORDS = 1 << 32, (1 << 23) - 1
"""What the configuration controller can ask memory for: addresses and words below these."""


def emulated_static_id(board: Board) -> int:
    """Return what an emulated static region answers as `static_id`: a digest of map and board.

    It is that of no gateware, so partials that were implemented against one are refused.
    """
    name = f"emulator {board.name} {STATIC_REGION.map_id:#x}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


class EmulatedRegion:
    """Partitions, sequencer and configuration controller behind one register map.

    Every method takes the time at which it happens; nobody goes back in time.
    """

    def __init__(self, board: Board, memory: ByteMemory, faults: Faults) -> None:
        """Make the static region of a board as it is after its full bitstream was loaded."""
        self.memory = memory
        self.partitions = tuple(EmulatedPartition(i) for i in range(len(board.partitions)))
        self.sequencer = EmulatedSequencer(board, memory, self.partitions, faults)
        self.port = EmulatedPort(board, self.partitions, faults)
        self._board = board
        self._stored: dict[str, int] = {
            r.name: 0 for r in STATIC_REGION.registers if r.access is Access.READ_WRITE
        }
        self._reads = self._common_reads()
        self._writes: dict[str, Callable[[Fields, int], None]] = {
            "doorbell": self._doorbell,
            "configuration_control": self._configuration_control,
        }
        for partition in self.partitions:
            self._add_partition(partition)

    def read(self, offset: int, now_ps: int) -> int:
        """Return the word at an offset.

        Raises:
            DeviceError: there is no register.
        """
        register, word = STATIC_REGION.at(offset)
        self.advance(now_ps)
        value = self._stored.get(register.name)
        if value is None:
            value = self._reads[register.name](now_ps) if register.name in self._reads else 0
        return value >> (32 * word) & 0xFFFF_FFFF

    def write(self, offset: int, value: int, now_ps: int) -> None:
        """Take the host's write to an offset.

        Raises:
            DeviceError: there is no register that can be written, or no such value.
        """
        register, word = STATIC_REGION.at(offset)
        if register.access is Access.READ_ONLY or not 0 <= value < 1 << 32:
            raise DeviceError(
                f"write of {value:#x} to {register.name} ({register.access.value}):"
                " expected a 32-bit value and a register that can be written"
            )
        self.advance(now_ps)
        if register.name in self._stored:
            value = self._store(register, word, value)
        action = self._writes.get(register.name)
        if action:
            action(register.unpack(value), now_ps)

    def advance(self, now_ps: int) -> None:
        """Let end what ends until then."""
        if self.port.busy:
            self.port.advance(now_ps, self._programs_in_dram())
        self.sequencer.advance(now_ps)

    def load_ended_ps(self) -> int | None:
        """Return when the load in flight ends, None for never."""
        return self.port.ended_ps(self._programs_in_dram())

    def stream(self, address: int, size_bytes: int, port: str, now_ps: int) -> None:
        """Start a load of what lies in memory through a port; ignored while one is in flight."""
        if self.port.busy:
            return
        try:
            window = self.memory.window(address, size_bytes, f"configuration port {port}")
        except BusError as error:
            self.port.refuse(port, str(error), ConfigurationError.BUS, now_ps)
            return
        self.port.start(self._board.ports[port], window.tobytes(), now_ps)

    def _programs_in_dram(self) -> list[tuple[int, int]]:
        transfer = self.port.transfer
        return list(self.sequencer.in_dram(transfer.started_ps)) if transfer else []

    def _store(self, register: Register, word: int, value: int) -> int:
        mask = 0xFFFF_FFFF << (32 * word)
        whole = self._stored[register.name] & ~mask | value << (32 * word)
        self._stored[register.name] = whole
        return whole

    def _common_reads(self) -> dict[str, Callable[[int], int]]:
        board, static_id = self._board, emulated_static_id(self._board)
        return {
            "map_id": lambda _: STATIC_REGION.map_id,
            "capabilities": lambda _: len(self.partitions),
            "static_id": lambda _: static_id,
            "feature_memory": lambda _: board.feature_memory_bytes,
            "idcode": lambda _: board.device.idcode,
            "sequencer_status": lambda _: self._sequencer_status(),
            "completed_bank": lambda _: self.sequencer.bank,
            "configuration_status": lambda _: self._configuration_status(),
            "configuration_idcode": lambda _: self.port.idcode,
            "configuration_port_status": lambda _: (
                self.port.failure.port_status if self.port.failure else 0
            ),
        }

    def _add_partition(self, partition: EmulatedPartition) -> None:
        def name(register: str) -> str:
            return partition_register(partition.index, register)

        def status(_: int) -> int:
            return STATIC_REGION[name("status")].pack(
                decoupled=int(partition.decoupled),
                quiescent=int(not self.sequencer.uses(partition.index)),
                state=int(partition.state),
            )

        def error(_: int) -> int:
            code, command = partition.error
            return STATIC_REGION[name("error")].pack(code=int(code), command=command & 0xFFFF)

        def control(fields: Fields, now_ps: int) -> None:
            self._control(partition, fields, now_ps)

        def load(fields: Fields, now_ps: int) -> None:
            if fields["begin"]:
                partition.begin_load()
            elif fields["fail"]:
                partition.end_load(well=False)
            elif fields["finish"] and not self.port.serves(partition.index):
                partition.end_load(well=True)
            self.port.check_target(now_ps)

        self._stored[name("control")] = STATIC_REGION[name("control")].pack(decouple=1)
        self._reads[name("module_id")] = lambda _: partition.identity
        self._reads[name("status")] = status
        self._reads[name("error")] = error
        self._reads[name("completed")] = lambda now_ps: self.sequencer.completed(
            partition.index, now_ps
        )
        self._writes[name("control")] = control
        self._writes[name("load")] = load

    def _control(self, partition: EmulatedPartition, fields: Fields, now_ps: int) -> None:
        disturbs = fields["decouple"] or fields["reset"]
        if disturbs and self.sequencer.uses(partition.index):
            self.sequencer.stop(
                SequencerError.PARTITION,
                partition.index,
                f"partition {partition.index} was decoupled or reset while it computed",
                now_ps,
            )
        partition.control(bool(fields["decouple"]), bool(fields["reset"]))

    def _doorbell(self, fields: Fields, now_ps: int) -> None:
        if fields["abort"]:
            self.sequencer.stop(SequencerError.ABORTED, 0, "the host aborted the program", now_ps)
        elif fields["start"]:
            transfer = self.port.transfer
            self.sequencer.in_dram(transfer.started_ps if transfer else now_ps)  # forgets the rest
            self.sequencer.start(self._stored["submission"], now_ps)

    def _configuration_control(self, fields: Fields, now_ps: int) -> None:
        if fields["abort"]:
            self.port.abort(now_ps)
        elif fields["start"]:
            self.port.refused = self.port.busy
            if not self.port.busy:
                self._start_controller(now_ps)

    def _start_controller(self, now_ps: int) -> None:
        """Start a load as the gateware does: who is LOADING comes first, then what is asked for.

        A source or length that no address has is refused at once. Where there is no memory the port
        has been probed before the first word is missing; a stream that the memory ends in goes
        through the port so far.
        """
        source, words = self._stored["configuration_source"], self._stored["configuration_words"]
        if self.port.refuses_target(CONTROLLER_PORT, now_ps):
            return
        if source % SOURCE_ALIGNMENT_BYTES or source >= _ADDRESSES or words >= _MOST_WORDS:
            message = (
                f"{words} words from {source:#x}, expected fewer than {_MOST_WORDS} from a multiple"
                f" of {SOURCE_ALIGNMENT_BYTES} below {_ADDRESSES:#x}"
            )
            self.port.refuse(CONTROLLER_PORT, message, ConfigurationError.BUS, now_ps)
            return
        there = self.memory.leading(source, 4 * words)
        self.port.start(
            self._board.ports[CONTROLLER_PORT],
            there.tobytes(),
            now_ps,
            missing=4 * words - len(there),
        )

    def _sequencer_status(self) -> int:
        failure = self.sequencer.failure
        return STATIC_REGION["sequencer_status"].pack(
            busy=int(self.sequencer.busy),
            done=int(self.sequencer.done),
            error=int(failure.code) if failure else 0,
            error_partition=failure.partition if failure else 0,
        )

    def _configuration_status(self) -> int:
        failure = self.port.failure
        return STATIC_REGION["configuration_status"].pack(
            state=int(self.port.state),
            error=int(failure.code) if failure else 0,
            refused=int(self.port.refused),
        )
