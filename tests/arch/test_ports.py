"""Tests of load times against published measurements."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fpga_rt.arch.ports import port, stretched_end
from fpga_rt.errors import DeviceError

PS_PER_MS = 10**9


@pytest.mark.parametrize(
    ("key", "size_bytes", "measured_ms"),
    [
        ("zynq7-pcap", 2_048_000, 15.969),
        ("zynqmp-pcap", 2_048_000, 3.022),
        # XC7Z020 regions at 382 MB/s and through the PCAP, published to three digits.
        ("zynq7-icap", 475_678, 1.25),
        ("zynq7-icap", 973_406, 2.55),
        ("zynq7-icap", 1_033_328, 2.71),
        ("zynq7-pcap", 475_678, 3.74),
        ("zynq7-pcap", 1_354_782, 10.6),
    ],
)
def test_load_times_equal_published_ones(key: str, size_bytes: int, measured_ms: float) -> None:
    assert port(key).load_ps(size_bytes) / PS_PER_MS == pytest.approx(measured_ms, rel=4e-3)


def test_load_time_is_exact_and_rounded_up() -> None:
    icap = port("zynq7-icap")
    assert icap.load_ps(0) == 0
    assert icap.load_ps(382) == 10**6
    assert icap.load_ps(1) == 2618  # 10**12 / 382e6 = 2617.8
    assert port("zynq7-pcap").load_ps(0) == 39 * 10**6
    with pytest.raises(ValueError, match="a bitstream of -1 bytes"):
        icap.load_ps(-1)


def test_contention_stretches_the_transfer_and_not_the_setup() -> None:
    free = port("zynqmp-pcap")
    busy = replace(free, contention_percent=77)
    transfer_ps = free.load_ps(680_000) - free.setup_ps
    assert busy.load_ps(680_000) == free.load_ps(680_000)
    assert busy.ended_ps(5, 680_000) == 5 + free.load_ps(680_000)
    always = [(0, 10**12)]
    assert busy.ended_ps(5, 680_000, always) == 5 + free.setup_ps + transfer_ps * 177 // 100
    assert free.ended_ps(5, 680_000, always) == 5 + free.load_ps(680_000)
    assert busy.ended_ps(5, 680_000, [(0, free.setup_ps)]) == 5 + free.load_ps(680_000)
    assert free.ended_ps(5, 680_000, (), 3) == 5 + free.setup_ps + 3 * transfer_ps


@pytest.mark.parametrize(
    ("percent", "busy", "end"),
    [
        (0, [(0, 10**6)], 1100),
        (50, [], 1100),
        (50, [(0, 100), (1100, 2000)], 1100),  # before and after
        (50, [(100, 400)], 1200),  # 300 ps do the work of 200
        (50, [(0, 10**6)], 1600),  # all of it
        (50, [(200, 500), (700, 1000)], 1300),  # 100 + 200 + 200 + 200, then 300 free
        (50, [(1000, 10**6)], 1150),  # the last 100 take 150
        (33, [(0, 10**6)], 1430),
        (33, [(100, 101)], 1101),  # rounded up
    ],
)
def test_stretched_end(percent: int, busy: list[tuple[int, int]], end: int) -> None:
    assert stretched_end(100, 1000, busy, percent) == end


def test_what_is_assumed_of_contention_is_said() -> None:
    free = port("zynqmp-pcap")
    assert free.contention_text == "contention: none assumed; measured range 9-77 %"
    assert replace(free, contention_percent=30).contention_text.startswith("contention: 30 % ass")
    assert port("zynq7-icap").contention_text == "contention: none assumed, not measured"


def test_the_kernels_path_is_a_term_of_its_own_with_a_range() -> None:
    pcap = port("zynq7-pcap")
    # A full XC7Z010 took 37 to 42 ms through fpgautil; the port takes its time for the bytes.
    port_ms = pcap.load_ps(2_083_740) / PS_PER_MS
    assert pcap.kernel_range_ms == (round(37 - port_ms), round(42 - port_ms))
    assert pcap.terms_text.startswith(f"{pcap.contention_text}; the kernel's path is not charged,")
    assert "21-26 ms (fpgautil, a full XC7Z010" in pcap.terms_text
    assert replace(pcap, kernel_range_ms=None).load_ps(10**6) == pcap.load_ps(10**6)
    assert port("zynq7-icap").terms_text == port("zynq7-icap").contention_text


@pytest.mark.parametrize(
    ("key", "ceiling", "origin"),
    [
        ("zynq7-icap", 400_000_000, "measured"),
        ("ultrascale-icap", 800_000_000, "document"),
        ("stacked-icap", 500_000_000, "document"),
    ],
)
def test_no_port_is_faster_than_its_ceiling(key: str, ceiling: int, origin: str) -> None:
    assert port(key).ceiling_bytes_per_second == ceiling
    assert port(key).bytes_per_second <= ceiling
    assert port(key).origin == origin


def test_an_unknown_port_is_refused() -> None:
    with pytest.raises(
        DeviceError, match="unknown configuration port 'jtag': known are zynq7-icap"
    ):
        port("jtag")
