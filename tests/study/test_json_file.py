"""Kept files: whole, or refused with what makes them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.errors import ArtifactError
from fpga_rt.study.json_file import read_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"x\.json cannot be read \(.*No such file.*\); make it"),
        ("{", r"x\.json cannot be read \(.*\); make it"),
        ("[]", r"x\.json is no thing of version 2; make it"),
        ('{"format": "thing", "version": 1}', r"x\.json is no thing of version 2; make it"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ArtifactError, match=message):
        read_json(path, ("thing", 2), "thing", "make it")


def test_what_is_right_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"format": "thing", "version": 2, "a": 1}')
    assert read_json(path, ("thing", 2), "thing", "make it")["a"] == 1
