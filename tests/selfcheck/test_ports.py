"""The line through loads, against times made by the formula that it is to find."""

from __future__ import annotations

import pytest

from fpga_rt.arch.ports import port
from fpga_rt.selfcheck.checks import NotDoneError
from fpga_rt.selfcheck.ports import fit
from fpga_rt.selfcheck.swaps import Swap


def load(size_bytes: int, port_ps: int) -> Swap:
    return Swap(0, "module", "pcap", size_bytes, {"queue": 7, "transfer": port_ps})


def took_ps(size_bytes: int) -> int:
    """Return what a port of 250 MB/s takes after 12 us."""
    return 12_000_000 + size_bytes * 4_000


def test_the_shortest_of_every_size_makes_the_line() -> None:
    sizes = (500_000, 741_388, 1_390_340)
    late = [load(size, took_ps(size) + 9_000_000) for size in sizes]
    found = fit(port("zynq7-pcap"), [*late, *(load(size, took_ps(size)) for size in sizes)])
    assert found.bytes_per_second == pytest.approx(250e6, rel=1e-9)
    assert found.setup_ps == pytest.approx(12e6, rel=1e-6)
    assert found.deviation < 1e-9
    assert str(found).startswith("250.0 MB/s after 12.00 us, a line through 3 sizes")


def test_a_set_up_below_zero_is_none() -> None:
    found = fit(port("zynq7-pcap"), [load(1000, 3_000_000), load(2000, 7_000_000)])
    assert found.setup_ps == 0


def test_a_rate_a_hair_above_the_ceiling_is_the_ceiling() -> None:
    loads = [load(1_000_000, 2_499_999_000), load(2_000_000, 4_999_990_000)]
    assert fit(port("zynq7-icap"), loads).bytes_per_second == 400_000_000


@pytest.mark.parametrize(
    ("loads", "message"),
    [
        ([load(1000, 5), load(1000, 6)], "need loads of two sizes, got bytes 1,000; build a"),
        ([], "need loads of two sizes, got bytes none"),
        ([load(1000, 9000), load(2000, 9000)], "got no longer for larger bitstreams, expected a"),
    ],
)
def test_what_makes_no_line(loads: list[Swap], message: str) -> None:
    with pytest.raises(NotDoneError, match=message):
        fit(port("zynq7-pcap"), loads)


def test_more_than_clock_times_width_is_no_figure() -> None:
    with pytest.raises(NotDoneError, match=r"got 1,000\.0 MB/s, expected at most 400\.0 MB/s"):
        fit(port("zynq7-icap"), [load(1000, 1_000_000), load(2000, 2_000_000)])
