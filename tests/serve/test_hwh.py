"""Hardware hand-off files: ours is read back, Vivado's are read, others are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.errors import ArtifactError
from fpga_rt.serve.hwh import (
    AddressRange,
    check_regions,
    read_hwh,
    static_region_range,
    write_hwh,
)


@pytest.mark.parametrize("name", ["pynq-z2", "kv260"])
def test_what_is_written_is_read_back(name: str) -> None:
    target = board(name)
    first = static_region_range(target)
    dma = AddressRange("dma_0", "axi_dma", first.base + 0x10_0000, 0x1000, master=first.master)
    leds = replace(dma, name="leds", kind="axi_gpio", base=dma.end, drives=True)
    text = write_hwh(target, [first, dma, leds], "design")
    assert read_hwh(text, "it.hwh") == (first, dma, leds)
    assert str(dma).startswith("dma_0 (axi_dma) 0x")


def test_the_processor_and_its_clock_are_the_boards() -> None:
    zynq = write_hwh(board("pynq-z2"), [], "d")
    ultrascale = write_hwh(board("kv260"), [], "d")
    assert 'NAME="PCW_FCLK0_PERIPHERAL_DIVISOR0" VALUE="7"' in zynq  # 1000 / 7 MHz
    assert 'NAME="PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0" VALUE="4"' in ultrascale  # 250 MHz
    for text, module in ((zynq, "processing_system7"), (ultrascale, "zynq_ultra_ps_e")):
        (found,) = ElementTree.fromstring(text).iter("MODULE")
        assert found.get("MODTYPE") == module


def test_vivados_are_read(data_dir: Path) -> None:
    folder = data_dir / "bitstreams" / "yunqu-partial_reconfig_example"
    full = folder / "boards__Pynq-Z1__gpio_pr__gpio_pr.hwh"
    ranges = read_hwh(full.read_text(encoding="utf-8"), full.name)
    # as `grep MEMRANGE` lists them: a region with four interfaces, and an interrupt controller
    assert [(one.name, one.base, one.interface) for one in ranges] == [
        ("gpio_0", 0x4120_0000, "S_AXI1"),
        ("gpio_0", 0x4121_0000, "S_AXI3"),
        ("gpio_0", 0x4122_0000, "S_AXI2"),
        ("gpio_0", 0x4123_0000, "S_AXI"),
        ("system_interrupts", 0x4180_0000, "s_axi"),
    ]
    partial = folder / "boards__Pynq-Z1__gpio_pr__led_0.hwh"
    inner = read_hwh(partial.read_text(encoding="utf-8"), partial.name)
    assert {(one.name, one.kind, one.master) for one in inner} == {
        ("btns_gpio", "axi_gpio", "S_AXI3"),
        ("leds_gpio", "axi_gpio", "S_AXI"),
        ("rgbleds_gpio", "axi_gpio", "S_AXI2"),
        ("switches_gpio", "axi_gpio", "S_AXI1"),
    }


@pytest.mark.parametrize("text", ["", "no XML", "<A><B></A>"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ArtifactError, match=r"it\.hwh is no hardware hand-off file"):
        read_hwh(text, "it.hwh")


def test_ranges_without_addresses_are_left_out() -> None:
    text = (
        '<E><MODULE INSTANCE="a" MODTYPE="axi_gpio"/><MEMRANGE INSTANCE="a" MEMTYPE="REGISTER"'
        ' BASEVALUE="?" HIGHVALUE="0x10"/><MEMRANGE INSTANCE="a" MEMTYPE="REGISTER"'
        ' BASEVALUE="0x20" HIGHVALUE="0x10"/></E>'
    )
    assert read_hwh(text, "it.hwh") == ()


def test_regions_that_pynq_would_not_find_are_named(data_dir: Path) -> None:
    folder = data_dir / "bitstreams" / "yunqu-partial_reconfig_example"
    text = (folder / "boards__Pynq-Z1__gpio_pr__gpio_pr.hwh").read_text(encoding="utf-8")
    with pytest.raises(ArtifactError) as caught:
        check_regions(text, "gpio_pr.hwh")
    assert str(caught.value) == (
        "gpio_pr.hwh calls its regions (gpio_0) RBD, as Vivado 2018.3 did: PYNQ 3 and newer look"
        " for BLOCK_CONTAINER, take a region for an IP, and pr_download fails with \"'DefaultIP'"
        " object has no attribute 'download'\"; export the design from Vivado 2020.2 or newer, or"
        ' run: sed -i \'s/BDTYPE="RBD"/BDTYPE="BLOCK_CONTAINER"/\' gpio_pr.hwh'
    )
    check_regions(text.replace('BDTYPE="RBD"', 'BDTYPE="BLOCK_CONTAINER"'), "gpio_pr.hwh")
    check_regions(write_hwh(board("pynq-z2"), [], "d"), "d.hwh")
