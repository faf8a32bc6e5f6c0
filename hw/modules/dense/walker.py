"""The input vector, and the loops that bring its codes and the weights together."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.modules.dense import TABLE_CHANNELS
from hw.blocks.boundary import STREAM_BITS
from hw.blocks.pipeline import stage
from hw.modules.dense.intake import INPUT_BEATS, work_layout
from hw.modules.elementwise.walker import place_layout

_INT4_BITS = 4
_INT8_BITS = 8


def step_layout(lanes: int) -> data.StructLayout:
    """Return a step: a code and a weight for each lane, and what they are.

    `first` and `last` of their channel; `channel`, of the output; `to`, where its result goes.
    """
    return data.StructLayout(
        {
            "codes": data.ArrayLayout(signed(8), lanes),
            "weights": data.ArrayLayout(signed(8), lanes),
            "first": 1,
            "last": 1,
            "channel": range(TABLE_CHANNELS),
            "to": place_layout(1),
        }
    )


class Walker(wiring.Component):
    """Walk through the channels of the output, and for each through the input, a step a clock.

    The first channel is computed while the input comes. A beat of weights is of one channel, and
    holds those of one step or more; the last beat of a channel may have some left over.

    Attributes:
        work: In, the command; stable while `running`.
        start: In, begin.
        enable: In, take input and weights.
        running: Out, steps are still to come.
        input: In, beats of the vector.
        weights: In, beats.
        step: Out, when `step_valid`, the clock after its weights were taken.
        reserve: Out, a step was taken whose result will close a beat.
    """

    def __init__(self, lanes: int) -> None:
        """Make a walker of `lanes` lanes."""
        self._lanes = lanes
        super().__init__(
            {
                "work": In(work_layout(lanes)),
                "start": In(1),
                "enable": In(1),
                "running": Out(1),
                "input": In(stream.Signature(STREAM_BITS)),
                "weights": In(stream.Signature(STREAM_BITS)),
                "step": Out(step_layout(lanes)),
                "step_valid": Out(1),
                "reserve": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the loops, the choice of a step's weights, and the vector."""
        m = Module()
        lanes, work, step = self._lanes, self.work, self.step
        parts = exact_log2(STREAM_BYTES // lanes)
        place = Signal(exact_log2(STREAM_BITS // _INT4_BITS // lanes))
        position, channel = Signal.like(work.steps), Signal.like(work.channels)
        loaded = Signal(range(INPUT_BEATS + 1))
        enabled, take, closes = Signal(), Signal(), Signal()
        last, ends = self._count(m, take)
        most = Mux(work.int4, STREAM_BITS // _INT4_BITS // lanes, STREAM_BYTES // lanes) - 1
        to = Signal(place_layout(1))
        m.d.comb += [
            enabled.eq(self.running & self.enable & (position[parts:] < loaded)),
            take.eq(enabled & self.weights.valid),
            closes.eq(last | (place == most)),
            self.weights.ready.eq(enabled & closes),
            to.place.eq(channel),
            to.closes.eq(ends | (to.place == STREAM_BYTES - 1)),
            self.reserve.eq(take & last & to.closes),
        ]
        with m.If(take):
            m.d.sync += [
                place.eq(Mux(closes, 0, place + 1)),
                position.eq(Mux(last, 0, position + 1)),
                channel.eq(channel + last),
                self.running.eq(~(last & ends)),
            ]
        with m.If(self.start):
            m.d.sync += [self.running.eq(1), channel.eq(0)]
        m.d.sync += self.step_valid.eq(take)
        m.d.comb += [
            step.weights.eq(stage(m, self._weights(place), "weights")),
            step.codes.eq(self._vector(m, position[parts:], position[:parts], loaded)),
            step.first.eq(stage(m, position == 0, "first")),
            step.last.eq(stage(m, last, "last")),
            step.channel.eq(stage(m, channel, "channel")),
            step.to.eq(stage(m, to.as_value(), "to")),
        ]
        return m

    def _count(self, m: Module, take: Value) -> tuple[Signal, Signal]:
        """Count steps and channels down; return whether a step and a channel are the last."""
        work = self.work
        steps, channels = Signal.like(work.steps), Signal.like(work.channels)
        last, ends = Signal(), Signal()
        with m.If(self.start | (take & last)):
            m.d.sync += [steps.eq(work.steps), last.eq(work.steps == 0)]
        with m.Elif(take):
            m.d.sync += [steps.eq(steps - 1), last.eq(steps == 1)]
        with m.If(self.start):
            m.d.sync += [channels.eq(work.channels), ends.eq(work.channels == 0)]
        with m.Elif(take & last):
            m.d.sync += [channels.eq(channels - 1), ends.eq(channels == 1)]
        return last, ends

    def _weights(self, place: Value) -> Value:
        """Return the weights of a place in a beat, 8 bits each."""
        lanes, beat = self._lanes, self.weights.payload
        narrow = beat.word_select(place, _INT4_BITS * lanes)
        nibbles = [narrow.word_select(lane, _INT4_BITS) for lane in range(lanes)]
        wide = Cat(Cat(nibble, nibble[-1].replicate(_INT4_BITS)) for nibble in nibbles)
        return Mux(self.work.int4, wide, beat.word_select(place, _INT8_BITS * lanes))

    def _vector(self, m: Module, address: Value, part: Value, loaded: Signal) -> Value:
        """Keep the input; return the codes at a place, a clock later."""
        work = self.work
        m.submodules.vector = memory = Memory(shape=STREAM_BITS, depth=INPUT_BEATS, init=[])
        write, read = memory.write_port(), memory.read_port()
        final = loaded == work.beats
        tail = Mux(final & (work.tail != 0), work.tail, STREAM_BYTES)
        counts = Cat((byte < tail).replicate(8) for byte in range(STREAM_BYTES))
        whole = Signal()
        m.d.comb += [
            self.input.ready.eq(self.running & self.enable & ~whole),
            write.addr.eq(loaded),
            write.data.eq(self.input.payload & counts),
            write.en.eq(self.input.valid & self.input.ready),
            read.addr.eq(address),
        ]
        with m.If(write.en):
            m.d.sync += [loaded.eq(loaded + 1), whole.eq(final)]
        with m.If(self.start):
            m.d.sync += [loaded.eq(0), whole.eq(0)]
        return read.data.word_select(stage(m, part, "part"), 8 * self._lanes)
