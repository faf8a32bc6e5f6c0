"""Runs submissions: one doorbell, all rings, as often as the header says.

The sequencer reads header and descriptors, starts commands when the rule of `contract.sequencer`
lets them, and stops everything at the first error: the engines of the partitions that take part
drain, their modules are reset, then `done` rises. So the next doorbell finds a clean region.

On a memory that answers after 30 clocks and then gives four beats in five, the first descriptor is
asked for 60 clocks after the strobe of the doorbell (`contract.sequencer.header_cycles` after the
access), and the first ring comes to life 42 later; each further ring 10 behind the one before,
which is what a descriptor takes.
"""

from __future__ import annotations

from amaranth import Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import stream
from amaranth.lib.data import StructLayout, View
from amaranth.lib.wiring import Component, In, Out, Signature, connect, flipped

from fpga_rt.contract.command import MAX_PARTITIONS
from fpga_rt.contract.sequencer import COMPLETION_CYCLES
from fpga_rt.contract.static_region import SequencerError
from hw.blocks.axi import axi_read
from hw.blocks.axi_reader import AxiReader
from hw.static_region.descriptor_fetcher import DescriptorFetcher
from hw.static_region.resolved_command import ADDRESS_BITS, ParameterRequest, ResolvedCommand
from hw.static_region.ring import Ring
from hw.static_region.waits import WaitMatrix

RESET_CYCLES = 4
"""Region reset after an error."""
STOP_CYCLES = 6
"""Engines have this long to hear that they are to stop, and to show that they are not idle."""
STUCK_CYCLES = 8
"""More than a command's end takes to be seen by all rings."""

_EMPTY_CYCLES = 12
"""What is left of header and completion when a checked header has nothing to do."""
_END_CYCLES = 4
"""Of the completion: until the count of the rest starts, and done rises after it."""

_Fault = StructLayout({"code": 8, "partition": 8, "command": 16})


def partition_port() -> Signature:
    """Return what the sequencer has for each partition, seen from the sequencer.

    `active`: the partition may be used. `uses`: a ring of the running submission is here, or may
    be as long as its header is not known.
    `compute` starts the engines and the module on `resolved`, which stays until `reader_done` and
    `writer_done`; `ended` is a strobe one clock after the later of these. `loaded` is one when the
    parameters that a command needs before it computes are in. `bus_error` is any engine's. While
    `stop` is high the engines abort, until `engines_idle`.
    """
    return Signature(
        {
            "active": In(1),
            "uses": Out(1),
            "completed": Out(32),
            "error": Out(8),
            "error_command": Out(16),
            "command": Out(stream.Signature(64)),
            "parameters": Out(stream.Signature(ParameterRequest)),
            "table_done": In(1),
            "parameters_done": In(1),
            "compute": Out(1),
            "resolved": Out(ResolvedCommand),
            "reader_done": In(1),
            "writer_done": In(1),
            "ended": Out(1),
            "loaded": Out(1),
            "bus_error": In(1),
            "module_error": In(1),
            "stop": Out(1),
            "engines_idle": In(1),
            "region_reset": Out(1),
        }
    )


class Sequencer(Component):
    """The sequencer of a static region; fields of registers keep their names.

    `start` and `abort` are strobes; `irq` is one when `done` rises. Errors and `completed` stay
    until the next start, `bank` until a submission with another one has ended well.
    """

    def __init__(self, partitions: int, address_bits: int = ADDRESS_BITS) -> None:
        """Make a sequencer for a number of partitions.

        Raises:
            ValueError: more partitions than a header has rings, or addresses of another width.
        """
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise ValueError(f"{partitions} partitions, expected 1..{MAX_PARTITIONS}")
        if address_bits != ADDRESS_BITS:
            raise ValueError(f"addresses of {address_bits} bits, expected {ADDRESS_BITS}")
        self._partitions = partitions
        super().__init__(
            {
                "submission": In(64),
                "start": In(1),
                "abort": In(1),
                "busy": Out(1),
                "done": Out(1),
                "error": Out(8),
                "error_partition": Out(8),
                "bank": Out(32),
                "irq": Out(1),
                "axi": Out(axi_read(address_bits)),
                "ports": Out(partition_port()).array(partitions),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build reader, fetcher, rings and the states that a submission goes through."""
        m = Module()
        self._clear, self._stop, self._stopping = Signal(), Signal(), Signal()
        self._starting, self._checking, self._finished = Signal(), Signal(), Signal()
        self._running = Signal()  # the submission can still fail
        self._failed = Signal()  # `error` is not zero
        self._header_good = Signal()
        self._uses = Signal(self._partitions)
        self._unknown = Signal()  # a header is being read: it may name any partition
        m.submodules.reader = self._reader = AxiReader()
        self._fetcher = DescriptorFetcher()
        m.submodules.fetcher = ResetInserter(self._clear)(self._fetcher)
        self._rings = [Ring() for _ in self.ports]
        self._connect_reader(m)
        self._connect_rings(m)
        self._note_errors(m)
        self._run(m)
        return m

    def _connect_reader(self, m: Module) -> None:
        reader, fetcher = self._reader, self._fetcher
        connect(m, reader.axi, flipped(self.axi))
        connect(m, fetcher.request, reader.request)
        connect(m, reader.data, fetcher.data)
        m.d.comb += [
            reader.abort.eq(self._stop),
            fetcher.read_error.eq(reader.error),
            fetcher.submission.eq(self.submission),
        ]

    def _connect_rings(self, m: Module) -> None:
        matrix = WaitMatrix(self._partitions)
        m.submodules.waits = ResetInserter(self._clear)(matrix)
        m.d.comb += matrix.depth.eq(self._fetcher.features_depth)
        for number, (ring, port) in enumerate(zip(self._rings, self.ports, strict=True)):
            m.submodules[f"ring_{number}"] = ResetInserter(self._clear)(ring)
            connect(m, self._fetcher.rings[number], ring.descriptor)
            connect(m, ring.command, flipped(port.command))
            connect(m, ring.parameters, flipped(port.parameters))
            progress = matrix.rings[number]
            m.d.comb += [
                progress.present.eq(self._uses[number]),
                progress.ended.eq(ring.ended),
                progress.ended_last.eq(ring.ended_last),
                progress.first.eq(ring.first),
                progress.waits.eq(ring.waits),
                ring.over.eq(progress.over),
                ring.table_done.eq(port.table_done),
                ring.parameters_done.eq(port.parameters_done),
                ring.reader_done.eq(port.reader_done),
                ring.writer_done.eq(port.writer_done),
                port.uses.eq(self._uses[number] | (self._unknown & port.active)),
                port.compute.eq(ring.compute),
                port.resolved.eq(ring.resolved),
                port.ended.eq(ring.ended),
                port.loaded.eq(ring.loaded),
            ]
            m.d.sync += port.stop.eq(self._stopping & self._uses[number])
            with m.If(self._starting):
                m.d.sync += port.completed.eq(0)
            with m.Elif(ring.ended):
                m.d.sync += port.completed.eq(port.completed + 1)

    def _note_errors(self, m: Module) -> None:
        """Keep the first error; one register serves all partitions."""
        command, checked = Signal(16), Signal()
        fetcher = self._fetcher
        m.d.sync += checked.eq(self._checking)
        for number, port in enumerate(self.ports):
            with m.If(self.error_partition == number):
                m.d.comb += [port.error.eq(self.error), port.error_command.eq(command)]

        def note(code: Value | int, partition: Value | int, index: Value | int) -> None:
            m.d.sync += [self.error.eq(code), self.error_partition.eq(partition)]
            m.d.sync += [command.eq(index), self._failed.eq(code != 0)]

        engines, header, stuck = self._find_errors(m)
        with m.If(self._starting):
            note(0, 0, 0)
        with m.Elif(self._running & ~self._failed):
            with m.If(self.abort):
                note(SequencerError.ABORTED.value, 0, 0)
            with m.Elif(engines.code != 0):
                note(engines.code, engines.partition, engines.command)
            with m.Elif(fetcher.error):
                note(fetcher.error_code, fetcher.error_ring, fetcher.error_command)
            with m.Elif(checked & (header.code != 0)):
                note(header.code, header.partition, 0)
            with m.Elif(stuck.code != 0):
                note(stuck.code, stuck.partition, stuck.command)

    def _find_errors(self, m: Module) -> tuple[View, View, View]:
        """Return what engines and modules, the header, and the rings as a whole met a clock ago.

        Of several the lowest partition's: assignments to lower ones come later.
        """
        engines, header, stuck = Signal(_Fault), Signal(_Fault), Signal(_Fault)
        kept = [Signal(_Fault, name=f"kept_{name}") for name in ("engines", "header", "stuck")]
        stuck_cycles = Signal(range(STUCK_CYCLES))
        waiting = Cat(
            ~used | r.finished | r.blocked for used, r in zip(self._uses, self._rings, strict=True)
        )
        hopeless = self._fetcher.quiet & waiting.all() & ~self._finished
        m.d.sync += stuck_cycles.eq(Mux(hopeless, stuck_cycles + ~stuck_cycles.all(), 0))
        for number in reversed(range(MAX_PARTITIONS)):
            present = self._fetcher.present[number]
            if number >= self._partitions:
                _fault(m, header, present, SequencerError.HEADER, number)
                continue
            ring, port = self._rings[number], self.ports[number]
            inactive = ~port.active
            _fault(m, header, present & inactive, SequencerError.PARTITION, number)
            uses, index = self._uses[number], ring.sequence
            _fault(m, engines, uses & port.module_error, SequencerError.MODULE, number, index)
            _fault(m, engines, uses & port.bus_error, SequencerError.BUS, number, index)
            _fault(m, engines, uses & inactive, SequencerError.PARTITION, number)
            waits = stuck_cycles.all() & ring.blocked
            _fault(m, stuck, waits, SequencerError.DEADLOCK, number, index)
        _fault(m, header, ~self._fetcher.magic, SequencerError.HEADER, 0)
        for register, fault in zip(kept, (engines, header, stuck), strict=True):
            m.d.sync += register.eq(Mux(self._clear, 0, fault))
        m.d.comb += self._header_good.eq(header.code == 0)
        return kept[0], kept[1], kept[2]

    def _run(self, m: Module) -> None:
        """Go through the states of a submission."""
        fetcher = self._fetcher
        self._count, self._over = Signal(range(16)), Signal()
        m.d.comb += [
            self._starting.eq(self.start & ~self.abort & ~self.busy),
            self._finished.eq(
                Cat(~u | r.finished for u, r in zip(self._uses, self._rings, strict=True)).all()
            ),
            self._clear.eq(self._stop | self._over),
        ]
        ending = Signal()  # it is over from the next clock on
        m.d.sync += [self._stop.eq(self._stopping), self._over.eq(ending)]
        m.d.sync += [self.irq.eq(self._over), self.done.eq(self.done | self._over)]
        m.d.sync += self._count.eq(self._count - (self._count != 0))
        with m.If(self._over):
            m.d.sync += [self.busy.eq(0), self._uses.eq(0)]
        with m.FSM() as fsm:
            m.d.comb += self._unknown.eq(fsm.ongoing("HEADER") | fsm.ongoing("CHECK"))
            with m.State("IDLE"), m.If(self._starting):
                m.d.comb += fetcher.start.eq(1)
                m.d.sync += [self.busy.eq(1), self.done.eq(0)]
                m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += self._running.eq(1)
                with m.If(fetcher.header_done):
                    m.next = "CHECK"
                self._stop_if_failed(m)
            with m.State("CHECK"):
                self._begin(m)
                self._stop_if_failed(m)
            with m.State("RUN"):
                m.d.comb += self._running.eq(1)
                with m.If(self._finished):
                    m.d.sync += self._count.eq(COMPLETION_CYCLES - _END_CYCLES)
                    m.next = "COMPLETE"
                self._stop_if_failed(m)
            with m.State("COMPLETE"):
                m.d.comb += ending.eq((self._count == 0) & self._reader.idle & ~self._failed)
                m.d.comb += self._running.eq(~ending)
                with m.If(ending):
                    m.d.sync += self.bank.eq(fetcher.bank)
                    m.next = "IDLE"
                self._stop_if_failed(m)
            self._build_stop(m, ending)

    def _begin(self, m: Module) -> None:
        """Let a good header's rings begin, if it has anything to do."""
        fetcher = self._fetcher
        m.d.comb += [self._running.eq(1), self._checking.eq(1)]
        m.d.sync += self._count.eq(_EMPTY_CYCLES)
        m.next = "RUN"
        with m.If(self._header_good):
            with m.If(fetcher.repeats & fetcher.present.any()):
                m.d.comb += fetcher.begin.eq(1)
                m.d.sync += self._uses.eq(fetcher.present)
            with m.Else():
                m.next = "COMPLETE"

    def _stop_if_failed(self, m: Module) -> None:
        with m.If(self._failed):
            m.d.sync += self._count.eq(STOP_CYCLES - 1)
            m.next = "STOP"

    def _build_stop(self, m: Module, ending: Signal) -> None:
        """Wait for engines and reader to drain, then reset the modules that took part."""
        idle = self._reader.idle & (~self._uses | Cat(p.engines_idle for p in self.ports)).all()
        resetting = Signal()
        for number, port in enumerate(self.ports):
            m.d.sync += port.region_reset.eq(resetting & self._uses[number])
        with m.State("STOP"):
            m.d.comb += self._stopping.eq(1)
            with m.If((self._count == 0) & idle):
                m.d.sync += self._count.eq(RESET_CYCLES - 1)
                m.next = "RESET"
        with m.State("RESET"):
            m.d.comb += [self._stopping.eq(1), resetting.eq(1)]
            with m.If(self._count == 0):
                m.d.comb += ending.eq(1)
                m.next = "IDLE"


def _fault(
    m: Module,
    fault: View,
    condition: Value,
    code: SequencerError,
    partition: int,
    command: Value | int = 0,
) -> None:
    """Describe an error where a condition holds."""
    with m.If(condition):
        m.d.comb += [
            fault.code.eq(code.value),
            fault.partition.eq(partition),
            fault.command.eq(command),
        ]
