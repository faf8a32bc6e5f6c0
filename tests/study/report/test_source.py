"""Reading a study's folder: what is missing or broken is named, with what makes it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpga_rt.errors import ArtifactError
from fpga_rt.study.report import tables
from fpga_rt.study.report.source import read_source
from tests.study.report.folders import ROWS, row, run, write

SUMMARY = """\
================================================
MLPerf Results Summary
================================================
SUT name : fpga_rt
Scenario : SingleStream
Mode     : PerformanceOnly
90.0th percentile latency (ns) : 412345
Result is : VALID
  Min duration satisfied : Yes

Min latency (ns)                : 400000
50.00 percentile latency (ns)   : 405000
99.00 percentile latency (ns)   : 500000
target_latency (ns): 100000000
"""
RECORD = {
    "format": "fpga-rt study loadgen",
    "version": 1,
    "command": "fpga-rt study loadgen x.tflite --scenario SingleStream",
    "network": "x",
    "scenario": "SingleStream",
    "queries": 64,
    "pace": 20.0,
    "slower": 3,
    "device": {
        "name": "emulator", "board": "pynq-z2", "clock": "virtual", "origin": "modelled",
        "latency_us": {"p50": 182.1, "p90": 182.1, "p99": 190.0},
    },
}  # fmt: skip


def test_a_whole_folder_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", [*ROWS, row("lru", 4, error="does not fit")], [run()])
    (folder / "single").mkdir()
    (folder / "single" / "mlperf_log_summary.txt").write_text(SUMMARY)
    found = read_source(folder)
    assert (len(found.rows), len(found.good), len(found.runs), found.gpu) == (5, 4, 1, None)
    assert found.loadgen["single/mlperf_log_summary.txt"]["Result is"] == "VALID"
    table = tables.loadgen(found.loadgen, found.records)
    for part in ("SingleStream", "VALID", ">0.405<", "wall clock"):
        assert part in table
    assert "device's clock" not in table


def test_a_record_beside_a_summary_is_shown_apart(tmp_path: Path) -> None:
    folder = write(tmp_path / "s")
    (folder / "single").mkdir()
    (folder / "single" / "mlperf_log_summary.txt").write_text(SUMMARY)
    (folder / "single" / "loadgen.json").write_text(json.dumps(RECORD))
    found = read_source(folder)
    table = tables.loadgen(found.loadgen, found.records)
    wall, virtual = table.split("<h3>The same queries by the device's clock")
    assert "wall clock" in wall
    assert "paced 20 x the device; the host was slower in 3 of 64 queries" in wall
    assert ">0.405<" in wall
    assert ">0.182<" in virtual
    assert "virtual clock, modelled, emulator" in virtual
    assert "<code>fpga-rt study loadgen x.tflite --scenario SingleStream</code>" in virtual


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("results.csv", None, "run the study with `fpga-rt study run`"),
        ("results.csv", "point,x\n1,2\n", "has other columns than this version's results"),
        ("manifest.json", "{", "run the study again into a new folder"),
        ("manifest.json", "[]", "is no JSON object; run the study again"),
        ("runs/run0/run.json", "nonsense", "record it again with `fpga-rt study trace`"),
        ("runs/run0/run.json", '{"format": "else"}', "is no recording of version 1"),
        ("gpu_baseline.json", "{}", "has no machine, measured and modelled figures; make it again"),
        ("break_even.json", "{}", "is no search of version 1; run `fpga-rt study break-even`"),
        ("mlperf_log_summary.txt", "Scenario : Server\n", "has no line `Result is`; it is no"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    folder = write(tmp_path / "s", runs=[run()])
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(ArtifactError) as caught:
        read_source(folder)
    assert str(folder / name) in str(caught.value)
    assert message in str(caught.value)


def test_recordings_come_in_the_order_of_their_points(tmp_path: Path) -> None:
    runs = [run("none"), run("exact"), run("lru")]
    points = [found["point"] for found in read_source(write(tmp_path / "s", runs=runs)).runs]
    assert points == sorted(points)
