"""The search for the break-even: bisection by hand, and the real figures on both sides of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fpga_rt.errors import ArtifactError
from fpga_rt.study import break_even_search, sweep
from fpga_rt.study.axes import Point
from fpga_rt.study.break_even import Crossing
from fpga_rt.study.columns import Figures
from fpga_rt.study.context import Context
from fpga_rt.study.evaluate import evaluate
from fpga_rt.study.file import Study

Make = Callable[[str], Study]
SWEEP = 'workload = ["alone"]\npartitions = [[0]]\nbatch = [1, 512]\n'


def test_the_batch_that_is_found_is_the_first_that_pays(study: Make, tmp_path: Path) -> None:
    made = study(SWEEP.replace("[1, 512]", "[64, 128]"))
    context = Context(made)
    rows = sweep.run(made, tmp_path / "out", 1)
    [told] = [line for line in break_even_search.search(context, rows) if "It pays from" in line]
    batch = int(told.split("from batch ")[1].split()[0])
    ratios = [
        evaluate(context, Point("alone", partitions=(0,), batch=b)).static_ratio
        for b in (batch - 1, batch)
    ]
    assert ratios[0] is not None
    assert ratios[1] is not None
    assert ratios[0] <= 1 < ratios[1]
    assert 64 < batch < 128


@pytest.mark.parametrize("first", [2, 77, 511, 512])
def test_bisection_finds_any_step(study: Make, monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    made = study(SWEEP)

    def step(_: Context, point: Point) -> Figures:
        return Figures(static_ratio=2.0 if point.batch >= first else 0.5)

    monkeypatch.setattr(break_even_search, "evaluate", step)
    crossing = Crossing("batch", ("1", 0.5), ("512", 2.0), "", "batch=1")
    found = break_even_search.refined(Context(made), crossing)
    assert (found.before[0], found.after[0]) == (str(first - 1), str(first))


def test_where_no_static_design_fits_the_grid_stays(
    study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(break_even_search, "evaluate", lambda *_: Figures())
    crossing = Crossing("batch", ("1", 0.5), ("512", 2.0), "", "batch=1")
    assert break_even_search.refined(Context(study(SWEEP)), crossing) == crossing


def test_what_was_found_is_kept(tmp_path: Path) -> None:
    assert break_even_search.read(tmp_path) is None
    break_even_search.write(["It pays."], "fpga-rt study break-even s.toml", tmp_path)
    found = break_even_search.read(tmp_path)
    assert found is not None
    assert found["sentences"] == ["It pays."]
    path = tmp_path / "break_even.json"
    for content, message in (("{", "cannot be read"), ("{}", "is no search of version 1")):
        path.write_text(content)
        with pytest.raises(ArtifactError, match=rf"{message}.*run `fpga-rt study break-even`"):
            break_even_search.read(tmp_path)
