"""Round shifted sums back to int8: what requantisation and addition end with."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from hw.blocks.pipeline import stage

_NEAR_BITS = 3
"""Of a distance: what the second stage shifts by."""


def narrow_shift(m: Module, value: Value, distance: Value, bits: int, name: str) -> Value:
    """Return a signed value shifted right, then saturated to `bits` bits, signed.

    A register is on the way. Before it the value moves by a multiple of eight bits, and those are
    kept that the rest of the distance may bring into the result, and whether others count: half
    the tables that a shift of all bits needs.
    """
    width = Shape.cast(value.shape()).width
    kept, sign = bits + (1 << _NEAR_BITS) - 1, value[-1]
    moved, far = Signal(kept), distance[_NEAR_BITS:]
    with m.Switch(far):
        for number in range(1 << len(far)):
            first = number << _NEAR_BITS
            inside = min(max(width - first, 1), kept)
            with m.Case(number):
                m.d.comb += moved.eq(value[min(first, width - 1) :][:inside].as_signed())
    rest = value[min(kept, width) - 1 : -1] ^ sign.replicate(max(0, width - kept))
    parts = [rest[at : at + (1 << _NEAR_BITS)].any() for at in range(0, len(rest), 1 << _NEAR_BITS)]
    beyond = Cat(part & (far <= number) for number, part in enumerate(parts)).any()
    near = stage(m, distance[:_NEAR_BITS], f"{name}_near")
    steps = Cat(distance[:_NEAR_BITS] <= number for number in range(1 << _NEAR_BITS))
    at_most = stage(m, steps, f"{name}_at_most")
    sign = stage(m, sign, f"{name}_sign")
    moved = stage(m, moved, name)
    over = (moved[bits - 1 :] ^ sign.replicate(len(at_most))) & at_most
    outside = stage(m, beyond, f"{name}_beyond") | over.any()
    inside_bits = Mux(near[2], moved[4:], moved)
    ways = [inside_bits[at:][:bits] for at in range(4)]
    chosen = Mux(near[1], Mux(near[0], ways[3], ways[2]), Mux(near[0], ways[1], ways[0]))
    extreme = Mux(sign, Const(1 << (bits - 1), bits), Const((1 << (bits - 1)) - 1, bits))
    return Mux(outside, extreme, chosen).as_signed()


def clamp(value: Value, low: Value, high: Value) -> Value:
    """Return a signed value no smaller than `low` and no larger than `high` (int8).

    `low` is at most `high`.
    """
    return Mux(value > high, high, Mux(value < low, low, value[:8].as_signed()))
