"""Files that are no text, or not there, are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.errors import ArtifactError
from fpga_rt.study.text_file import read_text


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("é\r\n".encode())
    assert read_text(path) == "é\r\n"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(
        ArtifactError, match=r"a.csv cannot be read \(it is no text\); check the path"
    ):
        read_text(path)
    with pytest.raises(ArtifactError, match=r"b.csv cannot be read \(No such file"):
        read_text(tmp_path / "b.csv")
