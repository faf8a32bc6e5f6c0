"""Verilog of components: flat port names, and one module for what is instantiated several times."""

from __future__ import annotations

import re

from amaranth import Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from hw.verilog import port_names, to_rtlil, to_verilog


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
