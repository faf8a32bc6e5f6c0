"""The study of drift: what its summary counts, that the docs show it, that a short run works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.update_drift import FIRST_SEED_ALONE, Cell, Sizes, cells
from benchmarks.update_drift_summary import document, text
from benchmarks.update_drift_tables import by_seed, difference, goals, overview, times, with_tables
from fpga_rt.errors import ModelError

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "updates-under-drift.md"
POLICIES = (
    "none", "statistics", "affine", "last_layer", "first_blocks", "sensitive_blocks", "sparse",
    "full", "full, same bytes", "auto",
)  # fmt: skip


def _bits(*right: int) -> str:
    return np.packbits(np.array(right, bool)).tobytes().hex()


def _cell(corruption: str, seed: int, answers: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Return a cell of four images, in which policies that are not named are always right."""
    policies = {
        policy: {
            "bytes": 100 * seed + 50,
            "report": _bits(*answers.get(policy, (1, 1, 1, 1))),
        }
        for policy in POLICIES
    }
    policies["auto"]["chose"] = "affine"
    return {
        "network": "net", "corruption": corruption, "severity": int(corruption == "dirt"),
        "seed": seed,
        "sizes": {"fit": 8, "held_back": 2, "report": 4}, "recipe": {"epochs": 1, "seed": seed},
        "budget_bytes": 200, "parameter_bytes": 1000, "processor_s": 1.6, "policies": policies,
    }  # fmt: skip


@pytest.fixture
def summary(tmp_path: Path) -> dict[str, Any]:
    """Return the summary of two shifts with two seeds; the second of them has no first blocks."""
    found = [
        _cell("fog", 0, {"none": (0, 0, 0, 1), "full": (1, 1, 0, 1), "affine": (0, 1, 1, 1)}),
        _cell("fog", 2, {"none": (0, 0, 0, 0), "full": (0, 0, 0, 0), "affine": (1, 1, 0, 0)}),
        _cell("dirt", 0, {"full": (1, 1, 1, 1), "affine": (1, 0, 0, 1)}),
        _cell("dirt", 2, {"full": (1, 1, 1, 1), "affine": (0, 1, 1, 0)}),
    ]
    for cell in found[1::2]:
        del cell["policies"]["first_blocks"]
    for cell in found:
        name = f"net-{cell['corruption']}-{cell['severity']}-{cell['seed']}.json"
        (tmp_path / name).write_text(json.dumps(cell))
    entry = document(sorted(tmp_path.iterdir()))
    device = {
        "origin": "modelled", "vectors": 4, "inference_us": 250.0, "package_to_answer_us": 1250.0
    }  # fmt: skip
    return {"net": {**entry, "device": device, "undrifted": {"right": 11, "images": 12}}}


def test_a_summary_counts_images_of_all_seeds(summary: dict[str, Any]) -> None:
    net = summary["net"]
    assert (net["cells"], net["seeds"], net["chosen"]) == (4, 2, {"affine": 4})
    dirt, fog = net["shifts"]
    assert (dirt["corruption"], dirt["severity"]) == ("dirt", 1)
    assert fog["policies"]["none"] == {
        "bytes": [50, 250], "right": 1, "images": 8, "gained": [0, 0], "lost": [2, 0]
    }  # fmt: skip
    affine = fog["policies"]["affine"]
    assert (affine["right"], affine["gained"], affine["lost"]) == (5, [1, 2], [1, 0])
    assert difference(affine) == pytest.approx(25.0)
    assert (fog["policies"]["first_blocks"]["images"], len(net["shifts"])) == (4, 2)


def test_errors_hold_seeds_and_images(summary: dict[str, Any]) -> None:
    """Affine is 0 and 50 points better for fog, and -50 twice for dirt, by seed.

    Sums of an image over both shifts: -1, -1, 0, 0 for one seed and 0, 1, 0, -1 for the other.
    """
    found = summary["net"]["errors"]
    assert found["affine"]["training"] == 0  # images alone scatter more than the seeds do
    assert found["auto"]["training"] == pytest.approx(100 * (0.28125 / 2 - 0.0625 / 4) ** 0.5)
    assert found["affine"]["mean"] == pytest.approx(100 * (4 * (1 / 3 + 2 / 3)) ** 0.5 / 16)
    assert found["full"] == {"training": 0.0, "mean": 0.0}
    assert found["first_blocks"] == {"training": None, "mean": None}


def test_errors_hold_trainings_that_scatter_more_than_images(tmp_path: Path) -> None:
    """All images of a seed agree, so nothing but the seed makes the difference of -100 and 0."""
    never: dict[str, tuple[int, ...]] = {"affine": (0, 0, 0, 0)}
    for number, cell in enumerate((_cell("fog", 0, never), _cell("fog", 1, {}))):
        (tmp_path / f"{number}.json").write_text(json.dumps(cell))
    found = document(sorted(tmp_path.iterdir()))["errors"]["affine"]
    assert found == pytest.approx({"training": 100 * 0.5**0.5, "mean": 50.0})


def test_an_overview_has_means_and_the_worst(summary: dict[str, Any]) -> None:
    rows = {line.split(" | ")[0]: line for line in overview(summary["net"]).splitlines()}
    # fog 5 of 8, dirt 4 of 8; to full +25 and -50.
    assert rows["| affine"] == (
        "| affine | 150, at most 250 | 25.0 % | 56.2 | 50.0 | -12.5 ± 12.5"
        " | -50.0 ± 25.0 (dirt, strong) | 4 of 4 |"
    )
    assert rows["| full"].endswith("| 68.8 | 37.5 |  |  |  |")
    assert rows["| nothing"].endswith(" | 0 of 4 |")
    assert rows["| auto"].endswith(") |  |")
    assert rows["| nothing"].startswith("| nothing | 0 |  | 56.2 | 12.5 |")


def test_goals_are_held_to_what_was_counted(summary: dict[str, Any]) -> None:
    """Twice the error of 25 reaches above the goal; the lower of two normals is 0.545 below."""
    table = goals(summary["net"])
    missed = "25.00 %, missed | -12.50, missed | -50.00, missed"
    assert f"| affine | {missed} | -26.12 | 0 of 2 |" in table
    assert "| auto | 25.00 %, missed | +31.25, met | +0.00, met | +13.88 | 0 of 2 |" in table
    blocks = next(line for line in table.splitlines() if "first blocks, 1 seed" in line)
    assert blocks.endswith(" |  |  |")
    assert "bytes at most 5.0 % | mean at least full - 0.5 | no shift below full - 1.2 |" in table


def test_seeds_stand_apart(summary: dict[str, Any]) -> None:
    """Affine, of four images a seed: fog 0 and +2 of them, dirt -2 and -2."""
    assert by_seed(summary["net"]).splitlines()[:1] == ["| policy | seed 0 | seed 1 |"]
    assert "| affine | -25.00 | +0.00 |" in by_seed(summary["net"])


def test_cells_of_two_runs_are_not_one(tmp_path: Path) -> None:
    for number, cell in enumerate((_cell("fog", 0, {}), {**_cell("fog", 1, {}), "base": "1"})):
        (tmp_path / f"{number}.json").write_text(json.dumps(cell))
    with pytest.raises(ModelError, match=r"base of 1.json is 1, of 0.json None; expected cells"):
        document(sorted(tmp_path.iterdir()))


def test_times_are_those_of_the_mean_package(summary: dict[str, Any]) -> None:
    table = times(summary["net"])
    assert "On the device, modelled: 4 test vectors, then an inference of 0.250 ms." in table
    # 50, 250 and 150 bytes at 100 kbit/s: 12 ms, and 1.25 ms.
    assert "| affine | 150 | 0.012 | 1.250 | 0.013 |" in table
    assert "bytes, mean of those sent" in table
    assert "| from sending to the first answer, s |" in table
    assert "nothing" not in table


def test_what_has_not_been_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"1 of 1 cells have not been run, such as net-fog"):
        document([tmp_path / "net-fog-0-0.json"])


def test_tables_are_put_behind_their_marks(summary: dict[str, Any]) -> None:
    page = "a\n\n<!-- table: net policies -->\n| old |\n<!-- end -->\n\nb\n"
    once = with_tables(page, summary)
    first, blank, line, _, head, *_ = once.split("\n")[2:]
    assert (first, blank) == ("<!-- table: net policies -->", "")
    assert line == (
        "2 shifts, 2 seeds, 4 images each; without drift 91.7 % of 12 images are right. The budget"
        " is 200 of 1,000 bytes."
    )
    assert head.startswith("| policy |")
    assert once.startswith("a\n\n<")
    assert once.endswith("|\n\n<!-- end -->\n\nb\n")
    assert with_tables(once, summary) == once
    assert with_tables(page, {}) == page


def test_a_document_is_json_with_a_line_for_each_policy(summary: dict[str, Any]) -> None:
    assert json.loads(text(summary)) == summary
    assert sum("gained" in line for line in text(summary).splitlines()) == 2 * len(POLICIES)


def test_the_docs_show_the_figures_that_were_counted() -> None:
    found = json.loads(PAGE.with_suffix(".json").read_text())
    assert PAGE.read_text() == with_tables(PAGE.read_text(), found)
    for network, entry in found.items():
        wanted = list(cells(network, entry["seeds"]))
        assert entry["cells"] == len(wanted) == sum(entry["chosen"].values())
        shifts = {(cell.corruption, cell.severity) for cell in wanted}
        assert {(s["corruption"], s["severity"]) for s in entry["shifts"]} == shifts
        for shift in entry["shifts"]:
            for policy, of_shift in shift["policies"].items():
                seeds = 1 if policy in FIRST_SEED_ALONE else entry["seeds"]
                assert of_shift["images"] == seeds * Sizes().report


def test_cells_are_named_apart() -> None:
    everything = [cell for network in ("resnet8", "mnist") for cell in cells(network, 3)]
    assert len({cell.file for cell in everything}) == len(everything)
    assert Cell("mnist", "fog", 0, 1) in everything
    assert not any(cell.corruption == "saturation" for cell in cells("mnist", 1))


@pytest.mark.slow
def test_a_short_run_goes_on_where_it_was(tmp_path: Path, data_dir: Path) -> None:
    pytest.importorskip("onnxruntime")
    options = ["--network", "mnist", "--folder", tmp_path, "--seeds", "1"]
    options += ["--fit", "64", "--held-back", "32", "--report", "40"]

    def run(*more: object) -> str:
        command = [sys.executable, "-m", "benchmarks.update_drift", *map(str, [*options, *more])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout

    assert run("--cells", 1).startswith("1/1 mnist-gaussian_noise-0-0.json")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    output = run("--cells", 3, "--summary", tmp_path / "summary.json")
    assert "gaussian_noise" not in output
    assert output.count("\n") == 2
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    found = json.loads((tmp_path / "summary.json").read_text())["mnist"]
    assert (found["cells"], found["undrifted"]["images"]) == (3, 40)
    assert found["undrifted"]["right"] >= 38
    for shift in found["shifts"]:
        for policy, entry in shift["policies"].items():
            assert entry["images"] == 40
            bound = found["parameter_bytes"] if policy == "full" else found["budget_bytes"]
            assert max(entry["bytes"]) <= bound
    assert found["device"]["origin"] == "modelled"
    assert found["device"]["package_to_answer_us"] > found["device"]["self_test_us"] > 0
