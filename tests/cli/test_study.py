"""`fpga-rt study run` from a file to a table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from fpga_rt.errors import PlanningError
from tests.cli.conftest import Cli
from tests.study.conftest import HEAD


def _file(folder: Path, sweep: str) -> Path:
    path = folder / "ports.toml"
    path.write_text(f"{HEAD}\n[sweep]\n{sweep}")
    return path


def test_prints_a_table_and_where_it_pays(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = _file(
        tmp_path, 'workload = ["turns"]\npolicy = ["none", "aggressive"]\nbatch = [1, 4]\n'
    )
    answer = cli("study", "run", path, "--processes", 1)
    assert answer.code == 0
    assert answer.out.startswith("Two networks: 4 points (virtual clock, modelled)\n")
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert any(line.startswith("none 1 ") for line in lines)
    assert any(line.startswith("aggressive 4 ") for line in lines)
    assert "Reconfiguration pays in 0 of 4 points: the static design of the same area" in answer.out
    assert lines[-1] == "written: ports/results.csv and ports/manifest.json"
    assert "study: 4/4 points in" in answer.err
    first = lines.index("Assumptions") + 1
    assert lines[first].startswith("Port icap: 382.0 MB/s")
    assert lines[-2] == "Host software takes no time."
    with Path("ports/results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4


def test_updates_have_a_table_of_their_own(cli: Cli, tmp_path: Path) -> None:
    drift = """
[workload.drifting]
kind = "drift"
mix = { a = 1 }
requests = 1000
update_every = 100
update_bytes = 400
link_kbit_s = 100
"""
    path = tmp_path / "drift.toml"
    path.write_text(f"{HEAD}{drift}\n[sweep]\nworkload = ['drifting', 'alone']\n")
    answer = cli("study", "run", path, "-o", tmp_path / "out", "--processes", 1)
    assert answer.code == 0
    before, _, table = answer.out.partition("Updates: the one that took longest")
    assert "drifting" in before
    assert "alone" in before
    [line] = [line for line in table.splitlines() if line.startswith("drifting ")]
    # 400 bytes at 100 kbit/s; four test vectors of 0.261 ms; nothing to switch.
    assert line.split()[2:7] == ["400", "32.000", "0.948", "1.046", "0.000"]
    assert not any(line.startswith("alone ") for line in table.splitlines())
    assert "Updates of drifting: the link carries 100 kbit/s, as the study assumes" in table


def test_prints_json(cli: Cli, tmp_path: Path) -> None:
    path = _file(tmp_path, 'workload = ["turns"]\nmodules = ["all", ["pooling_8"]]\n')
    answer = cli("study", "run", path, "-o", tmp_path / "out", "--processes", 1, "--json")
    data = json.loads(answer.out)
    assert data["manifest"]["points"] == 2
    assert [bool(row["error"]) for row in data["results"]] == [False, True]
    text = cli("study", "run", path, "-o", tmp_path / "out").out  # what is there is not run again
    assert "1 point cannot be: layer" in text


def test_a_bad_file_is_one_line(cli: Cli, tmp_path: Path) -> None:
    path = _file(tmp_path, "batch = []\n")
    answer = cli("study", "run", path, "-o", tmp_path / "out")
    assert answer.code == 3
    assert answer.out == ""
    assert answer.err.startswith(f"fpga-rt: error: {path}:27: batch has no values")
    assert not (tmp_path / "out").exists()


def test_a_study_none_of_whose_points_can_be_fails(cli: Cli, tmp_path: Path) -> None:
    path = _file(tmp_path, 'workload = ["turns"]\nmodules = [["pooling_8"]]\n')
    answer = cli("study", "run", path, "-o", tmp_path / "out", "--processes", 1)
    assert answer.code == PlanningError.exit_code
    assert "1 point cannot be: layer" in answer.out
    assert "error: none of 1 point of ports.toml can be, the first because layer" in answer.err
