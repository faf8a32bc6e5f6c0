"""Recordings: what the emulator did is what the study's figures say, to the picosecond."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpga_rt.errors import PlanningError
from fpga_rt.study import file
from fpga_rt.study.context import Context
from fpga_rt.study.evaluate import evaluate
from fpga_rt.study.recording import RUN, TRACE, folder_name, read_runs, record

ROOT = Path(__file__).resolve().parents[2]
STUDY = """\
[study]
title = "Digits"

[networks]
digits = "digits.onnx"

[workload.stream]
kind = "single-stream"
requests = 2

[workload.arriving]
kind = "server"
rate_hz = 10
deadline_us = 1000

[workload.drifting]
kind = "drift"
update_every = 10
update_share = 0.05
link_kbit_s = 100

[sweep]
partitions = [[0, 1]]
batch = [3]
policy = ["none", "aggressive", "look-ahead"]
port = ["icap", "pcap"]
"""


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    pytest.importorskip("onnx")
    path = tmp_path_factory.mktemp("study") / "study.toml"
    path.write_text(STUDY)
    return Context(file.read(path, ROOT / "examples" / "digits"))


def _names(context: Context, workload: str) -> list[str]:
    return [name for name, p in context.study.points.items() if p.workload == workload]


def test_a_recording_takes_as_long_as_the_studys_figures_say(
    context: Context, tmp_path: Path
) -> None:
    for name in _names(context, "stream"):
        figures = evaluate(context, context.study.points[name])
        run = json.loads((record(context, name, tmp_path) / RUN).read_text())
        spans = [request["us"] for request in run["requests"]]
        assert (spans[-1][1] - spans[0][0]) / 1e3 == pytest.approx(figures.total_ms, rel=1e-12)
        assert len(run["loads"]) == figures.loads
        loads = sum(load["us"][1] - load["us"][0] for load in run["loads"])
        assert loads / 1e3 == pytest.approx(figures.load_ms, rel=1e-9)
        hidden = sum(load["hidden_us"] for load in run["loads"])
        assert hidden / 1e3 == pytest.approx(figures.hidden_ms, rel=1e-9, abs=1e-9)
        assert (run["clock"], run["origin"], run["device"]) == ("virtual", "modelled", "emulator")
        assert run["port"] == context.study.points[name].port
    points = [run["point"] for run in read_runs(tmp_path)]
    assert points == sorted(_names(context, "stream"))


def test_a_phase_is_part_of_its_load(context: Context, tmp_path: Path) -> None:
    name = _names(context, "stream")[0]
    run = json.loads((record(context, name, tmp_path) / RUN).read_text())
    for load in run["loads"]:
        phases = {k: v for k, v in load["phases_us"].items() if k not in {"queue", "parameters"}}
        phases.pop("first_result", None)
        assert sum(phases.values()) == pytest.approx(load["us"][1] - load["us"][0])


def test_the_trace_has_every_request_and_load(context: Context, tmp_path: Path) -> None:
    name = _names(context, "stream")[0]
    place = record(context, name, tmp_path)
    events = json.loads((place / TRACE).read_text())["traceEvents"]
    run = json.loads((place / RUN).read_text())
    requests = [event for event in events if event.get("cat") == "request"]
    assert [e["ts"] for e in requests] == [request["us"][0] for request in run["requests"]]
    assert sum(event.get("cat") == "swap" for event in events) == 2 * len(run["loads"])


def test_points_that_cannot_be_recorded_are_refused(context: Context, tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match="there is no point 'policy=fifo', expected one of"):
        record(context, "policy=fifo", tmp_path)
    arriving = _names(context, "arriving")[0]
    with pytest.raises(PlanningError, match="is of a server, whose requests arrive while it runs"):
        record(context, arriving, tmp_path)
    drifting = _names(context, "drifting")[0]
    with pytest.raises(PlanningError, match="is of drift, whose updates arrive while it runs, exp"):
        record(context, drifting, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_names_of_points_make_file_names() -> None:
    assert folder_name("policy=none port=icap partitions=0+1") == (
        "policy=none_port=icap_partitions=0+1"
    )
    assert folder_name("../x y") == ".._x_y"
