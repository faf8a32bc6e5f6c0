"""Round shifted sums back to int8: what requantisation and addition end with."""

from __future__ import annotations

from amaranth.hdl import Const, Mux, Shape, Value


def narrow(value: Value, bits: int) -> Value:
    """Return a signed value saturated to `bits` bits, signed."""
    if Shape.cast(value.shape()).width <= bits:
        return value.as_signed()
    sign, upper = value[-1], value[bits - 1 :]
    extreme = Mux(sign, Const(1 << (bits - 1), bits), Const((1 << (bits - 1)) - 1, bits))
    return Mux(upper.all() | ~upper.any(), value[:bits], extreme).as_signed()


def clamp(value: Value, low: Value, high: Value) -> Value:
    """Return a signed value no smaller than `low` and no larger than `high` (int8).

    `low` is at most `high`.
    """
    return Mux(value > high, high, Mux(value < low, low, value[:8].as_signed()))
