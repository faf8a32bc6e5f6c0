"""The benchmark of a sweep: it has a goal, and a point that cannot be is a failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import datasets, grid
from fpga_rt.errors import PlanningError

POINTS = {f"batch={n}": n for n in range(3)}


@pytest.fixture(autouse=True)
def study(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a small study into the place of the large one."""
    monkeypatch.setattr(datasets, "model_path", Path)
    small = SimpleNamespace(points=POINTS)
    monkeypatch.setattr("benchmarks.grid.file.read", lambda path, models: small)


def _sweep(errors: tuple[str, ...]) -> Callable[..., list[dict[str, str]]]:
    def run(
        study: object, folder: Path, processes: int, done: Callable[[int], None]
    ) -> list[dict[str, str]]:
        assert processes == 2
        done(3)
        return [{"error": error} for error in errors]

    return run


def test_the_whole_sweep_is_timed_and_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.grid.sweep.run", _sweep(("", "", "")))
    [found] = grid.run()
    assert (found.name, found.clock) == ("3 points of three models, 2 processes", "wall")
    assert (found.unit, found.goal, found.missed) == ("s", 120, False)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "grid: 3/3 points in" in captured.err


def test_a_point_that_cannot_be_fails_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.grid.sweep.run", _sweep(("", "does not fit", "too large")))
    with pytest.raises(PlanningError, match="2 of 3 points cannot be, the first because does not"):
        grid.run()
