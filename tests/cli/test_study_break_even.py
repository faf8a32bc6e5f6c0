"""`fpga-rt study break-even`: the results of `study run`, and what was found between them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Cli
from tests.study.conftest import HEAD


def test_finds_the_batch_and_keeps_it_for_reports(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f'{HEAD}\n[sweep]\nworkload = "alone"\npartitions = [[0]]\nbatch = [64, 256]\n')
    out = tmp_path / "out"
    answer = cli("study", "break-even", path, "-o", out, "--processes", 1)
    assert answer.code == 0
    [told] = [line for line in answer.out.splitlines() if line.startswith("It pays from batch")]
    first, second = told.split("static / reconfigured is ")[1].split(", ")
    before, after = (part.split(" at ")[1].rstrip(".") for part in (first, second))
    assert int(after) == int(before) + 1
    kept = json.loads((out / "break_even.json").read_text())
    assert told in kept["sentences"]
    assert kept["command"] == "fpga-rt study break-even s.toml"
    assert cli("study", "report", out).code == 0
    assert told in (out / "report.html").read_text()
