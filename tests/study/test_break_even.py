"""Where it pays: lines along every axis with an order, and what is said of them."""

from __future__ import annotations

import pytest

from fpga_rt.study.axes import AXES
from fpga_rt.study.break_even import Crossing, lines, sentences

Row = dict[str, str]


def _row(ratio: float | str, **settings: object) -> Row:
    cells = dict.fromkeys(AXES, "x") | {"area_lut": "100", "full_ratio": "", "point": ""}
    cells |= {"accepted": "", "static_accepted": ""}
    cells |= {name: str(value) for name, value in settings.items()}
    cells["point"] = cells["point"] or " ".join(map(str, settings.values()))
    return cells | {"static_ratio": str(ratio)}


def _grid() -> list[Row]:
    ratios = {"icap": (0.2, 0.8, 1.5), "pcap": (0.1, 0.4, 0.9)}
    return [
        _row(ratio, port=port, batch=batch)
        for port, values in ratios.items()
        for batch, ratio in zip((1, 8, 64), values, strict=True)
    ]


def test_a_crossing_and_a_line_that_never_crosses_are_told() -> None:
    assert sentences(_grid()) == [
        "Reconfiguration pays in 1 of 6 points: the static design of the same area takes 0.10"
        " (pcap 1) to 1.50 (icap 64) times as long.",
        "It pays from batch 64 on: static / reconfigured is 0.80 at 8, 1.50 at 64 (port=icap).",
        "It loses at every batch from 1 to 64 (port=pcap): static / reconfigured is 0.10 to 0.90.",
    ]


def test_batches_are_ordered_as_numbers() -> None:
    rows = [_row(1.2, batch=1024), _row(0.1, batch=2), _row(0.9, batch=256)]
    [line] = lines(rows)
    assert line.ratios == [0.1, 0.9, 1.2]
    assert [(c.before[0], c.after[0]) for c in line.crossings] == [("256", "1024")]


def test_partitions_are_ordered_by_their_area() -> None:
    areas = {"all": 900, "0": 300, "0+2": 500}
    ratios = {"all": 0.5, "0": 1.4, "0+2": 1.1}
    rows = [_row(ratios[name], partitions=name, area_lut=areas[name]) for name in areas]
    assert sentences(rows)[1:] == [
        "It loses from partitions all on: static / reconfigured is 1.10 at 0+2, 0.50 at all."
    ]


def test_workloads_have_names_and_no_order() -> None:
    ratios = {"often": (0.5, 0.9), "other": (0.4, 1.1), "seldom": (1.25, 1.5)}
    rows = [
        _row(ratio, workload=name, port=port)
        for name in ratios
        for port, ratio in zip(("icap", "pcap"), ratios[name], strict=True)
    ]
    assert lines(rows) == []
    assert sentences(rows)[1:] == [
        "By workload it pays in 0 of 2 points of often, in 1 of 2 points of other and in 2 of 2"
        " points of seldom."
    ]


def test_axes_without_an_order_have_no_lines() -> None:
    assert lines([_row(0.5, port="icap"), _row(2, port="pcap")]) == []
    mixed = [_row(0.5, bitstream="reset"), _row(0.8, bitstream="0.5"), _row(2, bitstream="0.25")]
    [line] = lines(mixed)
    assert [row["bitstream"] for row in line.rows] == ["0.25", "0.5"]


def test_many_crossings_are_counted() -> None:
    rows = [
        _row(ratio, contention=contention, batch=batch)
        for contention in range(20)
        for batch, ratio in ((1, 0.5), (8 + contention, 2.0))
    ]
    told = [line for line in sentences(rows) if "along batch" in line]
    assert told == [
        "The better design changes along batch in 20 of 20 settings of the rest: it pays from some"
        " setting between 8 and 27 on in 20."
    ]


def test_what_has_no_static_design_is_said_and_in_no_line() -> None:
    rows = [_row(0.5, batch=1), _row("", batch=8), _row(2, batch=64)]
    [line] = lines(rows)
    assert len(line.rows) == 2
    assert sentences(rows)[1] == (
        "In 1 point no static design of the same area holds all modules: there it runs only with"
        " reconfiguration."
    )
    assert sentences([]) == []


def test_full_bitstreams_are_compared_too() -> None:
    rows = [_row(0.5, batch=1, full_ratio=4), _row(0.6, batch=8, full_ratio=0.9)]
    assert sentences(rows)[1] == (
        "Against a full bitstream for each network swapped modules pay in 1 of 2 points: full"
        " bitstreams take 0.90 (8 0.9) to 4.00 (1 4) times as long."
    )


@pytest.mark.parametrize(("ratios", "text"), [((0.996, 1.002), "0.9960 at 1, 1.0020 at 2")])
def test_ratios_show_on_which_side_of_one_they_are(ratios: tuple[float, float], text: str) -> None:
    before, after = ratios
    assert text in Crossing("batch", ("1", before), ("2", after), "").text


def test_areas_in_which_it_never_pays_are_told() -> None:
    rows = [
        _row(0.5, partitions=name, area_lut=area, port=port)
        for name, area in (("all", 900), ("0", 300))
        for port in ("icap", "pcap")
    ]
    assert sentences(rows)[1:] == [
        "It loses in every area, partitions 0 to all, in 2 of 2 settings of the rest: static /"
        " reconfigured is 0.50 to 0.50."
    ]


def test_servers_are_told_apart_from_other_workloads() -> None:
    rows = [_row(ratio, batch=batch) for ratio, batch in ((0.5, 1), (0.9, 8))]
    rows += [
        _row(ratio, batch=batch, accepted=10, static_accepted=10)
        for ratio, batch in ((0.4, 1), (1.5, 8))
    ]
    assert sentences(rows) == [
        "Reconfiguration pays in 0 of 2 points: the static design of the same area takes 0.50 (1)"
        " to 0.90 (8) times as long.",
        "Servers, by p99: Reconfiguration pays in 1 of 2 points: the static design of the same area"
        " takes 0.40 (1 10 10) to 1.50 (8 10 10) times as long.",
        "It loses at every batch from 1 to 8: static / reconfigured is 0.50 to 0.90.",
        "Servers, by p99: It pays from batch 8 on: static / reconfigured is 0.40 at 1, 1.50 at 8.",
    ]


def test_servers_that_accept_other_numbers_are_not_compared() -> None:
    rows = [_row("", batch=1, accepted=28, static_accepted=976),
            _row("", batch=2, accepted=9, static_accepted=8)]  # fmt: skip
    assert sentences(rows) == [
        "In 2 points of servers the static design accepts another number of requests (more in 1,"
        " fewer in 1): their p99 are of different requests and are not compared."
    ]
    rows = [
        row | {"goodput_ratio": ratio} for row, ratio in zip(rows, "0.03 1.1".split(), strict=True)
    ]
    [told] = sentences(rows)
    assert told.endswith(
        "compared. By answers in time a second reconfiguration pays in 1 of 2 of them: this device"
        " gives 0.03 to 1.1 times as many."
    )


def test_a_server_that_answers_nothing_counts_as_a_loss() -> None:
    rows = [_row("", batch=1, accepted=0, static_accepted=300) | {"goodput_ratio": "0"}]
    [told] = sentences(rows)
    assert told.endswith(
        "reconfiguration pays in 0 of 1 of them: this device gives 0 to 0 times as many; in 1 it"
        " answers nothing in time."
    )
    rows += [_row("", batch=2, accepted=9, static_accepted=0)]
    assert sentences(rows)[0].endswith(
        "pays in 1 of 2 of them: this device gives 0 to 0 times as many; in 1 it answers nothing in"
        " time; in 1 only it answers any."
    )
