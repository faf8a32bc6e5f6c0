"""What becomes of a benchmark: skipped for want of something, or failed; only one is fine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as command
from benchmarks import datasets
from benchmarks.measurement import Measurement
from fpga_rt.errors import ExecutionError, FpgaRtError, ModelError, ToolchainError

GOOD = [Measurement("something", 1.0, "s", "wall", 2.0)]


def benchmark(
    monkeypatch: pytest.MonkeyPatch, run: Callable[[], object], missing: str | None = None
) -> None:
    """Put something else into the place of the benchmark `golden`."""
    fake = SimpleNamespace(run=run, obstacle=lambda: missing)
    monkeypatch.setitem(sys.modules, "benchmarks.golden", fake)


def main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run `golden` alone."""
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--only", "golden", *arguments])
    return command.main()


@pytest.mark.parametrize("family", [ExecutionError, ModelError, ToolchainError])
def test_an_error_is_a_failure_and_is_kept(
    family: type[FpgaRtError],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def run() -> object:
        raise family("resnet8 on rtl differs from golden execution")

    benchmark(monkeypatch, run)
    assert main(monkeypatch, "--output", str(tmp_path / "out.json")) == 1
    text = f"{family.__name__}: resnet8 on rtl differs from golden execution"
    assert capsys.readouterr().out == f"golden: FAILED: {text}\n"
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["results"], found["skipped"], found["failed"]) == ([], {}, {"golden": text})


def test_what_is_missing_is_a_reason_to_skip(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark(monkeypatch, lambda: pytest.fail("it was run"), "strace is missing")
    assert main(monkeypatch) == 0
    assert capsys.readouterr().out == "golden: skipped: strace is missing\n"


def test_a_missed_goal_is_not_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark(monkeypatch, lambda: GOOD)
    assert main(monkeypatch) == 0
    benchmark(monkeypatch, lambda: [Measurement("something", 3.0, "s", "wall", 2.0)])
    assert main(monkeypatch) == 1


@pytest.mark.parametrize(("name", "skipped"), [("serial", True), ("fpga_rt.nothing", False)])
def test_only_packages_of_others_may_be_missing(
    name: str, skipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(command, "import_module", missing)
    if skipped:
        assert main(monkeypatch) == 0
    else:
        with pytest.raises(ModuleNotFoundError, match=name):
            main(monkeypatch)


def test_the_obstacle_of_data_names_folder_or_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FPGA_RT_DATA", str(tmp_path / "none"))
    assert datasets.obstacle() == (
        f"no folder of real data at {tmp_path / 'none'}; set FPGA_RT_DATA to it"
    )
    monkeypatch.setenv("FPGA_RT_DATA", str(tmp_path))
    assert datasets.obstacle("json") is None
    found = datasets.obstacle("json", "no_such_package")
    assert found == "no package no_such_package: pip install 'fpga-rt[dev]'"
