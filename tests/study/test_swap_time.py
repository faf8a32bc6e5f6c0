"""Swap times by way: rates of documents, bounds, and what is whose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.study.swap_time import PARTS, full_way, ways

MS = 10**9
BYTES = 1_000_000


def _found() -> dict[str, tuple[float, float]]:
    return {w.name: (w.low_ps / MS, w.high_ps / MS) for w in ways(board("pynq-z2"), BYTES)}


def test_ports_take_what_their_rates_say() -> None:
    found = _found()
    for name, megabytes_a_second, setup in (
        ("ICAP, every clock (its ceiling)", 400, 0),
        ("ICAP, this project's controller", 399.6, 0),
        ("ICAP, as others measured a controller", 382, 0),
        ("PCAP, bare metal", 128.5, 0.039),
        ("ICAP, AXI HWICAP fed by the processor", 19, 0),
        ("JTAG", 66 / 8, 0),
    ):
        low, high = found[name]
        assert low == high == pytest.approx(setup + BYTES / megabytes_a_second / 1e3)


def test_the_kernels_path_is_a_range_of_its_own() -> None:
    """At most 42 ms of `fpgautil` less the rounded port time of 2,083,740 bytes, an XC7Z010."""
    [way] = [w for w in ways(board("pynq-z2"), BYTES) if w.name.endswith("pr_download")]
    parts = {part.name: part for part in way.parts}
    assert tuple(parts) == ("software", "kernel", "port")
    assert set(parts) < set(PARTS)
    kernel = parts["kernel"]
    assert (kernel.low_ps, kernel.origin) == (0, "bounded")
    assert kernel.high_ps / MS == pytest.approx(round(42 - 0.039 - 2_083_740 / 128.5e3))
    assert way.high_ps == sum(part.high_ps for part in way.parts)


def test_the_fastest_comes_first_and_every_part_has_a_source() -> None:
    found = ways(board("pynq-z2"), BYTES)
    assert [w.low_ps for w in found] == sorted(w.low_ps for w in found)
    assert all(part.source and part.origin for w in found for part in w.parts)


def test_bytes_are_those_of_the_port_alone() -> None:
    [way] = [w for w in ways(board("pynq-z2"), BYTES) if w.name == "PCAP, bare metal"]
    assert way.bytes_in(110 * MS) == 14_135_000


def test_contention_is_a_bounded_part_where_it_was_measured() -> None:
    """9 to 77 % of the transfer of a ZynqMP's PCAP (DPR-Characterization)."""
    [way] = [w for w in ways(board("kv260"), BYTES) if w.name == "PCAP, bare metal"]
    port, contention = way.parts
    assert (contention.low_ps, contention.origin) == (0, "measured")
    assert contention.high_ps / MS == pytest.approx(0.77 * BYTES / 680e3)
    assert port.low_ps / MS == pytest.approx(0.010 + BYTES / 680e3)


def test_other_families_have_their_own_ports_only() -> None:
    assert {w.name for w in ways(board("kv260"), BYTES)} == {
        "ICAP", "PCAP, bare metal", "PCAP, this project through fpga_manager",
        "PCAP, PYNQ's pr_download",
    }  # fmt: skip
    assert full_way(board("alveo-u200")) is None
    size_bytes, way = full_way(board("pynq-z2")) or pytest.fail("a PYNQ-Z2 has a PCAP")
    assert size_bytes == 4_045_564
    assert way.low_ps / MS == pytest.approx(0.039 + 4_045_564 / 128.5e3)


def test_the_kernels_path_is_counted_on_other_families_too() -> None:
    """Up to 901 ms of `fpgautil` on a ZynqMP, and what its DRAM's other users add."""
    [way] = [w for w in ways(board("kv260"), BYTES) if w.name.endswith("pr_download")]
    assert [part.name for part in way.parts] == ["software", "kernel", "port", "contention"]
    assert way.parts[1].high_ps == 901 * MS


@pytest.mark.parametrize(
    ("origin", "told"), [("measured", " (kernel not known)"), ("calibrated", "")]
)
def test_a_kernel_that_nobody_timed_is_no_zero(origin: Any, told: str) -> None:  # noqa: ANN401
    """A calibrated port was measured with the kernel; of another one the range is not known."""
    pynq = board("pynq-z2")
    pcap = replace(pynq.ports["pcap"], kernel_range_ms=None, origin=origin)
    names = {
        way.name: {part.name for part in way.parts}
        for way in ways(replace(pynq, ports={"pcap": pcap}), BYTES)
    }
    assert names[f"PCAP, PYNQ's pr_download{told}"] == {"software", "port"}
