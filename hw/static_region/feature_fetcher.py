"""Reads ranges of the feature memory into a stream."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from hw.blocks.axi import DATA_BITS, DATA_BYTES
from hw.blocks.bursts import BEATS_BITS, request_layout
from hw.blocks.stream_fifo import StreamFifo
from hw.static_region.feature_memory import feature_read
from hw.static_region.resolved_command import ADDRESS_BITS

_DEPTH = 16


class FeatureFetcher(Component):
    """Asks for a beat a clock, also from request to request, and up to 16 ahead of `data`.

    Clocks: the first address is offered 1 after its request was taken; a beat is on `data` 1 after
    it came from memory. `error` says that an address lay outside; the beats flow on, and it stays
    until `abort`. While `abort` is one, everything is forgotten; hold it until `idle`.
    """

    def __init__(self) -> None:
        """Make a fetcher; a request has at least one beat."""
        super().__init__(
            {
                "request": In(stream.Signature(request_layout(ADDRESS_BITS))),
                "features": Out(feature_read()),
                "data": Out(stream.Signature(DATA_BITS)),
                "idle": Out(1),
                "abort": In(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Count the beats to ask for, and the places in the queue that they will need."""
        m = Module()
        m.submodules.queue = queue = StreamFifo(DATA_BITS, _DEPTH)
        features, request = self.features, self.request
        asking, left, last = Signal(), Signal(BEATS_BITS), Signal()
        has_room = Signal(init=1)
        room, under_way = Signal(range(_DEPTH + 1), init=_DEPTH), Signal(range(_DEPTH + 1))
        accepted, taken = features.valid & features.ready, self.data.valid & self.data.ready
        m.d.comb += [
            features.valid.eq(asking & has_room),
            request.ready.eq(~asking | (accepted & last)),
            queue.clear.eq(self.abort),
            queue.input.payload.eq(features.data),
            queue.input.valid.eq(features.data_valid),
            self.data.payload.eq(queue.output.payload),
            self.data.valid.eq(queue.output.valid),
            queue.output.ready.eq(self.data.ready),
            self.idle.eq(~asking & (under_way == 0) & ~queue.output.valid),
        ]
        m.d.sync += [
            under_way.eq(under_way + accepted - features.data_valid),
            self.error.eq(self.error | (features.data_valid & features.error)),
        ]
        with m.If(accepted & ~taken):
            m.d.sync += [room.eq(room - 1), has_room.eq(room != 1)]
        with m.If(taken & ~accepted):
            m.d.sync += [room.eq(room + 1), has_room.eq(1)]
        with m.If(request.valid & request.ready):
            m.d.sync += [
                asking.eq(1),
                features.address.eq(request.payload.address),
                left.eq(request.payload.beats - 1),
                last.eq(request.payload.beats == 1),
            ]
        with m.Elif(accepted):
            m.d.sync += [
                asking.eq(~last),
                features.address.eq(features.address + DATA_BYTES),
                left.eq(left - 1),
                last.eq(left == 1),
            ]
        with m.If(self.abort):
            m.d.sync += [asking.eq(0), room.eq(_DEPTH), has_room.eq(1), self.error.eq(0)]
        return m
