"""`fpga-rt study loadgen`: short runs of LoadGen over the emulator, both clocks apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpga_rt.errors import ExecutionError
from fpga_rt.study.loadgen import read_summary
from tests.cli.conftest import Cli

QUICK = ("--seconds", 0.1, "--queries", 64)


def test_both_scenarios_have_logs_and_records(cli: Cli, archive: Path, tmp_path: Path) -> None:
    """64 queries are enough for SingleStream only; Server would need 459 to be valid."""
    answer = cli("study", "loadgen", archive, *QUICK, "-o", tmp_path / "lg", "--json")
    assert answer.code == ExecutionError.exit_code
    single, server = json.loads(answer.out)
    assert "LoadGen calls the run INVALID. Server: " in answer.err
    assert "queries are too few to judge by, expected at least 459: give it --queries 459" in (
        answer.err
    )
    assert "Early stopping" in server["unsatisfied"]
    assert single["unsatisfied"] == []
    assert (single["scenario"], single["result"]) == ("SingleStream", "VALID")
    assert server["scenario"] == "Server"
    assert server["rate_hz"] > 0
    for name, data in (("single-stream", single), ("server", server)):
        folder = tmp_path / "lg" / name
        summary = read_summary(folder / "mlperf_log_summary.txt")
        assert summary["Result is"] == data["result"]
        assert (
            int(summary["50.00 percentile latency (ns)"]) / 1e3 == data["wall"]["latency_us"]["p50"]
        )
        assert json.loads((folder / "loadgen.json").read_text()) == data
        assert (data["wall"]["clock"], data["device"]["clock"]) == ("wall", "virtual")


def test_answers_are_held_back_to_the_pace(cli: Cli, archive: Path, tmp_path: Path) -> None:
    options = (*QUICK, "--scenario", "SingleStream", "--pace", 3, "-o", tmp_path / "lg")
    [found] = json.loads(cli("study", "loadgen", archive, *options, "--json").out)
    # Not one answer is earlier; the wall clock may be late by as much as it likes.
    least = int(
        read_summary(tmp_path / "lg/single-stream/mlperf_log_summary.txt")["Min latency (ns)"]
    )
    assert least >= 3 * found["device"]["latency_us"]["p50"] * 1e3 * 0.999
    assert found["pace"] == 3
    for part in ("--scenario SingleStream", "--seconds 0.1", "--queries 64", "--pace 3"):
        assert part in found["command"]
    assert "--rate" not in found["command"]  # nobody gave one


def test_the_text_keeps_the_clocks_apart(cli: Cli, archive: Path, tmp_path: Path) -> None:
    options = (*QUICK, "--pace", 0, "--rate", 500, "--latency-ms", 5000, "-o", tmp_path / "lg")
    text = cli("study", "loadgen", archive, *options).out
    assert "What LoadGen measured (wall clock, not paced)" in text
    assert "Server: 500 queries/s, 99 % within 5.000 s" in text
    assert "What the device's clock says of the same queries (virtual clock, modelled)" in text
    assert text.rstrip().endswith(f"written: {tmp_path / 'lg'}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pace", -1), "got '-1', expected a number, at least 0"),
        (("--rate", 0), "got '0', expected a number, more than 0"),
        (("--batch", 4), "a query is one image, got --batch 4; leave it out"),
    ],
)
def test_what_cannot_be_is_refused(
    cli: Cli, archive: Path, options: tuple[object, ...], message: str
) -> None:
    answer = cli("study", "loadgen", archive, *options)
    assert answer.code == 2
    assert message in answer.err
