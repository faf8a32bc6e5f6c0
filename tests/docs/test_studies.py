"""Pages of studies whose models are not part of the repository print what their commands print."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.docs.test_examples import DOCS, _blocks, _check_output, _commands, _Page

PAGES = sorted((DOCS / "studies").glob("*.md"))
_MODELS = "MODELS"
"""Stands in a command for the folder of the MLPerf Tiny models."""


def _left_out() -> list[tuple[Path, int, str, str]]:
    """Return page, line, command and output of every block that needs the models."""
    return [
        (page, block.line, command, output)
        for page in PAGES
        for block in _blocks(page)
        if block.language == "console" and block.note and block.note[0] == "not run"
        for command, output in _commands(block.text)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "line", "command", "output"),
    [pytest.param(*found, id=f"{found[0].stem}:{found[1]}") for found in _left_out()],
)
def test_pages_with_models_say_what_the_commands_say(
    page: Path, line: int, command: str, output: str, data_dir: Path, tmp_path: Path
) -> None:
    assert _MODELS in command
    models = shlex.quote(str(data_dir / "mlperf-tiny"))
    printed = _Page(tmp_path).command(command.replace(_MODELS, models), f"{page}:{line}")
    _check_output(printed, output, f"{page.name}:{line}")


def test_every_page_of_a_study_has_the_same_parts() -> None:
    parts = ("**Question.**", "**Command.**", "**How to read it.**", "**What it says.**",
             "**Limits.**")  # fmt: skip
    assert len(PAGES) == 4
    for page in PAGES:
        text = page.read_text()
        places = [text.find(part) for part in parts]
        assert -1 not in places, page.name
        assert places == sorted(places), page.name
        assert any(label in text for label in ("*modelled*", "modelled"))
