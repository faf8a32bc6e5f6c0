"""Policies beside the exact planner, in rows written by hand."""

from __future__ import annotations

import pytest

from fpga_rt.study.against_exact import against_exact
from fpga_rt.study.axes import AXES


def _row(
    policy: str, batch: int, hidden_ms: float, total_ms: float, proven: str = "no"
) -> dict[str, str]:
    axes = {**dict.fromkeys(AXES, ""), "policy": policy, "batch": str(batch)}
    times = {"hidden_ms": str(hidden_ms), "total_ms": str(total_ms), "proven": proven}
    return {"point": f"policy={policy} batch={batch}", **axes, **times}


def test_each_point_is_held_to_the_exact_one_of_its_settings() -> None:
    rows = [
        _row("none", 1, 0, 30),
        _row("look-ahead", 1, 9.9, 20.2),
        _row("exact", 1, 10, 20, "yes"),
        _row("look-ahead", 4, 40, 50),
        _row("exact", 4, 40, 50),
        _row("look-ahead", 16, 5, 5),  # nothing to hold it to
    ]
    none, planned = against_exact(rows)
    assert (none.policy, none.hidden) == ("none", {"policy=none batch=1": 0})
    assert planned.hidden == pytest.approx(
        {"policy=look-ahead batch=1": 0.99, "policy=look-ahead batch=4": 1}
    )
    assert planned.longer == pytest.approx(
        {"policy=look-ahead batch=1": 1.01, "policy=look-ahead batch=4": 1}
    )
    assert planned.text == (
        "look-ahead hides at least 99.0 % of what exact hides (policy=look-ahead batch=1) and takes"
        " at most 1.00 % longer (policy=look-ahead batch=1); exact proven in 1 of 2."
    )


def test_without_an_exact_schedule_or_where_it_hides_nothing_there_is_nothing_to_say() -> None:
    assert against_exact([_row("aggressive", 1, 5, 5)]) == []
    assert against_exact([_row("aggressive", 1, 0, 5), _row("exact", 1, 0, 5)]) == []
