"""From the place of a step to its bytes: line memory and padding."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Value, signed
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
from hw.modules.window.work import LINE_BEATS

LATENCY_CYCLES = 1 + byte_memory.READ_CYCLES
"""Clocks from a place to its step."""
_INSIDE_CYCLES = LATENCY_CYCLES - 1
"""Clocks from a place to which bytes of its step count."""


class Fetcher(wiring.Component):
    """Keep rows of the input, and read the bytes of a step a clock.

    Bytes outside the image are `pad_value`.

    Attributes:
        beat: In, goes to `address` of the line memory when `write` is one.
        row_bytes: In, of a row; stable while steps come, as is `pad_value`.
        place: In, when `place_valid`.
        step: Out, of the place of `LATENCY_CYCLES` before, when `step_valid`.
    """

    def __init__(self, lanes: int, outputs: int, *, folds: bool) -> None:
        """Make it for `lanes` bytes a step and `outputs` channels a group.

        Unless it `folds`, all bytes of a step are of one pixel.
        """
        self._lanes = lanes
        self._folds = folds
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
        inside = self._inside(m) if self._folds else self._pixel_inside(m)
        m.d.comb += [
            lines.inside.eq(inside),
            lines.pad_value.eq(self.pad_value),
            *(step.codes[lane].eq(lines.bytes[lane]) for lane in range(self._lanes)),
        ]
        for name in ("first", "last", "group", "weight"):
            m.d.comb += step[name].eq(delay(m, place[name], LATENCY_CYCLES))
        m.d.comb += step.to.eq(delay(m, place.to.as_value(), LATENCY_CYCLES))
        return m

    def _pixel_inside(self, m: Module) -> Value:
        """Return whether the pixel of a step is inside, for each of its bytes."""
        place = self.place
        within = ~place.position[-1] & (place.position < self.row_bytes)
        inside = delay(m, stage(m, place.inside & within, "within"), _INSIDE_CYCLES - 1)
        return inside.replicate(self._lanes)

    def _inside(self, m: Module) -> Value:
        """Return which bytes of a step are inside.

        Those are its last ones if it begins before the row, and its first ones if it ends behind.
        """
        place, bits = self.place, exact_log2(self._lanes)
        position = stage(m, place.position, "position")
        there = stage(m, place.inside, "there")
        up_to = stage(m, self.row_bytes - place.position, "up_to")
        starts = Cat(there & ~position[-1], there & position[bits:].all(), position[:bits])
        reaches = ~up_to[-1] & up_to[bits:].any()
        ends = Cat(reaches, ~up_to[-1] & ~reaches, up_to[:bits])
        masks = []
        for name, value, above in (("skipped", starts, True), ("reached", ends, False)):
            kept = delay(m, value, _INSIDE_CYCLES - 2)
            whole, near, low = kept[0], kept[1], kept[2:]
            counts = (
                low >= self._lanes - lane if above else low > lane for lane in range(self._lanes)
            )
            masks.append(stage(m, Cat(whole | near & part for part in counts), name))
        return masks[0] & masks[1]
