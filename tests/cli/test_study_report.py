"""`fpga-rt study run`, `trace` and `report`, one after the other, on the example network."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.errors import PlanningError
from tests.cli.conftest import Cli
from tests.study.report.folders import write

ROOT = Path(__file__).resolve().parents[2]
STUDY = """\
[study]
title = "Digits"
[networks]
digits = "digits.onnx"
[workload.stream]
kind = "single-stream"
requests = 2
[sweep]
partitions = [[0, 1]]
policy = ["none", "aggressive"]
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    pytest.importorskip("onnx")
    path = tmp_path / "digits.toml"
    path.write_text(STUDY)
    return path


def test_a_study_is_run_recorded_and_reported(cli: Cli, study: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    models, folder = ROOT / "examples" / "digits", tmp_path / "out"
    options = (study, "--models", models, "-o", folder)
    assert cli("study", "run", *options, "--processes", 1).code == 0
    traced = cli("study", "trace", *options)
    assert traced.code == 0
    assert traced.out.count("run.json and ") == 2
    answer = cli("study", "report", folder, "--pictures", tmp_path / "pictures")
    assert answer.code == 0
    assert f"written: {folder / 'report.html'} (2 of 2 points, 2 recordings)" in answer.out
    html = (folder / "report.html").read_text()
    assert "<h1>Digits</h1>" in html
    assert html.count('class="timeline wide"') == 2
    pictures = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert {"hidden.png", "hidden.svg", "latency-cdf.png", "swap-phases.svg"} <= pictures
    assert (tmp_path / "pictures" / "hidden.png").read_bytes().startswith(b"\x89PNG")


def test_equal_studies_give_equal_pages_and_pictures(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder, written = write(tmp_path / "s"), []
    for number in range(2):
        page, pictures = tmp_path / f"{number}.html", tmp_path / f"pictures{number}"
        assert cli("study", "report", folder, "-o", page, "--pictures", pictures).code == 0
        files = sorted(pictures.iterdir())
        written.append([page.read_bytes(), *(path.read_bytes() for path in files)])
    assert written[0] == written[1]


def test_what_is_missing_is_named_and_nothing_is_written(cli: Cli, tmp_path: Path) -> None:
    answer = cli("study", "report", tmp_path, "-o", tmp_path / "r.html")
    assert answer.code == 3
    assert f"{tmp_path / 'results.csv'} cannot be read" in answer.err
    assert list(tmp_path.iterdir()) == []
    answer = cli("study", "report", tmp_path, "-o", tmp_path / "r.pdf")
    assert answer.code == 2
    assert "expected .html" in answer.err


def test_a_study_of_drift_alone_has_nothing_to_record(
    cli: Cli, study: Path, tmp_path: Path
) -> None:
    updates = 'kind = "drift"\nupdate_every = 9\nupdate_bytes = 9\nlink_kbit_s = 9'
    study.write_text(STUDY.replace('kind = "single-stream"', updates))
    options = (study, "--models", ROOT / "examples" / "digits", "-o", tmp_path / "out")
    answer = cli("study", "trace", *options)
    assert answer.code == PlanningError.exit_code
    assert "has only servers and drift, whose requests or updates arrive while they run" in (
        answer.err
    )


def test_an_unknown_point_is_refused_before_anything_runs(
    cli: Cli, study: Path, tmp_path: Path
) -> None:
    options = (study, "--models", ROOT / "examples" / "digits", "-o", tmp_path / "out")
    answer = cli("study", "trace", *options, "--point", "policy=none", "--point", "policy=lru")
    assert answer.code == 5
    assert "there is no point 'policy=lru', expected one of 'policy=none', 'policy=aggressive'" in (
        answer.err
    )
    assert not (tmp_path / "out").exists()
