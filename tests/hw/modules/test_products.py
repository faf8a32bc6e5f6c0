"""Products are those of Python's integers, and what they are said to take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hw.modules.window.products import LARGE_BITS, PRODUCT_BITS, Product, compute

COUNT = 4
"""Products, of which the third adds its own to the second."""


class Multiplier(wiring.Component):
    """Four products, the last of a sum and a factor."""

    def __init__(self) -> None:
        """Make the ports of factors and results."""
        factors = {f"{side}{n}": In(16) for n in range(COUNT) for side in ("left", "right")}
        results = {f"product{n}": Out(PRODUCT_BITS) for n in range(COUNT)}
        super().__init__(
            {
                **factors,
                **results,
                "begin": In(1),
                "negative": In(COUNT),
                "late": In(1),
                "done": Out(1),
                "large": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the products."""
        m = Module()
        total = Signal(PRODUCT_BITS)
        products = {
            f"product{n}": Product(
                total[:-1] if n == COUNT - 1 else getattr(self, f"left{n}"),
                getattr(self, f"right{n}"),
                follows=int(n == 2),
                negative=self.negative[n],
                ready=~self.late if n == 1 else 1,
            )
            for n in range(COUNT)
        }
        results = {name: Signal(PRODUCT_BITS, name=f"kept_{name}") for name in products}
        computed = compute(m, self.begin, total, products, results)
        m.d.comb += [self.done.eq(computed.done), self.large.eq(computed.large)]
        m.d.comb += [getattr(self, name).eq(register) for name, register in results.items()]
        return m


def play(
    factors: list[tuple[int, int]], negative: list[int], late: int = 0
) -> tuple[list[int], bool, int]:
    """Return the products, whether one is too large, and the clocks until all are there."""
    dut, found = Multiplier(), []

    async def bench(ctx: Any) -> None:  # noqa: ANN401
        for number, (left, right) in enumerate(factors):
            ctx.set(getattr(dut, f"left{number}"), left)
            ctx.set(getattr(dut, f"right{number}"), right)
        ctx.set(dut.negative, sum(bit << number for number, bit in enumerate(negative)))
        ctx.set(dut.begin, 1)
        ctx.set(dut.late, late > 0)
        await ctx.tick()
        ctx.set(dut.begin, 0)
        clocks = 0
        while not ctx.get(dut.done):
            ctx.set(dut.late, clocks < late)
            await ctx.tick()
            clocks += 1
        large = bool(ctx.get(dut.large))
        await ctx.tick()
        products = [ctx.get(getattr(dut, f"product{number}")) for number in range(COUNT)]
        half = 1 << (PRODUCT_BITS - 1)
        found.append(([(p + half) % (2 * half) - half for p in products], large, clocks))

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return found[0]


def expected(factors: list[tuple[int, int]], negative: list[int]) -> list[int]:
    """Return the products."""
    signs = [-1 if bit else 1 for bit in negative]
    products = [s * a * b for s, (a, b) in zip(signs, factors, strict=True)]
    products[2] += products[1]
    products[3] = signs[3] * products[2] * factors[3][1]
    return products


def clocks(factors: list[tuple[int, int]]) -> int:
    """Return a clock for each product, and one for every two bits of its second factor."""
    return sum(1 + right.bit_length() // 2 + 1 for _, right in factors)


@pytest.mark.parametrize("seed", range(60))
def test_products_are_right_in_their_time(seed: int) -> None:
    random = np.random.default_rng(seed)
    bits = random.integers(0, 9, (COUNT, 2))
    factors = [(int(random.integers(1 << a)), int(random.integers(1 << b))) for a, b in bits]
    factors[COUNT - 1] = (0, int(random.integers(32)))
    negative = [int(n) for n in random.integers(0, 2, COUNT)]
    negative[1] = negative[2] = 0  # the last takes their sum as a factor
    products, large, took = play(factors, negative)
    assert not large
    assert products == expected(factors, negative)
    assert took == clocks(factors)


def test_a_product_waits_until_its_factors_are_known() -> None:
    factors = [(3, 3), (5, 1), (0, 0), (0, 1)]
    _, _, usual = play(factors, [0] * COUNT)
    products, _, took = play(factors, [0] * COUNT, late=20)
    assert products == [9, 5, 5, 5]
    assert took > 20 > usual


@pytest.mark.parametrize("seed", range(40))
def test_every_product_is_right_or_large(seed: int) -> None:
    """Whatever both factors; and none is large that is less than a half of the largest."""
    random = np.random.default_rng(100 + seed)
    bits = random.integers(6, 17, 2)
    factors = [(int(random.integers(1 << bits[0])), int(random.integers(1 << bits[1])))]
    factors += [(0, 0)] * (COUNT - 1)
    negative = [int(random.integers(2)), 0, 0, 0]
    products, large, _ = play(factors, negative)
    exact = expected(factors, negative)
    assert large or products == exact
    assert not (large and abs(exact[0]) < 1 << (LARGE_BITS - 1))


def test_the_largest_factors() -> None:
    for left, right in ((65535, 65535), (65535, 32768), (32768, 65535), (1, 65535), (65535, 1)):
        products, large, _ = play([(left, right), (0, 0), (0, 0), (0, 0)], [0] * COUNT)
        assert large == (left * right >= 1 << LARGE_BITS)
        assert large or products[0] == left * right
