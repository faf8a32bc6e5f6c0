"""One ring of commands on its way through a partition: prefetched, loaded, computed.

A command passes two stages. In `next` its descriptor crosses the boundary, and its parameters are
asked for as soon as the command two before has ended, for a module has two parameter buffers. From
there it moves to `current`, where it waits until it may compute, and computes.

Clocks, from the strobe that causes something to what follows if nothing else is waited for:

    command k-2 ends -> request of k's parameters        REQUEST_CYCLES
    parameters of k in -> command k computes             LAUNCH_CYCLES
    parameters of k-1 in -> request of k's parameters    REQUEST_CYCLES + LAUNCH_CYCLES
    command k-1 ends -> command k computes               4 (`contract.sequencer.DISPATCH_CYCLES`)

so `PARAMETER_OVERHEAD_CYCLES` is what a command's parameters take besides what the parameter reader
does; with its 3 clocks around the memory's these are `contract.sequencer.PARAMETER_CYCLES`.
"""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import Component, In, Out

from fpga_rt.contract.command import COMMAND, MAX_PARTITIONS, CommandFlag
from hw.static_region.descriptor_fetcher import (
    DESCRIPTOR_BEATS,
    SLOTS,
    DescriptorWrite,
    Marks,
)
from hw.static_region.resolved_command import (
    ADDRESS_BITS,
    ADDRESSES,
    ParameterRequest,
    ResolvedCommand,
)
from hw.static_region.segment_table import small_memory

REQUEST_CYCLES = 1
LAUNCH_CYCLES = 1
PARAMETER_OVERHEAD_CYCLES = REQUEST_CYCLES + LAUNCH_CYCLES

WAIT_BITS = 16
SETTLE_CYCLES = 1
"""A command's waits are there this many clocks before it is decided that it may start."""

_BEAT_BITS = 64
_STREAMED = CommandFlag.STREAMED_WEIGHTS.bit_length() - 1

Waits = ArrayLayout(WAIT_BITS, MAX_PARTITIONS)

_Command = StructLayout(
    {"resolved": ResolvedCommand, "waits": Waits, "sequence": 16, "marks": Marks}
)


class Ring(Component):
    """Holds prefetched descriptors and takes them through parameters and computing, in order.

    `over` says that the waits of the current command, `waits` and `first` (of its iteration), are
    over, `SETTLE_CYCLES` after these are there; `compute` follows it a clock later, when `resolved`
    has been there for two. `ended` is high for one cycle after a command has; `ended_last` with it,
    if that was the last of an iteration. `loaded` is high when the parameters that a command needs
    before it computes are in. `finished`: nor will another come. `blocked`: the current command
    lacks nothing but `over`, and nothing is under way. `sequence` is the index of the current
    command, or of the last one.

    Reset it to forget everything.
    """

    def __init__(self) -> None:
        """Make an empty ring."""
        super().__init__(
            {
                "descriptor": In(DescriptorWrite),
                "command": Out(stream.Signature(_BEAT_BITS)),
                "parameters": Out(stream.Signature(ParameterRequest)),
                "table_done": In(1),
                "parameters_done": In(1),
                "reader_done": In(1),
                "writer_done": In(1),
                "waits": Out(Waits),
                "first": Out(1),
                "over": In(1),
                "loaded": Out(1),
                "compute": Out(1),
                "resolved": Out(ResolvedCommand),
                "sequence": Out(16),
                "ended": Out(1),
                "ended_last": Out(1),
                "finished": Out(1),
                "blocked": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the store of descriptors, the two stages and the account of parameters."""
        m = Module()
        self._next, self._next_valid = Signal(_Command), Signal()
        self._current, self._current_valid = Signal(_Command), Signal()
        self._starting = Signal()  # the current command computes from the next clock on
        self._ending = Signal()  # it ends
        self._store(m)
        peeked = self._load(m)
        arrived, loading = self._request(m, peeked)
        self._compute(m, arrived, loading)
        return m

    def _store(self, m: Module) -> None:
        """Keep what the fetcher writes; `_beat` of the oldest descriptor is read."""
        write = self.descriptor
        slot, read_slot = Signal(range(SLOTS)), Signal(range(SLOTS))
        level = Signal(range(SLOTS + 1))
        self._beat = Signal(range(DESCRIPTOR_BEATS))
        self._address_index = Signal(range(DESCRIPTOR_BEATS))
        depth = SLOTS * DESCRIPTOR_BEATS
        self._word, beats = small_memory(m, "beats", _BEAT_BITS, depth, Cat(self._beat, read_slot))
        self._address, addresses = small_memory(
            m, "addresses", ADDRESS_BITS, depth, Cat(self._address_index, read_slot)
        )
        self._marks, marks = small_memory(m, "marks", Marks.size, SLOTS, read_slot)
        self._filled = Signal()
        m.d.comb += [
            beats.addr.eq(Cat(write.beat, slot)),
            beats.data.eq(write.data),
            beats.en.eq(write.write),
            addresses.addr.eq(Cat(write.address_index, slot)),
            addresses.data.eq(write.address),
            addresses.en.eq(write.address_write),
            marks.addr.eq(slot),
            marks.data.eq(write.marks),
            marks.en.eq(write.commit),
        ]
        with m.If(write.commit):
            m.d.sync += slot.eq(slot + 1)
        with m.If(write.release):
            m.d.sync += read_slot.eq(read_slot + 1)
        committed = Signal()  # and not counted yet: that is a register less on the way
        m.d.sync += committed.eq(write.commit)
        with m.If(committed & ~write.release):
            m.d.sync += level.eq(level + 1)
        with m.If(write.release & ~committed):
            m.d.sync += level.eq(level - 1)
        m.d.comb += self._filled.eq(committed | level.any())

    def _load(self, m: Module) -> Value:
        """Read the oldest descriptor: first the request of its parameters, then all of it.

        Returns:
            whether the request is complete and was not made.
        """
        request, beat = self.parameters.payload, self._beat
        counter = Signal(range(DESCRIPTOR_BEATS))
        requested, complete = Signal(), Signal()
        m.d.comb += [
            complete.eq(requested | (self.parameters.valid & self.parameters.ready)),
            self._address_index.eq(counter),
            beat.eq(counter),
            self.command.payload.eq(self._word),
        ]
        m.d.sync += requested.eq(complete & ~self.descriptor.release)
        word_1 = self._word[32:]
        peeked = Signal()
        with m.FSM():
            with m.State("WEIGHTS"):
                m.d.comb += self._address_index.eq(ADDRESSES.index("weights"))
                m.d.sync += request.weights.eq(self._address)
                m.d.sync += request.streamed.eq(self._word[8 + _STREAMED])
                with m.If(self._filled):
                    m.next = "TABLE"
            with m.State("TABLE"):
                m.d.comb += [beat.eq(1), self._address_index.eq(ADDRESSES.index("table"))]
                m.d.sync += request.table.eq(self._address)
                m.d.sync += [
                    Cat(request.table_beats, request.weights_beats).eq(word_1),
                    request.has_table.eq(word_1[: len(request.table_beats)].any()),
                    request.has_weights.eq(word_1[len(request.table_beats) :].any()),
                ]
                m.d.sync += peeked.eq(1)
                m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += self.command.valid.eq(~self._next_valid)
                with m.If(self.command.valid & self.command.ready):
                    self._capture(m, counter)
                    m.d.sync += counter.eq(counter + 1)
                    with m.If(counter == DESCRIPTOR_BEATS - 1):
                        m.d.sync += self._next_valid.eq(1)
                        m.next = "REST"
            with m.State("REST"):
                with m.If(complete):
                    m.d.comb += self.descriptor.release.eq(1)
                    m.d.sync += peeked.eq(0)
                    m.next = "WEIGHTS"
        return peeked & ~requested

    def _capture(self, m: Module, beat: Value) -> None:
        """Put what a beat of the descriptor brings into the next command."""
        following = self._next
        with m.Switch(beat):
            for number in range(DESCRIPTOR_BEATS):
                with m.Case(number):
                    for field in COMMAND.fields:
                        start = 32 * field.word + field.low - _BEAT_BITS * number
                        if 0 <= start < _BEAT_BITS and field.name not in ADDRESSES:
                            target = _target(following, field.name)
                            m.d.sync += target.eq(self._word[start : start + field.width])
                    if number < len(ADDRESSES):
                        target = following.resolved[ADDRESSES[number]]
                        m.d.sync += target.eq(self._address)
        m.d.sync += following.marks.eq(self._marks)

    def _request(self, m: Module, peeked: Value) -> tuple[Value, Value]:
        """Ask for parameters when a buffer is free.

        Returns:
            whether the oldest command that did not compute has its parameters, and whether some
            are under way.
        """
        request = self.parameters
        under_way = Signal(2)  # commands that were asked for and have not ended
        arrived = Signal(2)  # those that did not compute and have their parameters
        loading, complete, streamed = Signal(), Signal(), Signal()
        accepted = Signal()
        busy = Mux(streamed, under_way != 0, under_way[1])
        m.d.comb += [
            request.valid.eq(peeked & ~loading & ~busy),
            accepted.eq(request.valid & request.ready),
        ]
        m.d.comb += self.loaded.eq(Mux(streamed, self.table_done, self.parameters_done))
        m.d.sync += [
            under_way.eq(under_way + accepted - self._ending),
            arrived.eq(arrived + self.loaded - self._starting),
            complete.eq(self.parameters_done),
        ]
        with m.If(accepted):
            m.d.sync += [loading.eq(1), streamed.eq(request.payload.streamed)]
        with m.Elif(complete):
            m.d.sync += loading.eq(0)
        return arrived.any(), loading

    def _compute(self, m: Module, arrived: Value, loading: Value) -> None:
        """Start the current command when everything is there, and see it end."""
        settled = Signal(SETTLE_CYCLES)
        computing, waiting = Signal(), Signal()
        reader_seen, writer_seen = Signal(), Signal()
        current = self._current
        reader_done, writer_done = self.reader_done | reader_seen, self.writer_done | writer_seen
        m.d.comb += [
            self.resolved.eq(current.resolved),
            self.waits.eq(current.waits),
            self.first.eq(current.marks.first),
            self.sequence.eq(current.sequence),
            waiting.eq(settled[-1] & self._current_valid & ~computing),
            self._starting.eq(waiting & (arrived | self.loaded) & self.over),
            self.blocked.eq(waiting & arrived & ~self.over & ~loading),
            self._ending.eq(computing & reader_done & writer_done),
        ]
        m.d.sync += [
            settled.eq(Mux(self._current_valid, Cat(1, settled)[:SETTLE_CYCLES], 0)),
            self.compute.eq(self._starting),
            computing.eq((computing | self._starting) & ~self._ending),
            reader_seen.eq(computing & reader_done & ~self._ending),
            writer_seen.eq(computing & writer_done & ~self._ending),
            self.ended.eq(self._ending),
            self.ended_last.eq(self._ending & current.marks.last),
        ]
        with m.If(self._ending):
            m.d.sync += self._current_valid.eq(0)
            with m.If(current.marks.final):
                m.d.sync += self.finished.eq(1)
        with m.Elif(self._next_valid & ~self._current_valid):
            m.d.sync += [current.eq(self._next), self._current_valid.eq(1)]
            m.d.sync += self._next_valid.eq(0)


def _target(command: Value, name: str) -> Value:
    """Return where a field of a descriptor that is no address is kept."""
    if name == "sequence":
        return command.sequence
    if name.startswith("wait"):
        return command.waits[int(name.removeprefix("wait"))]
    return command.resolved[name]
