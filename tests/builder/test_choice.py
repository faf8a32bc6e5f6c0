"""Choices: what is built for which partition."""

from __future__ import annotations

import re

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.builder.choice import choose
from fpga_rt.errors import DeviceError, FpgaRtError, PlanningError
from fpga_rt.modules.registry import modules

PYNQ = board("pynq-z2")


def test_everything_that_fits() -> None:
    choice = choose(PYNQ)
    for partition in PYNQ.partitions:
        fitting = {m.name for m in modules() if m.resources <= partition.resources}
        assert {m.name for m in choice.runs[partition.name]} == fitting
    assert "convolution_8x16" in {m.name for m in choice.runs["rp0"]}
    assert "convolution_8x16" not in {m.name for m in choice.runs["rp2"]}


def test_named_modules_and_places() -> None:
    choice = choose(PYNQ, ["add_8", "scale_2@rp2", "add_8@rp0"])
    names = {place: [m.name for m in found] for place, found in choice.runs.items()}
    assert names == {"rp0": ["add_8"], "rp1": ["add_8"], "rp2": ["add_8", "scale_2"]}


def test_the_static_region_does_not_depend_on_what_is_built() -> None:
    """So partials can be added later against the same implementation."""
    few, many = choose(PYNQ, ["add_8@rp2"]), choose(PYNQ)
    assert few.initial == many.initial
    assert few.runs["rp0"] == ()
    for partition in PYNQ.partitions:
        assert few.initial[partition.name].resources <= partition.resources
    assert few.initial["rp0"].resources.dsp == 80  # all of rp0's
    assert {m.name for m in few.modules} == {"add_8"} | {m.name for m in few.initial.values()}


def test_another_module_to_begin_with() -> None:
    choice = choose(PYNQ, ["add_8"], ["scale_2@rp1"])
    assert choice.initial["rp1"].name == "scale_2"
    assert choice.initial["rp0"] == choose(PYNQ).initial["rp0"]


@pytest.mark.parametrize(
    ("wanted", "family", "message"),
    [
        ("nothing_8", PlanningError, "unknown module 'nothing_8': installed are "),
        ("add_8@rp7", DeviceError, "pynq-z2 has no partition 'rp7', expected one of rp0, rp1, rp2"),
        (
            "convolution_8x16@rp2",
            PlanningError,
            "convolution_8x16 takes 6,246 LUT, 76 DSP, 27 BRAM36, expected at most 4,800 LUT, 40"
            " DSP, 20 BRAM36 of partition rp2; choose a larger partition or a smaller module",
        ),
        (
            "convolution_16x32",
            PlanningError,
            "convolution_16x32 takes 14,784 LUT, 280 DSP, 75 BRAM36 and fits no partition of"
            " pynq-z2 (rp0: 9,600 LUT, 80 DSP, 40 BRAM36; ",
        ),
    ],
)  # fmt: skip
def test_refusals(wanted: str, family: type[FpgaRtError], message: str) -> None:
    with pytest.raises(family, match=re.escape(message)):
        choose(PYNQ, [wanted])
    with pytest.raises(family, match=re.escape(message)):
        choose(PYNQ, ["add_8"], [wanted])


CARD = board("alveo-u200-xrt")


@pytest.mark.parametrize(
    "platform",
    [
        "",
        "xilinx_u200_gen3x16_xdma_1_202110_1",
        "/opt/xilinx/platforms/xilinx_u200_gen3x16_xdma_2/xilinx_u200_gen3x16_xdma_2.xpfm",
        "my_u200",
    ],
)
def test_platforms_of_a_card(platform: str) -> None:
    assert choose(CARD, ["add_8"], platform=platform).platform == platform


@pytest.mark.parametrize(
    "platform", ["my u200", "u200}", "-u200", "u200;exit", "[exit]_u200", "ü_u200"]
)
def test_what_is_no_name_of_a_platform(platform: str) -> None:
    with pytest.raises(PlanningError) as error:
        choose(CARD, ["add_8"], platform=platform)
    assert str(error.value) == (
        f"got platform {platform!r}, expected a name of letters, digits and _ . + - or the path of"
        " an .xpfm of these; `platforminfo --list` says which are installed"
    )


@pytest.mark.parametrize(
    "platform", ["xilinx_u250_gen3x16_xdma_4_1_202210_1", "u2000", "/u200/xilinx_u250.xpfm"]
)
def test_a_platform_of_another_card(platform: str) -> None:
    with pytest.raises(PlanningError) as error:
        choose(CARD, ["add_8"], platform=platform)
    assert str(error.value) == (
        f"got platform {platform}, expected one of alveo-u200-xrt, with u200 in its name;"
        " `platforminfo --list` says which are installed"
    )
