"""What is plotted, against rows and recordings whose figures are known."""

from __future__ import annotations

import re

import pytest

from fpga_rt.study.report.figures import MOST_BARS, Bars, Figure, Lines, beside_static, figures
from tests.study.report.folders import ROWS, Row, row, run


def _figures(rows: list[Row] | None = None, recorded: bool = False) -> dict[str, Figure]:
    runs = [run(), run("look-ahead")] if recorded else []
    found = figures(list(ROWS) if rows is None else rows, runs, "fpga-rt study run three.toml")
    return {figure.key: figure for figure in found}


def _bars(figure: Figure) -> dict[str, tuple[float, ...]]:
    assert isinstance(figure, Bars)
    return {name.partition(";")[0]: parts for name, parts in figure.bars}


def _lines(figure: Figure) -> dict[str, tuple[tuple[float | str, float], ...]]:
    assert isinstance(figure, Lines)
    return {line.name: line.points for line in figure.lines}


def test_hidden_and_exposed_are_those_of_the_rows() -> None:
    assert _bars(_figures()["hidden"]) == {
        "none, batch 4": (0.0, 4.0), "none, batch 16": (1.0, 3.0),
        "look-ahead, batch 4": (1.0, 3.0), "exact, batch 4": (1.0, 3.0),
    }  # fmt: skip


def test_a_gap_says_whether_a_better_schedule_may_exist() -> None:
    found = _bars(_figures()["gap"])
    assert found["exact, batch 4"] == (25.0, 0.0)
    assert found["none, batch 4"] == (0.0, 25.0)


def test_sensitivity_has_a_line_for_each_other_setting_and_the_static_design() -> None:
    figure = _figures()["sensitivity-batch"]
    assert _lines(figure) == {
        "none": ((4.0, 0.5), (16.0, 0.25)), "look-ahead": ((4.0, 0.5),), "exact": ((4.0, 0.5),),
        "static design": ((4.0, 0.25), (16.0, 0.5)),
    }  # fmt: skip
    assert isinstance(figure, Lines)
    assert [line.static for line in figure.lines] == [False] * 3 + [True]


def test_the_static_design_is_compared_with_the_same_area_and_settings() -> None:
    figure = _figures()["break-even-batch"]
    assert _lines(figure) == {
        "none": ((4.0, 0.5), (16.0, 2.0)),
        "break-even: above, it pays": ((4.0, 1.0), (16.0, 1.0)),
    }  # fmt: skip
    rows = [row("none", 4), row("none", 4, partitions="0")]
    assert "static design, fastest of any area" in _lines(
        _figures([*rows, row("lru", 4)])["sensitivity-policy"]
    )


def test_areas_have_a_break_even_too_and_names_of_workloads_none() -> None:
    rows = [
        row("none", 4, partitions=name, area_lut=area, workload=mix, static_ratio=ratio)
        for name, area, ratio in (("all", 900, 0.5), ("0", 300, 1.5))
        for mix in ("often", "seldom")
    ]
    found = _figures(rows)
    assert _lines(found["break-even-partitions"])["often"] == (("0", 1.5), ("all", 0.5))
    assert not [key for key in found if key.endswith("workload")]


def test_full_bitstreams_have_a_line_of_their_own() -> None:
    rows = [row("none", 4, full_ratio=10), row("none", 16, full_ratio=3)]
    lines = _lines(_figures(rows)["sensitivity-batch"])
    assert lines["a full bitstream for each network"] == ((4.0, 5.0), (16.0, 1.5))


def test_what_became_of_a_servers_requests_adds_up() -> None:
    served = {"accepted": 90, "late": 2, "lost": 1, "refused_late": 7, "refused_full": 3}
    empty = {"image_ms": "", "load_ms": "", "gap_percent": ""}
    rows = [row("none", 4, **served, **empty), row("aggressive", 4, p99_ms=0.3, **served, **empty)]
    found = _figures([*rows, row("none", 4)])
    assert _bars(found["admission"])["none"] == (87.0, 2.0, 1.0, 7.0, 3.0)
    lines = _lines(found["server-sensitivity-policy"])
    assert lines["reconfigured"] == (("none", 0.9), ("aggressive", 0.3))
    assert lines["static design"] == (("none", 1.8), ("aggressive", 0.6))
    assert "sensitivity-policy" not in found  # only one row is of another workload


def test_what_an_update_takes_on_the_device_is_stacked() -> None:
    terms = {"link_ms": 229.36, "wait_ms": 1, "self_test_ms": 2, "switch_ms": 0, "answer_ms": 0.5}
    rows = [
        row("none", 4, updates=9, **terms, static_sent_to_answer_ms=231.86),
        row("none", 16),
        row("none", 64, updates=9, **terms),
    ]
    found = _figures(rows)["updates"]
    assert isinstance(found, Bars)
    assert found.bars == (
        ("batch 4; 229 ms on the link; static design 2.5 ms", (1.0, 2.0, 0.0, 0.5)),
        ("batch 64; 229 ms on the link; no static design fits", (1.0, 2.0, 0.0, 0.5)),
    )
    assert "updates" not in _figures()


def test_a_cdf_rises_at_each_latency() -> None:
    found = _lines(_figures(recorded=True)["latency-cdf"])
    assert found["none, batch 4; static / this 0.50"] == ((2.0, 0.0), (2.0, 0.5), (4.0, 1.0))


def test_phases_are_means_of_the_load_alone() -> None:
    figure = _figures(recorded=True)["swap-phases"]
    assert isinstance(figure, Bars)
    assert figure.parts == ("decouple", "load")
    assert _bars(figure)["none, batch 4"] == (0.5, 999.0)


def test_every_figure_has_clock_origin_and_command() -> None:
    for figure in _figures(recorded=True).values():
        assert "virtual clock, modelled" in figure.caption
        assert re.search(r"fpga-rt study (run|trace) three\.toml$", figure.caption)


def test_the_static_design_stands_beside_every_swapping_figure() -> None:
    rows = [row("none", 4, static_ratio=0.5), row("lru", 4, static_ratio="")]
    for figure in (f for f in _figures(rows).values() if isinstance(f, Bars)):
        labels = [label for label, _ in figure.bars]
        assert labels == ["none; static / this 0.50", "lru; no static design fits"]


def test_servers_that_accept_other_numbers_have_no_ratio() -> None:
    unequal = row("none", 4, accepted=28, static_accepted=976, static_ratio="")
    assert beside_static(unequal) == "; accepts 28, the static design 976"


def test_what_there_is_no_room_for_is_counted() -> None:
    rows = [row("none", batch) for batch in range(1, MOST_BARS + 6)]
    assert _figures(rows)["hidden"].left_out == 5


def test_without_loads_nothing_is_said_to_be_hidden() -> None:
    found = _figures([row("none", 4, load_ms=0, gap_percent="", static_ratio="")])
    assert not found.keys() & {"hidden", "gap", "sensitivity-batch"}


@pytest.mark.parametrize(("batches", "log"), [((1, 64), True), ((4, 16), False)])
def test_wide_axes_are_logarithmic(batches: tuple[int, int], log: bool) -> None:
    figure = _figures([row("none", batch) for batch in batches])["sensitivity-batch"]
    assert isinstance(figure, Lines)
    assert figure.log_x is log
