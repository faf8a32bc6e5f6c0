"""Calibrated boards: parameters by hand, what is said of them, and figures that cannot be true."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fpga_rt.arch.boards import Board, board
from fpga_rt.arch.calibration import calibrate, used
from fpga_rt.arch.measurements import decode
from fpga_rt.errors import ArtifactError
from tests.arch.selfcheck import figure, text

PYNQ = board("pynq-z2")
SOURCE = "calibrated from c.json (measured 2026-11-20 on pynq)"


def _calibrated(*names: str) -> Board:
    return calibrate(PYNQ, decode(text(*names), "r.json", "selfcheck"), "c.json")


def test_every_parameter_is_what_was_measured() -> None:
    found = _calibrated()
    icap = found.ports["icap"]
    assert (icap.bytes_per_second, icap.setup_ps) == (390_500_000, 3_500_000)
    assert (icap.origin, icap.origin_text) == ("calibrated", SOURCE)
    assert icap.load_ps(781) == 3_500_000 + 2_000_000  # 781 bytes at 390.5 MB/s take 2 us
    # 230 ns are 32.9 clocks of 7 ns; 8 bytes at 800 MB/s take 10 ns, at 1,600 MB/s 5 ns.
    assert found.dram.latency_cycles == 33
    assert Fraction(found.dram.numerator, found.dram.denominator) == Fraction(10, 7)
    shared = Fraction(found.dram.shared_numerator, found.dram.shared_denominator)
    assert shared == Fraction(5, 7)
    assert found.dram.shared(3).cycles(7) == 15  # three ports at 5/7
    assert found.dram.burst_beats == PYNQ.dram.burst_beats
    assert found.swap_software_ps == 212_000_000
    assert (found.origin, found.calibration) == ("calibrated", SOURCE)


def test_what_was_not_measured_stays() -> None:
    found = _calibrated("dram.latency", "dram.rate")
    assert found.ports == PYNQ.ports
    assert found.swap_software_ps == 0
    assert (found.dram.shared_numerator, found.dram.shared_denominator) == (17, 25)
    assert found.partitions == PYNQ.partitions


def test_notes_name_what_was_replaced_and_what_was_not() -> None:
    found = _calibrated("dram.latency", "dram.rate")
    assert found.remarks[0] == (
        "Calibrated from c.json (measured 2026-11-20 on pynq): DRAM port. Not calibrated: rate and"
        " set-up of port icap, contention of port icap, rate and set-up of port pcap, contention of"
        " port pcap, DRAM behind all ports, software time of a swap."
    )
    notes = " ".join(found.notes)
    assert "The DRAM port (30 cycles" not in notes
    assert "of whose 2.1 GB/s 80 % are assumed usable" in notes
    assert "The compute clock of 1000/7 MHz is assumed." in notes
    assert "The DRAM port (30 cycles, 5/4 cycles a beat) is assumed." in PYNQ.notes
    assert (PYNQ.origin, PYNQ.origin_text) == ("modelled", "modelled")


def test_contention_alone_leaves_the_rate_to_its_origin() -> None:
    entry = figure("port.pcap.contention", 31, "percent")
    measured = decode(text(figures=[entry]), "r.json", "selfcheck")
    pcap = calibrate(PYNQ, measured, "c.json").ports["pcap"]
    assert (pcap.contention_percent, pcap.origin) == (31, "measured")
    assert pcap.contention_text == f"contention: 31 %, {SOURCE}"
    assert pcap.bytes_per_second == 128_500_000


def test_other_figures_are_nobodys_mistake() -> None:
    entries = [figure("swap.software", 100, "us"), figure("swap.p99", 300, "us")]
    measured = decode(text(figures=entries), "r.json", "selfcheck")
    assert set(used(PYNQ, measured, "r.json")) == {"swap.software"}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [figure("swap.p99", 3, "us")],
            "no figure that replaces a parameter, expected of: port.icap",
        ),
        ([figure("port.icap.rate", 3e8, "bytes/s")], "port.icap.rate but not port.icap.setup,"),
        ([figure("dram.latency", 200, "ns")], "has dram.latency but not dram.rate, expected both"),
        ([figure("port.jtag.rate", 3e6, "bytes/s")], "a port that board pynq-z2 does not have"),
        ([figure("swap.software", 3, "ms")], "swap.software is in 'ms', expected 'us'"),
        (
            [figure("port.icap.rate", 4.1e8, "bytes/s"), figure("port.icap.setup", 0, "us")],
            "port.icap.rate is 410,000,000 bytes/s, expected 1..400,000,000 bytes/s, clock times",
        ),
        (
            [figure("port.pcap.rate", 0, "bytes/s"), figure("port.pcap.setup", 0, "us")],
            "port.pcap.rate is 0 bytes/s, expected at least 1 byte/s",
        ),
        (
            [figure("dram.rate", 1.2e9, "bytes/s"), figure("dram.latency", 0, "ns")],
            "dram.rate is 1,200,000,000 bytes/s, expected at most 1,142,857,143: a port moves a",
        ),
        ([figure("dram.shared_rate", 5e8, "bytes/s")], "less than one port alone, expected at"),
        (
            [figure("dram.shared_rate", 0, "bytes/s")],
            "dram.shared_rate is 0 bytes/s, expected at l",
        ),
        (
            [
                figure("swap.software", 1, "us"),
                figure("dram.shared_rate", 2e9, "bytes/s", origin="rtl", clock="virtual"),
            ],
            "mixes origins: dram.shared_rate is virtual rtl, swap.software is wall measured",
        ),
    ],
)
def test_figures_that_cannot_be_used(entries: list[dict[str, object]], message: str) -> None:
    measured = decode(text(figures=entries), "r.json", "selfcheck")
    with pytest.raises(ArtifactError) as caught:
        calibrate(PYNQ, measured, "r.json")
    assert str(caught.value).startswith("r.json")
    assert message in str(caught.value)


def test_a_report_of_another_board_is_refused() -> None:
    measured = decode(text(), "r.json", "selfcheck")
    with pytest.raises(ArtifactError, match="measured on board pynq-z2, expected kv260"):
        calibrate(board("kv260"), measured, "r.json")
