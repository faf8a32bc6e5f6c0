"""Verilog of components: flat port names, and one module for what is instantiated several times."""

from __future__ import annotations

import re

import pytest
from amaranth import Cat, ClockDomain, ClockSignal, Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from hw.verilog import port_names, to_rtlil, to_verilog, with_replications


class Inner(Component):
    """Adds a constant that its instances differ in; its register is not a port."""

    def __init__(self, step: int) -> None:
        self._step = step
        super().__init__({"total": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.total.eq(self.total + self._step)
        return m


class Middle(Component):
    """Holds an inner one and reads a signal that lies within it."""

    def __init__(self, step: int) -> None:
        self._step = step
        super().__init__({"total": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inner = inner = Inner(self._step)
        m.d.comb += self.total.eq(inner.total ^ 1)
        return m


class Outer(Component):
    """Three of the same kind, of which two are equal."""

    def __init__(self) -> None:
        super().__init__({"words": In(stream.Signature(8)), "pair": Out(1).array(2)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        seen = Signal(8)
        for name, step in (("first", 3), ("second", 3), ("third", 5)):
            m.submodules[name] = middle = Middle(step)
            seen = seen ^ middle.total
        m.d.comb += self.words.ready.eq(seen.all())
        return m


def test_ports_are_named_by_their_path() -> None:
    outer = Outer()
    assert list(port_names(outer)) == [
        "words_data", "words_valid", "words_ready", "pair_0", "pair_1",
    ]  # fmt: skip
    verilog = to_verilog(outer, "outer")
    assert re.search(r"\n  input \[7:0\] words_data;", verilog)
    assert re.search(r"\n  output pair_1;", verilog)  # an output that nothing drives


def test_equal_instances_are_one_module() -> None:
    rtlil = to_rtlil(Outer(), "outer")
    modules = re.findall(r"^module \\(\S+)$", rtlil, re.MULTILINE)
    assert modules == [
        "outer", "outer.first", "outer.first.inner", "outer.third", "outer.third.inner",
    ]  # fmt: skip
    instances = re.findall(r"^  cell \\(\S+) \\(first|second|third)$", rtlil, re.MULTILINE)
    assert instances == [
        ("outer.first", "first"), ("outer.first", "second"), ("outer.third", "third"),
    ]  # fmt: skip


class Clocked(Component):
    """Counts in each of several clock domains; inside, one more domain that it makes itself."""

    names = ("sync", "icap", "video", "audio", "radio")

    def __init__(self) -> None:
        super().__init__({name: Out(4) for name in self.names})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.own = ClockDomain("own")
        m.d.comb += ClockSignal("own").eq(ClockSignal("sync"))
        own = Signal()
        m.d.own += own.eq(~own)
        for name in self.names:
            count = getattr(self, name)
            m.d[name] += count.eq(count + own)
        return m


def test_ports_of_clocks_are_in_the_order_of_their_names() -> None:
    """Not in the order of a set: what is built is found again by the digest of its Verilog."""
    ports = re.findall(
        r"^  wire width 1 input \d+ +\\(\w*clk)$", to_rtlil(Clocked(), "clocked"), re.M
    )
    assert ports == ["audio_clk", "icap_clk", "radio_clk", "clk", "video_clk"]


class Extended(Component):
    """Repeats the upper bit of its input."""

    def __init__(self) -> None:
        super().__init__({"bits": In(3), "extended": Out(24)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.extended.eq(Cat(self.bits, self.bits[2].replicate(21)) ^ 1)
        return m


def test_a_bit_that_is_repeated_is_written_once() -> None:
    verilog = to_verilog(Extended(), "extender")
    assert re.search(r"\{\d+\{bits\[2\]\}\}", verilog)
    assert not re.search(r"(\w+\[\d+\]), \1", verilog)


@pytest.mark.parametrize(
    ("written", "shorter"),
    [
        ("{ a[41], a[41], a[41], b, b }", "{ {3{a[41]}}, {2{b}} }"),
        (r"{ \c$1 [3], \c$1 [3], \d$2 , \d$2 , e }", r"{ {2{\c$1 [3]}}, {2{\d$2 }}, e }"),
        (r"{ \d$2 , \d$2  }", r"{ {2{\d$2 }} }"),
        ("{ a, ab, ab[1], ab[11], a[1] }", "{ a, ab, ab[1], ab[11], a[1] }"),
        ("{ a[3:0], a[3:0] }", "{ a[3:0], a[3:0] }"),
    ],
)
def test_only_neighbours_that_are_the_same_are_repeated(written: str, shorter: str) -> None:
    assert with_replications(f"  assign x = {written};\n") == f"  assign x = {shorter};\n"
