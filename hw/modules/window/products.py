"""Products of numbers, one after the other, by adding and shifting: two bits of a factor a clock.

The second factor is recoded to digits from -2 to 2 (Booth), so that a bit of the sum takes one
lookup table, whether a digit is added, doubled or subtracted. There are few digits where that
factor is small, and none above its highest bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Signal, Value

PRODUCT_BITS = 27
"""Of a product, signed."""
LARGE_BITS = 24
"""A product is large if its first factor, with two zeros behind it for each digit of the second but
one, has more bits. None below 2**23 is; one that is not has fewer bits than `PRODUCT_BITS`."""
_FACTOR_BITS = 16


@dataclass(frozen=True)
class Product:
    """A product, and what becomes of it.

    Attributes:
        left: the first factor, not negative.
        right: the second factor, not negative, of at most 16 bits.
        follows: whether it is added to the product before; else it is one of its own.
        negative: whether it is subtracted.
        ready: whether both factors are known.
    """

    left: Value
    right: Value
    follows: Value | int = 0
    negative: Value | int = 0
    ready: Value | int = 1


class Computed(NamedTuple):
    """What has become of products.

    Attributes:
        done: all of them are computed.
        large: one was too large; it may be wrong.
    """

    done: Value
    large: Signal


def compute(
    m: Module,
    begin: Value,
    total: Signal,
    products: Mapping[str, Product],
    results: Mapping[str, Signal],
) -> Computed:
    """Compute products, a clock and one for each digit of their second factors.

    Args:
        m: where the multiplier is added.
        begin: forget what was computed; the first product begins in the clock behind it.
        total: the register that they are computed in; a product may take it as a factor.
        products: in their order. What follows from a result is known two clocks late.
        results: registers for some of them, by name, from the clock after the next `begin` on.
    """
    at = Signal(len(products) + 1)  # one bit: which is next
    a, b, busy = Signal(PRODUCT_BITS), Signal(_FACTOR_BITS + 2), Signal()
    large = Signal()
    waiting = list(products.values())
    negative = chosen(at, (product.negative for product in waiting))
    follows = chosen(at, (product.follows for product in waiting))
    right = Signal(_FACTOR_BITS)
    m.d.comb += right.eq(chosen(at, (product.right for product in waiting)))
    unready = chosen(at, (_not(product.ready) for product in waiting))

    once, twice = b[0] ^ b[1], (b[0] == b[1]) & (b[1] ^ b[2])
    term = (a & once.replicate(len(a))) | ((a << 1)[: len(a)] & twice.replicate(len(a)))
    term = term ^ b[2].replicate(len(a))
    with m.If(begin):
        m.d.sync += [at.eq(1), busy.eq(0), large.eq(0)]
    with m.Elif(busy):
        m.d.sync += [
            total.eq((Cat(1, total) + Cat(b[2], term)) >> 1),
            a.eq(a << 2),
            b.eq(Cat(b[2:], b[-1].replicate(2))),
            busy.eq((b[2:-1] ^ b[-1].replicate(len(b) - 3)).any()),
            large.eq(large | a[LARGE_BITS:].any()),
        ]
    with m.Elif(~at[-1] & ~unready):
        # The second factor, or its complement: with a one below, that is its negative.
        negated = right ^ negative.replicate(_FACTOR_BITS)
        m.d.sync += [
            at.eq(at << 1),
            busy.eq(1),
            a.eq(chosen(at, (product.left for product in waiting))),
            b.eq(Cat(negative, negated, negative)),
        ]
        with m.If(~follows):
            m.d.sync += total.eq(0)
    for number, name in enumerate(products):
        if name in results:
            with m.If(~busy & at[number + 1]):
                m.d.sync += results[name].eq(total)
    return Computed(at[-1] & ~busy, large)


def chosen(at: Value, values: Iterable[Value | int]) -> Value:
    """Return the value whose bit is one, zero if there is none of it; equal ones count once."""
    bits: dict[int, tuple[Value | int, list[Value]]] = {}
    for bit, value in zip(at, values, strict=False):
        bits.setdefault(id(value), (value, []))[1].append(bit)
    result: Value = Const(0)
    for value, wanted in bits.values():
        any_bit = Cat(wanted).any()
        if not isinstance(value, int):
            result = result | (value & any_bit.replicate(len(value)))
        elif value:
            result = result | any_bit
    return result


def _not(value: Value | int) -> Value | int:
    return ~value if isinstance(value, Value) else int(not value)
