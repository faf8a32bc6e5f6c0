"""Sweeps: figures against predictions made by hand, and folders that are continued."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fpga_rt
from fpga_rt.arch.boards import board
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import ArtifactError
from fpga_rt.network.graph import Network
from fpga_rt.planner import compile as planner
from fpga_rt.planner.baseline import StaticDesigns
from fpga_rt.planner.predict import predict
from fpga_rt.study import sweep
from fpga_rt.study.axes import Point
from fpga_rt.study.break_even import sentences
from fpga_rt.study.columns import COLUMNS
from fpga_rt.study.context import Context
from fpga_rt.study.evaluate import evaluate, nearest_rank, seed_of
from fpga_rt.study.file import Study, read
from fpga_rt.study.report.figures import figures
from fpga_rt.study.report.summary import verdict
from fpga_rt.study.workload import Workload
from tests.study.conftest import DIGITS

Make = Callable[[str], Study]
PYNQ = board("pynq-z2")


def _rows(study: Study, folder: Path, processes: int = 1) -> dict[str, dict[str, str]]:
    return {row["point"]: row for row in sweep.run(study, folder, processes)}


def test_figures_are_those_of_the_prediction(study: Make, tmp_path: Path) -> None:
    made = study('workload = ["turns"]\npolicy = ["none", "aggressive"]\nbatch = [3]\n')
    rows = _rows(made, tmp_path / "out")
    network = fpga_rt.load_model(DIGITS)
    a, b = fpga_rt.compile(network), fpga_rt.compile(network, partitions=[0, 2])
    for policy in ("none", "aggressive"):
        row = rows[f"policy={policy}"]
        expected = predict(PYNQ, [(a, 3), (b, 3)] * 2, policy)
        assert float(row["total_ms"]) == pytest.approx(expected.total_ps / 1e9)
        assert int(row["loads"]) == len(expected.loads)
        spans = sorted(end - start for start, end in expected.requests)
        assert float(row["p50_ms"]) == pytest.approx(spans[1] / 1e9)
        assert float(row["worst_ms"]) == pytest.approx(spans[-1] / 1e9)
        total = float(row["hidden_ms"]) + float(row["exposed_ms"])
        assert total == pytest.approx(float(row["load_ms"]))
        assert (row["clock"], row["origin"], row["images"]) == ("virtual", "modelled", "12")
        static = StaticDesigns([network, network], PYNQ).best(3)
        assert static is not None
        assert float(row["static_ms"]) == pytest.approx(2 * sum(static.latencies_ps) / 1e9)
        ratio = float(row["static_ms"]) / float(row["total_ms"])
        assert float(row["static_ratio"]) == pytest.approx(ratio)
        # A full bitstream of 32,364,512 bits (UG470) at 128.5 MB/s, between the four requests.
        alone = StaticDesigns([network], PYNQ).best(3)
        assert alone is not None
        full = 3 * (0.039 + 32_364_512 / 8 / 128.5e3) + 4 * alone.latencies_ps[0] / 1e9
        assert float(row["full_ms"]) == pytest.approx(full)
        assert float(row["full_ratio"]) == pytest.approx(full / float(row["total_ms"]))
        assert int(row["area_lut"]) == 9600 + 8800 + 4800


def test_ports_and_bitstreams_change_loads_and_nothing_else(study: Make, tmp_path: Path) -> None:
    made = study(
        'workload = ["alone"]\npolicy = ["none"]\npartitions = [1]\n'
        'port = ["icap", "pcap"]\nbitstream = ["reset", "plain", 0.5]\n'
    )
    rows = _rows(made, tmp_path / "out")
    reset, plain, half = (rows[f"port=icap bitstream={b}"] for b in ("reset", "plain", "0.5"))
    size = PYNQ.partitions[0]
    slope = float(reset["load_ms"]) - float(half["load_ms"])
    loads = int(reset["loads"])
    assert slope == pytest.approx(loads * size.bitstream_bytes / 2 / 382e6 * 1e3, rel=1e-3)
    ratio = float(plain["load_ms"]) / float(reset["load_ms"])
    assert ratio == pytest.approx(size.plain_bytes / size.bitstream_bytes, rel=1e-2)
    pcap = rows["port=pcap bitstream=reset"]
    per_load = 0.039 + size.bitstream_bytes / 128.5e6 * 1e3
    assert float(pcap["load_ms"]) == pytest.approx(loads * per_load, rel=1e-2)
    computed = [float(r["total_ms"]) - float(r["exposed_ms"]) for r in (reset, half, pcap)]
    assert computed == pytest.approx([computed[0]] * 3, abs=0.02)


def test_no_policy_is_better_than_the_bound_or_the_exact_one(study: Make, tmp_path: Path) -> None:
    policies = ("none", "lru", "belady", "aggressive", "look-ahead", "exact")
    made = study(f'workload = ["turns"]\npolicy = {list(policies)}\npartitions = [2]\n')
    rows = _rows(made, tmp_path / "out")
    totals = {policy: float(rows[f"policy={policy}"]["total_ms"]) for policy in policies}
    best = totals["exact"]
    assert min(totals.values()) >= best * 0.999  # the row leaves out what accesses hide
    for row in rows.values():
        assert float(row["bound_ms"]) <= float(row["total_ms"])
        assert float(row["gap_percent"]) >= 0
    shares = [float(rows[f"policy={p}"]["hidden_share"]) for p in ("look-ahead", "exact")]
    assert shares[0] >= 0.99 * shares[1]


def test_a_proof_without_contention_is_none_where_loads_are_slowed_down(
    study: Make, tmp_path: Path
) -> None:
    made = study(
        'workload = ["turns"]\npolicy = ["exact"]\nbatch = [64]\npartitions = [2]\n'
        "contention = [0, 80]\n"
    )
    made = replace(made, exact_seconds=60.0)  # a proof takes longer while others compute
    free, slowed = _rows(made, tmp_path / "out").values()
    assert free["proven"] == "yes"
    assert slowed["bound_ms"] == free["bound_ms"]
    assert float(slowed["total_ms"]) > 1.01 * float(free["total_ms"])
    assert slowed["proven"] == "no"


def test_a_server_promises_and_refuses(study: Make, tmp_path: Path) -> None:
    made = study('workload = ["poisson"]\npolicy = ["none", "aggressive", "lru", "exact"]\n')
    rows = _rows(made, tmp_path / "out")
    for policy in ("none", "aggressive"):
        row = rows[f"policy={policy}"]
        refused = int(row["refused_full"]) + int(row["refused_late"])
        assert int(row["accepted"]) + refused == 300
        assert (row["late"], row["lost"]) == ("0", "0")
        assert 0 < float(row["p50_ms"]) <= float(row["p99_ms"]) <= 60
    assert (
        "policy lru moves modules between partitions, but a request"
        in (rows["policy=lru"]["error"])
    )
    assert rows["policy=exact"]["error"] == (
        "policy exact plans requests that are all known, but those of a server come while it runs;"
        " expected none or aggressive for a server, so leave it out there"
    )


def test_servers_are_compared_where_both_designs_accept_as_many(
    written: Callable[[str], Path], tmp_path: Path
) -> None:
    """A rate that overloads the swapped modules alone, and one that neither is troubled by."""
    text = (
        f'[networks]\na = "{DIGITS}"\n[workload.light]\nkind = "server"\nrequests = 5\n'
        'rate_hz = 0.1\ndeadline_us = 60000\n[workload.heavy]\nkind = "server"\n'
        "requests = 200\nrate_hz = 4000\ndeadline_us = 20000\n[sweep]\npartitions = [2]\n"
    )
    rows = _rows(read(written(text)), tmp_path / "out")
    light, heavy = rows["workload=light"], rows["workload=heavy"]
    assert light["accepted"] == light["static_accepted"] == "5"
    ratio = float(light["static_ms"]) / float(light["p99_ms"])
    assert float(light["static_ratio"]) == pytest.approx(ratio)
    assert int(heavy["accepted"]) < 100 < int(heavy["static_accepted"])
    assert heavy["static_ms"]
    assert heavy["static_ratio"] == ""
    # Nothing is late, so over one time the answers of both are what they accepted.
    accepted, fixed = int(heavy["accepted"]), int(heavy["static_accepted"])
    assert float(heavy["goodput_ratio"]) == pytest.approx(accepted / fixed)
    assert float(light["goodput_ratio"]) == 1
    # 200 requests at 4,000 a second come within about 50 ms, and have 20 more.
    assert 0.03 < fixed / float(heavy["static_goodput"]) < 0.09


def test_a_server_that_answers_nothing_stands_beside_a_static_design_that_does(
    written: Callable[[str], Path], tmp_path: Path
) -> None:
    """Seven swaps of one partition take longer than the deadline."""
    text = (
        f'[networks]\na = "{DIGITS}"\n[workload.w]\nkind = "server"\nrequests = 300\n'
        "rate_hz = 50\ndeadline_us = 20000\n[sweep]\npartitions = [[0]]\n"
    )
    [row] = _rows(read(written(text)), tmp_path / "out").values()
    assert (row["error"], row["accepted"], row["images"]) == ("", "0", "0")
    assert int(row["refused_late"]) + int(row["refused_full"]) == 300
    assert (row["goodput"], row["goodput_ratio"], row["images_per_s"]) == ("0", "0", "0")
    assert [row[name] for name in ("total_ms", "p50_ms", "worst_ms", "static_ratio")] == [""] * 4
    assert int(row["static_accepted"]) > 200
    assert float(row["static_goodput"]) > 30
    assert float(row["static_ms"]) < 20
    assert "pays in 0 of 1 of them" in sentences([row])[0]
    assert "pays in 0 of 1 of them" in verdict([row])
    plots = {figure.key: figure for figure in figures([row], [], "")}
    assert list(plots) == ["admission"]


def test_a_server_that_neither_design_answers_is_an_error(
    written: Callable[[str], Path], tmp_path: Path
) -> None:
    text = (
        f'[networks]\na = "{DIGITS}"\n[workload.w]\nkind = "server"\nrequests = 3\n'
        "rate_hz = 50\ndeadline_us = 1\n[sweep]\npartitions = [[0]]\n"
    )
    [row] = _rows(read(written(text)), tmp_path / "out").values()
    assert row["error"] == (
        "none of 3 requests was answered in time, nor by a static design of the same area; give"
        " them longer than 1 us"
    )


def test_a_point_that_cannot_be_says_why(study: Make, tmp_path: Path) -> None:
    made = study('workload = ["turns"]\nmodules = ["all", ["pooling_8"]]\n')
    rows = _rows(made, tmp_path / "out")
    assert rows["modules=all"]["error"] == ""
    bad = rows["modules=pooling_8"]
    assert "fits no module" in bad["error"]
    assert all(bad[name] == "" for name in COLUMNS if name not in ("clock", "error"))


@pytest.mark.parametrize("error", [OverflowError, MemoryError])
def test_a_point_beyond_what_can_be_worked_out_is_an_error_of_its_own(
    study: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def compiled(*_: object) -> Deployment:
        raise error

    made = study('workload = ["turns"]\npartitions = [1, 2]\n')
    monkeypatch.setattr(Context, "_apart", compiled)
    for row in _rows(made, tmp_path / "out").values():
        assert row["error"] == (
            f"its figures are beyond what can be worked out ({error.__name__}); set it to less"
            " extreme values"
        )


def test_results_are_the_same_over_processes(study: Make, tmp_path: Path) -> None:
    made = study('workload = ["turns"]\nbatch = [1, 2, 3, 4, 5]\n')
    sweep.run(made, tmp_path / "one", 1)
    sweep.run(made, tmp_path / "two", 2)
    one, two = ((tmp_path / name / sweep.RESULTS).read_text() for name in ("one", "two"))
    assert one == two
    assert [line.split(",")[0] for line in one.splitlines()[1:]] == [
        f"batch={n}" for n in range(1, 6)
    ]
    assert not (tmp_path / "one" / sweep.PARTIAL).exists()
    found = json.loads((tmp_path / "one" / sweep.MANIFEST).read_text())
    assert found["study_sha256"] == made.digest
    assert (found["seed"], found["points"], found["clock"]) == (3, 5, "virtual")
    assert set(found["models"]) == {"a", "b"}


def test_a_folder_is_continued_where_it_was_left(
    study: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = study('workload = ["turns"]\nbatch = [1, 2, 3, 4]\n')
    folder = tmp_path / "out"
    done: list[str] = []

    def stopped(context: Context, name: str, point: Point) -> dict[str, str]:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(name)
        return row(context, name, point)

    row = sweep._row
    monkeypatch.setattr(sweep, "_row", stopped)
    with pytest.raises(KeyboardInterrupt):
        sweep.run(made, folder, 1)
    assert not (folder / sweep.RESULTS).exists()
    with (folder / sweep.PARTIAL).open("a") as file:
        file.write("batch=3,turns,cut sho")  # as a stop in mid-line leaves it
    again: list[str] = []

    def counted(context: Context, name: str, point: Point) -> dict[str, str]:
        again.append(name)
        return row(context, name, point)

    monkeypatch.setattr(sweep, "_row", counted)
    counts: list[int] = []
    rows = sweep.run(made, folder, 1, counts.append)
    assert done == ["batch=1", "batch=2"]
    assert again == ["batch=3", "batch=4"]
    assert counts == [2, 3, 4]
    whole = sweep.run(made, tmp_path / "whole", 1)
    assert rows == whole
    again.clear()
    counts.clear()
    assert sweep.run(made, folder, 1, counts.append) == whole
    assert (again, counts) == ([], [4])


def test_a_folder_of_another_study_is_left_alone(study: Make, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    sweep.run(study('workload = ["turns"]\nbatch = [1]\n'), folder, 1)
    before = (folder / sweep.RESULTS).read_text()
    with pytest.raises(ArtifactError, match=r"results of another study.*\(study_sha256 differs\)"):
        sweep.run(study('workload = ["turns"]\nbatch = [2]\n'), folder, 1)
    assert (folder / sweep.RESULTS).read_text() == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(ArtifactError, match=r"holds thesis.tex and no study"):
        sweep.run(study('workload = ["turns"]\nbatch = [2]\n'), tmp_path / "full", 1)


def test_the_manifest_says_what_times_rest_on(study: Make) -> None:
    found = sweep.manifest(study('workload = ["alone"]\nport = ["icap", "pcap"]\n'))["assumptions"]
    assert len(found) == len(set(found))
    assert any(line.startswith("Port icap: 382.0 MB/s") for line in found)
    assert any(line.startswith("Port pcap: 128.5 MB/s") and "kernel" in line for line in found)
    assert "Host software takes no time." in found


def test_a_folder_is_not_continued_with_another_calibration(
    written: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = tmp_path / "board.json"
    measured.write_text("{}")
    monkeypatch.setattr("fpga_rt.study.values.calibrated", lambda *_: PYNQ)
    monkeypatch.setattr("fpga_rt.study.context.calibrated", lambda *_: PYNQ)
    made = read(written('workload = ["alone"]\npartitions = [1]\ncalibration = ["board.json"]\n'))
    folder = tmp_path / "out"
    sweep.run(made, folder, 1)
    found = json.loads((folder / sweep.MANIFEST).read_text())
    sha256 = hashlib.sha256(b"{}").hexdigest()
    assert found["calibrations"] == [{"file": "board.json", "sha256": sha256}]
    measured.write_text("{ }")
    with pytest.raises(ArtifactError, match=r"results of another study.*\(calibrations differs\)"):
        sweep.run(made, folder, 1)


def test_a_folder_is_not_continued_with_another_solver(
    study: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = study('workload = ["alone"]\npartitions = [1]\npolicy = ["exact"]\n')
    other = study('workload = ["alone"]\npartitions = [1]\npolicy = ["none"]\n')
    assert sweep.manifest(other)["solver"] is None
    assert sweep.manifest(exact)["solver"] == f"ortools {importlib.metadata.version('ortools')}"
    sweep._begin(exact, tmp_path / "out")
    monkeypatch.setattr(sweep, "version", lambda _: "0.1")
    with pytest.raises(ArtifactError, match=r"\(solver differs\)"):
        sweep.run(exact, tmp_path / "out", 1)


def test_results_of_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("point,board\nonly,x\n")
    with pytest.raises(ArtifactError, match="other columns than this version's results"):
        sweep.read(path)
    with pytest.raises(ArtifactError, match=r"cannot be read \(No such file"):
        sweep.read(tmp_path / "none.csv")


def test_workloads_repeat_and_mix() -> None:
    turns = Workload("t", "gateway", 7, {"x": 2, "y": 1})
    assert turns.networks(1) == ["x", "x", "y", "x", "x", "y", "x"]
    drawn = Workload("d", "gateway", 3000, {"x": 3, "y": 1}, "random")
    vast = Workload("v", "gateway", 2, {"x": 99_999_999_999, "y": 1})
    assert vast.networks(1) == ["x", "x"]
    assert drawn.networks(5) == drawn.networks(5) != drawn.networks(6)
    assert drawn.networks(5).count("y") == pytest.approx(750, rel=0.1)
    assert seed_of(1, turns) != seed_of(1, drawn) != seed_of(2, drawn)


def test_percentiles_are_by_nearest_rank() -> None:
    assert [nearest_rank([1, 2, 3, 4], p) for p in (1, 25, 26, 50, 99, 100)] == [1, 1, 2, 2, 4, 4]


def test_every_point_of_a_context_is_compiled_once(
    study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = study('workload = ["turns"]\npolicy = ["none", "aggressive"]\nbatch = [1, 2, 3]\n')
    compiled: list[str] = []

    def counted(network: Network, *rest: Any) -> Deployment:  # noqa: ANN401
        compiled.append(network.name)
        return planner.compile_network(network, *rest)

    monkeypatch.setattr("fpga_rt.study.context.compile_network", counted)
    context = Context(made)
    for point in made.points.values():
        assert evaluate(context, point).error == ""
    assert len(compiled) == 2
