"""Networks that change by full bitstreams: sums by hand."""

from __future__ import annotations

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.study.full_bitstreams import full_bitstreams_ps, full_load_ps


@pytest.mark.parametrize(
    ("names", "changes"), [("aaaa", 0), ("abab", 3), ("aabb", 1), ("abba", 2), ("b", 0)]
)
def test_every_change_is_a_load(names: str, changes: int) -> None:
    latencies = {"a": 5, "b": 7}
    expected = 1000 * changes + sum(latencies[name] for name in names)
    assert full_bitstreams_ps(list(names), 1000, latencies.get) == expected


def test_what_is_not_known_has_no_figure() -> None:
    assert full_bitstreams_ps(["a", "b"], None, lambda _: 5) is None
    assert full_bitstreams_ps(["a", "b"], 1000, {"a": 5}.get) is None


def test_a_full_bitstream_goes_by_the_port_that_survives_it() -> None:
    """4,045,564 bytes (UG470) by 0.039 ms + bytes / 128.5 MB/s, not by the ICAP."""
    assert full_load_ps(board("pynq-z2")) == pytest.approx((0.039 + 4_045_564 / 128.5e3) * 1e9)
    assert full_load_ps(board("pynq-z2"), 0.5) == pytest.approx((0.039 + 2_022_782 / 128.5e3) * 1e9)
    assert full_load_ps(board("alveo-u200")) is None  # an ICAP only
    assert full_load_ps(board("alveo-u200-xrt")) == 8 * 10**12
