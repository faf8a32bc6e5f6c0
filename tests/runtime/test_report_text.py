"""Reports as text: every figure has its unit, its clock and its assumptions."""

from __future__ import annotations

import pytest

from fpga_rt.runtime.report import Report
from fpga_rt.runtime.report_text import bytes_text, count_text, time_text


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0, "0 us"),
        (0.28, "280.0 ns"),
        (1, "1.000 us"),
        (261.079, "261.1 us"),
        (7215.45, "7.215 ms"),
        (40_628.9, "40.63 ms"),
        (2_500_000, "2.500 s"),
        (12_345_678_901, "12,346 s"),
    ],
)
def test_times_have_four_digits_and_a_unit(time_us: float, text: str) -> None:
    assert time_text(time_us) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (57_344, "57.34 kB"), (1_390_340, "1.390 MB"), (2e9, "2.000 GB")],
)
def test_sizes_are_decimal(size_bytes: float, text: str) -> None:
    assert bytes_text(size_bytes) == text


def test_counts_have_their_plural() -> None:
    assert count_text(1, "launch", "launches") == "1 launch"
    assert count_text(2, "launch", "launches") == "2 launches"
    assert count_text(1234, "swap") == "1,234 swaps"


def _report(count: int, accuracy: float | None) -> Report:
    phases = {"queue": 0.28, "quiesce": 0.0, "load": 3484.0, "first_result": 100.0}
    return Report(
        device="emulator",
        board="pynq-z2",
        clock="virtual",
        origin="modelled",
        assumptions=["The clock is assumed.", "So is the port."],
        policy="none",
        requests=3,
        inferences=450,
        latency_us={"p50": 40_000.0, "p90": 41_000.0, "p99": 42_000.0},
        warm_requests=2,
        cold_latency_us=50_000.0,
        inferences_per_s=3692.0,
        swaps={
            "count": count,
            "initial": 2,
            "failed": 0,
            "restored": 0,
            "failed_us": 0.0,
            "reused": 10,
            "ahead": 1,
            "hidden_us": 10_340.0,
            "exposed_us": 10_570.0,
            "phases": phases,
        },
        bytes={"bitstream": 10_700_000, "parameters": 57_344},
        accuracy=accuracy,
        networks={"digits": {}},
    )


def test_a_report_prints_all_it_knows() -> None:
    assert str(_report(6, 0.9911)).splitlines() == [
        "digits on emulator (pynq-z2): 450 inferences in 3 requests, prefetch none",
        "  accuracy   99.11%",
        "  latency    p50 40.00 ms, p90 41.00 ms, p99 42.00 ms warm; an image takes as long as its"
        " batch",
        "  cold       50.00 ms: first request, with all first loads",
        "  throughput 3,692 inferences/s warm",
        "  swaps      6 (1 begun ahead); 2 first loads, 10 reused; 10.34 ms hidden, 10.57 ms"
        " exposed",
        "  a swap     load 3.484 ms, queue 280.0 ns; then first result 100.0 us",
        "  moved      10.70 MB of bitstreams, 57.34 kB of parameters",
        "  times      virtual clock, modelled",
        "  assumes    The clock is assumed.",
        "             So is the port.",
    ]


def test_without_swaps_and_labels_it_says_less() -> None:
    text = str(_report(0, None))
    assert "accuracy" not in text
    assert "  swaps      none; 2 first loads, 10 reused\n" in text
    assert "  a load     load 3.484 ms" in text
