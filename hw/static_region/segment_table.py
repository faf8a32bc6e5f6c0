"""Where the segments of a submission lie in the iteration that each ring has come to.

A segment starts at `base + (iteration % depth) * stride`. Instead of multiplying, its place is kept
for every ring and moved by the stride when the ring comes to the next iteration.
"""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib.memory import Memory, ReadPort, WritePort
from amaranth.lib.wiring import Component, In, Out

from fpga_rt.contract.command import MAX_PARTITIONS, Segment
from hw.static_region.resolved_command import ADDRESS_BITS

_WORD = 32


def small_memory(
    m: Module, name: str, width: int, depth: int, address: Value
) -> tuple[Value, WritePort]:
    """Return the word at `address` of a memory that is read at once, and its write port."""
    memory = Memory(shape=width, depth=depth, init=[])
    m.submodules[name] = memory
    port: ReadPort = memory.read_port(domain="comb")
    m.d.comb += port.addr.eq(address)
    return port.data, memory.write_port()


class SegmentTable(Component):
    """Where each segment lies, for every ring in the iteration whose descriptors come in.

    `base`, `stride` and `depth` of `segment` are taken when their write strobes are high. `step`
    moves `ring` to its next iteration, or to the first if `restart`: `busy` for the five cycles
    after it, with `ends` in the last of them. Otherwise `position` is that of `lookup`, an
    address's segment number, in `lookup_ring`; zero, where no memory is, for a number that no
    segment has.
    """

    def __init__(self) -> None:
        """Make a table for `MAX_PARTITIONS` rings."""
        super().__init__(
            {
                "segment": In(range(8)),
                "low": In(_WORD),
                "high": In(_WORD),
                "write_base": In(1),
                "write_step": In(1),
                "ring": In(range(MAX_PARTITIONS)),
                "step": In(1),
                "restart": In(1),
                "busy": Out(1),
                "ends": Out(1),
                "lookup": In(4),
                "lookup_ring": In(range(MAX_PARTITIONS)),
                "position": Out(ADDRESS_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the table."""
        m = Module()
        count, restart, moving = Signal(range(8)), Signal(), Signal(range(MAX_PARTITIONS))
        static = Mux(self.busy, count, self.segment)
        base, base_write = small_memory(m, "base", _WORD, 8, static)
        stride, stride_write = small_memory(m, "stride", _WORD, 8, static)
        depth, depth_write = small_memory(m, "depth", _WORD, 8, static)
        # Numbers 8 to 15 share the entry of number 7, which is never written.
        segment = Mux(self.busy, count, self.lookup[:3] | self.lookup[3].replicate(3))
        entry = Cat(segment, Mux(self.busy, moving, self.lookup_ring))
        moved = Cat(count, moving)
        position, position_write = small_memory(
            m, "position", ADDRESS_BITS, 8 * MAX_PARTITIONS, entry
        )
        left, left_write = small_memory(m, "left", _WORD, 8 * MAX_PARTITIONS, moved)
        wrap = restart | (left[1:] == 0)
        m.d.comb += [
            self.position.eq(position),
            *(p.addr.eq(self.segment) for p in (base_write, stride_write, depth_write)),
            base_write.data.eq(self.low),
            base_write.en.eq(self.write_base),
            stride_write.data.eq(self.low),
            stride_write.en.eq(self.write_step),
            depth_write.data.eq(self.high),
            depth_write.en.eq(self.write_step),
            *(p.addr.eq(moved) for p in (position_write, left_write)),
            *(p.en.eq(self.busy) for p in (position_write, left_write)),
            position_write.data.eq(Mux(wrap, base, position + stride)),
            left_write.data.eq(Mux(wrap, depth, left - 1)),
        ]
        m.d.comb += self.ends.eq(count == len(Segment) - 1)
        with m.If(self.busy):
            m.d.sync += [count.eq(count + 1), self.busy.eq(~self.ends)]
        with m.Elif(self.step):
            m.d.sync += [count.eq(0), self.busy.eq(1)]
            m.d.sync += [restart.eq(self.restart), moving.eq(self.ring)]
        return m
