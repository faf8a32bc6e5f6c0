"""`fpga-rt demo`: what it prints and writes, on fewer images than a user sees."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fpga_rt
from fpga_rt.cli import demo
from fpga_rt.errors import ArtifactError
from tests.cli.conftest import Cli


@pytest.fixture
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("matplotlib")
    whole = demo._load_example()

    def few() -> tuple[object, ...]:
        card, images, labels = whole
        return card, images[:24], labels[:24]

    monkeypatch.setattr(demo, "_load_example", few)
    monkeypatch.setattr(demo, "BATCH", 8)


@pytest.mark.usefixtures("few_images")
def test_prints_tables_and_writes_files(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    answer = cli("demo", "--output", folder)
    assert (answer.code, answer.err) == (0, "")
    for part in (
        "3 reconfigurable partitions, 142.9 MHz; device emulator",
        "pooling_8         <- swap",
        "24 test images, 8 in a request (virtual clock, modelled)",
        "2 partitions, swap on demand",
        "static design, area of 2 partitions",
        "The same images elsewhere: 99.11% by ONNX Runtime (int8), 99.11% by torch (float).",
        "Loading ahead hides",
        f"fpga-rt inspect {folder / 'digits.frt'} --batch 8",
    ):
        assert part in answer.out
    assert sorted(path.name for path in folder.iterdir()) == [
        "digits.frt",
        "report.json",
        "timeline.png",
        "timeline.svg",
        "trace.json",
    ]
    assert fpga_rt.load(folder / "digits.frt").network.name == "digits"
    runs = json.loads((folder / "report.json").read_text())["runs"]
    assert list(runs) == ["on_demand", "ahead", "resident"]
    assert len({run["accuracy"] for run in runs.values()}) == 1
    assert runs["ahead"]["swaps"]["exposed_us"] < runs["on_demand"]["swaps"]["exposed_us"]
    assert runs["resident"]["swaps"]["count"] == 0
    for run in runs.values():
        assert run["total_us"] == run["predicted"]["total_us"]
        assert run["static_baseline"]["image_us"] > 0


@pytest.mark.usefixtures("few_images")
@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_leaves_no_folder_that_was_not_there(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    def full(*_: object) -> None:
        raise ArtifactError("No space left on device")

    folder = tmp_path / "new" / "demo"
    if exists:
        folder.mkdir(parents=True)
        (folder / "timeline.png").write_text("from another day")
    monkeypatch.setattr(demo.perfetto, "write", full)  # type: ignore[attr-defined]  # a module
    assert cli("demo", "--output", folder).code == 3
    assert (tmp_path / "new").exists() == folder.exists() == exists


def test_without_the_example_it_says_where_to_get_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(demo, "EXAMPLE", tmp_path / "digits")
    answer = cli("demo", "--output", tmp_path / "out")
    assert answer.code == 3
    assert "lacks digits.onnx, digits.npz, card.json, expected the example" in answer.err
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "file").write_text("")
    answer = cli("demo", "--output", tmp_path / "file")
    assert answer.code == 1
    assert f"{tmp_path / 'file'}: File exists; check the path" in answer.err


def test_the_batch_divides_the_test_images() -> None:
    with np.load(demo.EXAMPLE / "digits.npz") as data:
        assert len(data["x"]) % demo.BATCH == 0
