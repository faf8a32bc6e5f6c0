"""What is said of each policy on the three-model trace, from rows written by hand."""

from __future__ import annotations

from benchmarks.three_models import _policies
from fpga_rt.study.axes import AXES


def _row(policy: str, batch: int, hidden: float, total: float, **figures: str) -> dict[str, str]:
    axes = dict.fromkeys(AXES, "") | {"policy": policy, "batch": str(batch)}
    times = {"total_ms": str(total), "hidden_ms": str(hidden), "load_ms": "40", "static_ms": "9.5"}
    rest = {"point": f"{policy} {batch}", "gap_percent": "12.5", "proven": "", "error": ""}
    return axes | times | rest | figures


ROWS = [
    _row("none", 4, 0, 30),
    _row("look-ahead", 4, 19.8, 20.2),
    _row("exact", 4, 20, 20, proven="yes"),
    _row("none", 16, 0, 66),
    _row("look-ahead", 16, 10, 60, static_ms=""),
    _row("exact", 16, 10, 60, proven="yes"),
]


def test_totals_are_of_one_batch_and_comparisons_of_all() -> None:
    found = list(_policies(ROWS, 16))
    assert [(m.name, m.value) for m in found] == [
        ("three models, none", 66.0),
        ("  hidden of what exact hides", 0.0),
        ("  longer than exact", 50.0),  # at batch 4
        ("three models, look-ahead", 60.0),
        ("  hidden of what exact hides", 99.0),
        ("  longer than exact", 1.0000000000000009),
        ("three models, exact", 60.0),
    ]
    assert {m.clock for m in found} == {"virtual"}
    assert found[0].note == (
        "batch 16, 0.0 of 40.0 ms of loads hidden, 12.50 % above the bound, static design 9.5 ms"
    )
    assert found[3].note.endswith("no static one")


def test_look_ahead_alone_has_a_goal_and_only_where_all_is_proven() -> None:
    goals = {m.note: m.goal for m in _policies(ROWS, 16) if m.goal}
    assert goals == {"at least, exact proven in 2 of 2 batches": 99}
    missed = [_row("look-ahead", 16, 9.8, 61), *ROWS[:4], ROWS[5]]
    assert any(m.missed for m in _policies(missed, 16))
    unproven = [*ROWS[:5], ROWS[5] | {"proven": "no"}]
    assert not any(m.goal for m in _policies(unproven, 16))


def test_a_point_that_cannot_be_is_left_out() -> None:
    rows = [*ROWS, _row("lru", 16, 0, 1, error="does not fit")]
    assert not any("lru" in m.name for m in _policies(rows, 16))
