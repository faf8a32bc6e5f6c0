"""Which modules were loaded where, and after which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpga_rt.errors import ArtifactError
from sim.reconfiguration import TransitionCoverage

MODULES = {"rp0": ("a", "b"), "rp1": ("a", "b", "c")}


def _coverage(*loads: str, reloads: bool = False) -> TransitionCoverage:
    coverage = TransitionCoverage(dict(MODULES), reloads=reloads)
    for load in loads:
        coverage.loaded(*load.split("."))
    return coverage


def test_counts_loads_and_transitions() -> None:
    coverage = _coverage("rp0.a", "rp1.c", "rp0.b", "rp0.b", "rp0.a", "rp0.b")
    assert coverage.loads["rp0", "b"] == 3
    assert coverage.transitions["rp0", "a", "b"] == 2
    assert coverage.transitions["rp0", "b", "a"] == 1
    assert ("rp0", "b", "b") not in coverage.transitions
    assert coverage.percent == pytest.approx(100 * (2 + 2 + 1) / (2 + 2 + 3 + 6))


def test_reloads_count_where_asked_for() -> None:
    coverage = _coverage("rp0.a", "rp0.a", reloads=True)
    assert coverage.transitions["rp0", "a", "a"] == 1
    assert len(coverage.transitions) == 4 + 9


def test_missing_names_each() -> None:
    coverage = TransitionCoverage({"rp0": ["a", "b"]})
    coverage.loaded("rp0", "a")
    assert coverage.missing == [
        "rp0: b was never loaded",
        "rp0: b was never loaded after a",
        "rp0: a was never loaded after b",
    ]


def test_after_a_lost_module_there_is_no_transition() -> None:
    coverage = _coverage("rp0.a")
    coverage.lost("rp0")
    coverage.loaded("rp0", "b")
    assert coverage.transitions["rp0", "a", "b"] == 0


def test_merge_adds() -> None:
    first, second = _coverage("rp0.a", "rp0.b"), _coverage("rp0.a", "rp0.b", "rp1.c")
    first.merge(second)
    assert first.loads["rp0", "a"] == 2
    assert first.transitions["rp0", "a", "b"] == 2
    assert first.loads["rp1", "c"] == 1


def test_merge_wants_the_same_modules() -> None:
    expected = (
        r"^coverage of \{'rp0': \('a',\)\} \(reloads=False\) cannot be added to that of "
        r"\{'rp0': \('a', 'b'\), 'rp1': \('a', 'b', 'c'\)\} \(reloads=False\)$"
    )
    with pytest.raises(ValueError, match=expected):
        _coverage().merge(TransitionCoverage({"rp0": ["a"]}))


def test_save_adds_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "coverage.json"
    _coverage("rp0.a", "rp0.b").save(path)
    _coverage("rp0.a").save(path)
    read = TransitionCoverage.from_json(path.read_text("utf-8"))
    assert read.loads["rp0", "a"] == 2
    assert read.transitions["rp0", "a", "b"] == 1
    assert read.modules == MODULES
    assert json.loads(read.to_json())["percent"] == round(read.percent, 1)


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("[]", "another document"),
        ("", "JSONDecodeError"),
        ('{"format": "transition-coverage-1"}', "KeyError: 'modules'"),
        (
            '{"format": "transition-coverage-1", "modules": [], "reloads": 0}',
            "AttributeError",
        ),
    ],
    ids=["another", "no JSON", "cut off", "corrupt"],
)
def test_other_files_are_refused_and_kept(tmp_path: Path, text: str, got: str) -> None:
    path = tmp_path / "coverage.json"
    path.write_text(text, "utf-8")
    expected = f"^no transition coverage: expected a document of format .*, got {got}.*; remove"
    with pytest.raises(ArtifactError, match=expected):
        _coverage().save(path)
    assert path.read_text("utf-8") == text


def test_unknown_modules_are_refused() -> None:
    expected = r"^module 'c' in partition 'rp0': expected a, b$"
    with pytest.raises(ValueError, match=expected):
        _coverage("rp0.c")


def test_report() -> None:
    coverage = TransitionCoverage({"rp0": ["up", "down"]})
    for module in ("up", "down", "up"):
        coverage.loaded("rp0", module)
    assert coverage.report().splitlines() == [
        "  rp0    up  down",
        "loads     2     1",
        "   up     -     1",
        " down     1     -",
        "100.0 % of loads and transitions seen",
    ]
