"""What a machine without PYNQ makes of its tests: a skip at a desk, a failure in CI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fpga_rt.errors import ToolchainError
from tests.serve import client


@contextmanager
def nowhere(version: str) -> Iterator[Path]:
    raise ToolchainError(f"PYNQ {version} cannot be installed")
    yield Path()


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", ToolchainError), ("", pytest.skip.Exception), (None, pytest.skip.Exception)],
)
def test_pynq_that_cannot_be_installed_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, value: str | None, expected: type[BaseException]
) -> None:
    pytest.importorskip("grpc", reason="the extra `serve` is not installed")
    monkeypatch.setattr(client, "environment", nowhere)
    monkeypatch.delenv("CI", raising=False)
    if value is not None:
        monkeypatch.setenv("CI", value)
    with pytest.raises(expected, match=r"PYNQ 3\.1\.2 cannot be installed"):
        client.run("3.1.2", "")
