"""A study of two small networks, in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fpga_rt.study.file import Study, read
from fpga_rt.update import signature
from tests.update.signing import Entry

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"

HEAD = f"""\
[study]
title = "Two networks"
seed = 3

[networks]
a = "{DIGITS}"
b = {{ model = "{DIGITS}", partitions = [0, 2] }}

[workload.turns]
requests = 4
mix = {{ a = 1, b = 1 }}

[workload.poisson]
kind = "server"
requests = 300
rate_hz = 100
deadline_us = 60000
mix = {{ a = 3, b = 1 }}
queue = 8

[workload.alone]
kind = "single-stream"
requests = 3
mix = {{ a = 1 }}
"""

Written = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Return a function that writes a study file: a sweep behind the head, or all of it."""

    def write(text: str) -> Path:
        path = tmp_path / "study.toml"
        path.write_text(text if "[networks]" in text else f"{HEAD}\n[sweep]\n{text}")
        return path

    return write


@pytest.fixture
def study(written: Written) -> Callable[[str], Study]:
    """Return a function that reads a study of a sweep."""
    return lambda sweep: read(written(sweep))


@pytest.fixture
def signatures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the signature scheme of the tests of updates, and no other."""
    monkeypatch.setattr(signature, "entry_points", lambda group: [Entry()])
    signature.verifier.cache_clear()
    yield
    signature.verifier.cache_clear()
