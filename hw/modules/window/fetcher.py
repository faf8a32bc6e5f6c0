"""From the place of a step to its bytes: line memory and padding."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.modules.window_cycles import LINE_BYTES
from hw.blocks.boundary import STREAM_BITS
from hw.blocks.pipeline import delay, stage
from hw.modules.window import byte_memory
from hw.modules.window.byte_memory import ByteMemory
from hw.modules.window.operator import step_layout
from hw.modules.window.walker import place_layout
from hw.modules.window.work import LINE_BEATS, POSITION_BITS

LATENCY_CYCLES = 1 + byte_memory.READ_CYCLES + 1
"""Clocks from a place to its step."""


class Fetcher(wiring.Component):
    """Keep rows of the input, and read the bytes of a step a clock.

    Bytes outside the image are `pad_value`.

    Attributes:
        beat: In, goes to `address` of the line memory when `write` is one.
        row_bytes: In, of a row; stable while steps come, as is `pad_value`.
        place: In, when `place_valid`.
        step: Out, of the place of `LATENCY_CYCLES` before, when `step_valid`.
    """

    def __init__(self, lanes: int, outputs: int) -> None:
        """Make it for `lanes` bytes a step and `outputs` channels a group."""
        self._lanes = lanes
        super().__init__(
            {
                "write": In(1),
                "address": In(range(LINE_BEATS)),
                "beat": In(STREAM_BITS),
                "row_bytes": In(range(LINE_BYTES + 1)),
                "pad_value": In(signed(8)),
                "place": In(place_layout(outputs)),
                "place_valid": In(1),
                "step": Out(step_layout(lanes, outputs)),
                "step_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the memory, and beside it which bytes of a step are inside the image."""
        m = Module()
        m.submodules.lines = lines = ByteMemory(self._lanes, LINE_BEATS)
        place, step = self.place, self.step
        byte_bits = exact_log2(STREAM_BYTES)
        start = Cat(place.position[:byte_bits], place.position[byte_bits:] + place.row)
        m.d.comb += [
            lines.write.eq(self.write),
            lines.write_address.eq(self.address),
            lines.beat.eq(self.beat),
            lines.read_address.eq(stage(m, start[: len(lines.read_address)], "address")),
            self.step_valid.eq(delay(m, self.place_valid, LATENCY_CYCLES, reset_less=False)),
        ]
        inside = delay(m, self._inside(m), LATENCY_CYCLES - 4)
        for lane in range(self._lanes):
            byte = Mux(inside[lane], lines.bytes[lane], self.pad_value)
            m.d.comb += step.codes[lane].eq(stage(m, byte, f"code{lane}"))
        for name in ("first", "last", "group", "weight"):
            m.d.comb += step[name].eq(delay(m, place[name], LATENCY_CYCLES))
        m.d.comb += step.to.eq(delay(m, place.to.as_value(), LATENCY_CYCLES))
        return m

    def _inside(self, m: Module) -> Value:
        """Return which bytes are inside, three clocks behind their place."""
        place, lanes = self.place, self._lanes
        before = stage(m, -place.position, "before")
        up_to = stage(m, self.row_bytes - place.position, "up_to")
        there = delay(m, place.inside, 2)
        limits = []
        for name, distance in (("skipped", before), ("reached", up_to)):
            inner = Mux(distance < 0, 0, Mux(distance > lanes, lanes, distance))
            limits.append(stage(m, inner[: lanes.bit_length()], name))
        skipped, reached = limits
        mask = Signal(lanes, name="inside", reset_less=True)
        m.d.sync += mask.eq(
            Cat((skipped <= lane) & (reached > lane) & there for lane in range(lanes))
        )
        assert len(before) >= POSITION_BITS
        return mask
