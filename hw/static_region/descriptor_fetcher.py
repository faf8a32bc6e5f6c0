"""Reads the submission header, then the descriptors of every ring ahead of their use.

A doorbell is read by the sequencer's one port to memory: first the header, which fills small
memories with the rings and segments it names, then descriptors, ring by ring in turn and across
iterations, as long as a ring has room. A descriptor is checked, and its addresses become absolute
on the way: where a segment lies in the iteration of a ring is kept beside it and stepped when the
last descriptor of an iteration has come, so nothing is multiplied.
"""

from __future__ import annotations

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out, Signature

from fpga_rt.contract.command import (
    COMMAND,
    COMMAND_BYTES,
    MAX_PARTITIONS,
    SEGMENT_SHIFT,
    STREAM_BYTES,
    Segment,
)
from fpga_rt.contract.static_region import SequencerError
from fpga_rt.contract.submission import HEADER, MAGIC
from hw.blocks.bursts import request_layout
from hw.blocks.stream_fifo import StreamFifo
from hw.static_region.resolved_command import ADDRESS_BITS, ADDRESSES
from hw.static_region.segment_table import SegmentTable, small_memory

SLOTS = 4
"""Descriptors that a ring holds or has asked for."""
DESCRIPTOR_BEATS = COMMAND_BYTES // STREAM_BYTES
LEAD_BITS = 16
"""A ring is at most 2**LEAD_BITS - 1 iterations ahead of another."""

_BEAT_BITS = (DESCRIPTOR_BEATS - 1).bit_length()
_HEADER_BEATS = HEADER.size_bytes // STREAM_BYTES
_WORD = 32

Marks = StructLayout({"first": 1, "last": 1, "final": 1})
"""A descriptor opens or closes an iteration; the last one of the last iteration is final."""

DescriptorWrite = Signature(
    {
        "data": Out(64),
        "beat": Out(range(DESCRIPTOR_BEATS)),
        "write": Out(1),
        "address": Out(ADDRESS_BITS),
        "address_index": Out(range(DESCRIPTOR_BEATS)),
        "address_write": Out(1),
        "marks": Out(Marks),
        "commit": Out(1),
        "release": In(1),
    }
)
"""A descriptor into a ring: beats, absolute addresses in the order of `ADDRESSES`, then `commit`.

The ring answers every commit with one `release` when it needs the slot no more.
"""

_Tag = StructLayout({"ring": 2, "owner": MAX_PARTITIONS, "index": 16, "marks": Marks})
"""Whose descriptor comes, as a number and as a bit for each ring."""


_DESCRIPTOR_SHIFT = COMMAND_BYTES.bit_length() - 1
_WORDS = {field.name: field.word for field in HEADER.fields}
_WORDS_OF_A_BEAT = STREAM_BYTES // 4
_ADDRESS_WORDS = [field.word for field in COMMAND.fields if field.name in ADDRESSES]
"""They follow one another, in the order of `ADDRESSES`."""
_LAST_ADDRESS_BEAT = max(_ADDRESS_WORDS) // _WORDS_OF_A_BEAT


def _beat_of(name: str) -> int:
    """Return the beat of the header in which a field starts."""
    return _WORDS[name] // _WORDS_OF_A_BEAT


class DescriptorFetcher(Component):
    """Header and descriptors, from the request to memory to the rings (see the module's text).

    `start` asks for the header at `submission`. With `header_done` (one cycle, after its last
    beat) `magic`, `repeats`, `bank`, `present` and `features_depth` are its own until the next
    start; `begin` then lets descriptors be read. `error` is high for one cycle with the code, ring
    and index of the first thing that is wrong; the owner resets this component and aborts the
    reader. `quiet` says that a clock ago nothing was asked for and nothing could be.

    `read_error` and the streams `request` and `data` are those of an `AxiReader`.
    """

    def __init__(self) -> None:
        """Make a fetcher for `MAX_PARTITIONS` rings; unused ones are left unconnected."""
        super().__init__(
            {
                "start": In(1),
                "submission": In(ADDRESS_BITS),
                "begin": In(1),
                "header_done": Out(1),
                "magic": Out(1),
                "repeats": Out(1),
                "bank": Out(_WORD),
                "present": Out(MAX_PARTITIONS),
                "features_depth": Out(LEAD_BITS),
                "request": Out(stream.Signature(request_layout(ADDRESS_BITS))),
                "data": In(stream.Signature(64)),
                "read_error": In(1),
                "rings": Out(DescriptorWrite).array(MAX_PARTITIONS),
                "error": Out(1),
                "error_code": Out(8),
                "error_ring": Out(range(MAX_PARTITIONS)),
                "error_command": Out(16),
                "quiet": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build header parser, issuer and receiver around the small memories."""
        m = Module()
        m.submodules.segments = self._segments = SegmentTable()
        m.submodules.tags = self._tags = StreamFifo(_Tag, SLOTS * MAX_PARTITIONS)
        self._taken = Signal()
        self._in_header = Signal()
        self._beat = Signal(range(_HEADER_BEATS))
        self._repeat = Signal(_WORD)  # iterations
        self._holds = [(1, Signal(name="holds_one")), (2, Signal(name="holds_two"))]  # addresses
        self._ends = Signal()  # it is the last one of a descriptor
        self._closing = Signal()
        self._candidates = Signal(MAX_PARTITIONS)
        self._selecting = Signal()
        m.d.comb += self._taken.eq(self.data.valid & self.data.ready)
        self._take_header(m)
        self._take_rings(m)
        self._issue(m)
        self._receive(m)
        nothing_asked = ~self._tags.output.valid & ~self._closing
        m.d.sync += self.quiet.eq(self._selecting & ~self._candidates.any() & nothing_asked)
        return m

    def _take_header(self, m: Module) -> None:
        take = self._taken & self._in_header
        low, high = self.data.payload[:_WORD], self.data.payload[_WORD:]
        segments = self._segments
        with m.If(self.start):
            m.d.sync += self._in_header.eq(1)
        m.d.sync += self.header_done.eq(take & (self._beat == _beat_of("ring3_commands")))
        with m.If(self._taken):
            following = (self._beat + 1)[: len(self._beat)]
            m.d.sync += [
                self._beat.eq(following),
                *(flag.eq(_holds_addresses(following[:_BEAT_BITS], n)) for n, flag in self._holds),
                self._ends.eq(following[:_BEAT_BITS] == DESCRIPTOR_BEATS - 1),
            ]
        with m.If(take & (self._beat == _HEADER_BEATS - 1)):
            m.d.sync += [self._in_header.eq(0), self._beat.eq(0), self._ends.eq(0)]
            m.d.sync += [flag.eq(0) for _, flag in self._holds]
        m.d.comb += [
            segments.segment.eq(self._beat[1:] - _beat_of("input_base") // 2),
            segments.low.eq(low),
            segments.high.eq(high),
        ]
        with m.If(take):
            with m.Switch(self._beat):
                with m.Case(_beat_of("magic")):
                    m.d.sync += [self.magic.eq(low == MAGIC), self._repeat.eq(high)]
                    m.d.sync += self.repeats.eq(high != 0)
                with m.Case(_beat_of("bank")):
                    m.d.sync += self.bank.eq(low)
                with m.Case(*(_beat_of(f"{s.name.lower()}_base") for s in Segment)):
                    m.d.comb += segments.write_base.eq(1)
                with m.Case(*(_beat_of(f"{s.name.lower()}_depth") for s in Segment)):
                    m.d.comb += segments.write_step.eq(1)
            with m.If(self._beat == _beat_of("features_depth")):
                limit = (1 << LEAD_BITS) - 1
                one = Mux(high == 0, 1, high[:LEAD_BITS])
                m.d.sync += self.features_depth.eq(Mux(high[LEAD_BITS:] != 0, limit, one))

    def _take_rings(self, m: Module) -> None:
        """Keep the rings of the header: their addresses and lengths, an entry a ring."""
        self._ring = Signal(range(MAX_PARTITIONS), init=MAX_PARTITIONS - 1)  # that asks
        self._address, address = small_memory(m, "addresses", _WORD, MAX_PARTITIONS, self._ring)
        self._commands, commands = small_memory(m, "commands", _WORD, MAX_PARTITIONS, self._ring)
        take = self._taken & self._in_header
        m.d.sync += [address.en.eq(0), commands.en.eq(0)]
        for ring in range(MAX_PARTITIONS):
            for port, name in ((address, "address"), (commands, "commands")):
                word = self.data.payload.word_select(_WORDS[f"ring{ring}_{name}"] % 2, _WORD)
                with m.If(self._beat == _beat_of(f"ring{ring}_{name}")):
                    m.d.sync += [port.addr.eq(ring), port.data.eq(word), port.en.eq(take)]
                    if name == "commands":
                        with m.If(take):
                            m.d.sync += self.present[ring].eq(word != 0)

    def _issue(self, m: Module) -> None:
        """Ask for the header, then for a descriptor of each ring that has room, in turn."""
        begun = Signal()
        with m.If(self.begin):
            m.d.sync += begun.eq(1)
        self._reading, self._issued = Signal(), Signal()
        chosen = self._choose(m)
        address = self._describe(m)
        with m.FSM():
            with m.State("HEADER"):
                m.d.comb += [
                    self.request.valid.eq(self.start | self._in_header),
                    self.request.payload.address.eq(self.submission),
                    self.request.payload.beats.eq(_HEADER_BEATS),
                ]
                with m.If(self.request.valid & self.request.ready):
                    m.next = "SELECT"
            with m.State("SELECT"):
                m.d.comb += self._selecting.eq(1)
                m.d.sync += self._ring.eq(chosen)
                with m.If(self._candidates.any()):
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += self._reading.eq(1)
                m.next = "ISSUE"
            with m.State("ISSUE"):
                m.d.comb += [
                    self.request.valid.eq(begun),
                    self.request.payload.address.eq(address),
                    self.request.payload.beats.eq(DESCRIPTOR_BEATS),
                ]
                with m.If(self.request.valid & self.request.ready):
                    m.next = "ISSUED"
            with m.State("ISSUED"):
                m.d.comb += self._issued.eq(1)
                m.next = "COUNTED"
            with m.State("COUNTED"):
                m.next = "SELECT"

    def _choose(self, m: Module) -> Value:
        """Return the next ring that has room, after a reset from ring 0 on."""
        chosen = Signal.like(self._ring)
        m.d.comb += chosen.eq(self._ring)
        with m.Switch(self._ring):
            for last in range(MAX_PARTITIONS):
                with m.Case(last):
                    for distance in range(MAX_PARTITIONS - 1, 0, -1):  # the nearest overrides
                        ring = (last + distance) % MAX_PARTITIONS
                        with m.If(self._candidates[ring]):
                            m.d.comb += chosen.eq(ring)
        return chosen

    def _describe(self, m: Module) -> Value:
        """Step the chosen ring on; return the address of its next descriptor."""
        fresh, exhausted = Signal(MAX_PARTITIONS, init=-1), Signal(MAX_PARTITIONS)
        index, index_write = small_memory(m, "index", _WORD, MAX_PARTITIONS, self._ring)
        ended, ended_write = small_memory(m, "ended", _WORD, MAX_PARTITIONS, self._ring)
        tag = Signal(_Tag)
        number, first = Signal(16), Signal()
        address, commands = Signal(ADDRESS_BITS), Signal(_WORD)
        next_index, next_ended = Signal(_WORD), Signal(_WORD)
        is_fresh = fresh.bit_select(self._ring, 1)
        now = Mux(is_fresh, 0, index)
        last, ends_all = Signal(), Signal()  # of the iteration, the iteration of all
        m.d.sync += [last.eq(next_index == commands), ends_all.eq(next_ended == self._repeat)]
        for ring, held in enumerate(self._count_slots(m)):
            room = self.present[ring] & ~exhausted[ring] & (held != SLOTS)
            m.d.sync += self._candidates[ring].eq(room)
        m.d.comb += [
            tag.ring.eq(self._ring),
            tag.owner.eq(1 << self._ring),
            tag.index.eq(number),
            tag.marks.first.eq(first),
            tag.marks.last.eq(last),
            tag.marks.final.eq(last & ends_all),
            self._tags.input.payload.eq(tag),
            self._tags.input.valid.eq(self._issued),
            index_write.addr.eq(self._ring),
            index_write.data.eq(Mux(last, 0, next_index)),
            index_write.en.eq(self._issued),
            ended_write.addr.eq(self._ring),
            ended_write.data.eq(Mux(last, next_ended, 0)),
            ended_write.en.eq(self._issued & (last | is_fresh)),
        ]
        with m.If(self._reading):
            m.d.sync += [
                number.eq(now),
                first.eq(now == 0),
                next_index.eq(now + 1),
                next_ended.eq(Mux(is_fresh, 0, ended) + 1),
                address.eq(self._address + (now << _DESCRIPTOR_SHIFT)),
                commands.eq(self._commands),
            ]
        with m.If(self._issued):
            m.d.sync += is_fresh.eq(0)
            with m.If(tag.marks.final):
                m.d.sync += exhausted.bit_select(self._ring, 1).eq(1)
        return address

    def _count_slots(self, m: Module) -> list[Signal]:
        """Return for each ring the slots that are filled or will be."""
        counts = []
        for number, ring in enumerate(self.rings):
            held = Signal(range(SLOTS + 1), name=f"held_{number}")
            released = Signal(name=f"released_{number}")
            m.d.sync += released.eq(ring.release)
            one_more = self._issued & (self._ring == number)
            with m.If(one_more & ~released):
                m.d.sync += held.eq(held + 1)
            with m.If(released & ~one_more):
                m.d.sync += held.eq(held - 1)
            counts.append(held)
        return counts

    def _receive(self, m: Module) -> None:
        """Hand beats and addresses to the ring that asked first, and check what came."""
        segments = self._segments
        tag, closed = Signal(_Tag), Signal(_Tag)
        beat = self._beat[:_BEAT_BITS]
        take, ending = Signal(), Signal()
        wrong, lost, bad_header = Signal(), Signal(), Signal()
        resolving = self._resolve(m, take, tag.owner)
        restarting, next_ring = Signal(), Signal(range(MAX_PARTITIONS))
        moving = Signal()  # places of segments: busy or restarting
        stepping = Signal()  # with the last address of an iteration, or behind it
        m.d.comb += [
            tag.eq(self._tags.output.payload),
            take.eq(self._taken & ~self._in_header),
            ending.eq(take & self._ends),
            self._tags.output.ready.eq(ending),
            segments.restart.eq(restarting),
            segments.step.eq(~segments.busy & (restarting | stepping)),
            segments.ring.eq(Mux(restarting, next_ring, tag.ring)),
            segments.lookup_ring.eq(tag.ring),
            self.data.ready.eq(
                self._in_header
                | (self._tags.output.valid & ~resolving & ~(moving & self._holds[0][1]))
            ),
            bad_header.eq(self.header_done & self.read_error),
            self.error.eq((self._closing & (wrong | lost)) | bad_header),
            self.error_code.eq(
                Mux(lost | bad_header, SequencerError.BUS.value, SequencerError.SEQUENCE.value)
            ),
            self.error_ring.eq(closed.ring),
            self.error_command.eq(closed.index),
        ]
        m.d.sync += [
            self._closing.eq(ending),
            stepping.eq(take & (beat == _LAST_ADDRESS_BEAT) & tag.marks.last),
        ]
        with m.If(take & (beat == 0)):
            m.d.sync += wrong.eq(self.data.payload[16:32] != tag.index)
        with m.If(ending):
            m.d.sync += [closed.eq(tag), lost.eq(self.read_error)]
        stays = restarting | (stepping & ~segments.busy) | (segments.busy & ~segments.ends)
        m.d.sync += moving.eq(self.begin | stays)
        with m.If(self.begin):
            m.d.sync += restarting.eq(1)
        with m.Elif(restarting & ~segments.busy):
            m.d.sync += [
                next_ring.eq(next_ring + 1),
                restarting.eq(next_ring != MAX_PARTITIONS - 1),
            ]
        for number, ring in enumerate(self.rings):
            m.d.comb += [
                ring.data.eq(self.data.payload),
                ring.beat.eq(beat),
                ring.marks.eq(tag.marks),
                ring.write.eq(take & tag.owner[number]),
                ring.commit.eq(ending & ~wrong & ~self.read_error & tag.owner[number]),
            ]

    def _resolve(self, m: Module, take: Value, owner: Value) -> Value:
        """Look up the addresses of a beat: the first as it comes, the second in the clock after.

        They are written a clock later.

        Returns:
            whether the beat that is offered must wait for that.
        """
        segments = self._segments
        low, high = self.data.payload[:_WORD], self.data.payload[_WORD:]
        waits, held, index = Signal(), Signal(_WORD), Signal(range(DESCRIPTOR_BEATS))
        (_, one), (_, two) = self._holds
        write = waits | (take & one)
        word = Mux(waits, held, low)
        m.d.comb += segments.lookup.eq(word[SEGMENT_SHIFT:])
        m.d.sync += [
            waits.eq(take & (two | (one & waits))),
            held.eq(Mux(two, high, low)),
        ]
        with m.If(write):
            m.d.sync += index.eq(index + 1)
        with m.Elif(take):
            m.d.sync += index.eq(0)
        position, offset = Signal(ADDRESS_BITS), Signal(SEGMENT_SHIFT)
        written, place = Signal(len(self.rings)), Signal.like(index)
        m.d.sync += [
            position.eq(segments.position),
            offset.eq(word[:SEGMENT_SHIFT]),
            written.eq(Mux(write, owner, 0)),
            place.eq(index),
        ]
        for number, ring in enumerate(self.rings):
            m.d.comb += [
                ring.address.eq(position + offset),
                ring.address_index.eq(place),
                ring.address_write.eq(written[number]),
            ]
        return waits & two


def _holds_addresses(beat: Value, least: int) -> Value:
    """Tell whether a beat of a descriptor has at least so many addresses."""
    beats = [word // _WORDS_OF_A_BEAT for word in _ADDRESS_WORDS]
    return beat.matches(*{number for number in beats if beats.count(number) >= least})
