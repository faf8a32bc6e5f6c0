"""Builders are found through entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from fpga_rt.builder import registry
from fpga_rt.builder.registry import GROUP, builder
from fpga_rt.errors import ToolchainError


def entries(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    found = [EntryPoint(name.strip("_"), value, GROUP) for name, value in values.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == GROUP else [])


def test_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    entries(monkeypatch, mine="json:dumps")
    assert builder("mine").__name__ == "dumps"


def test_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    entries(monkeypatch, mine="json:dumps")
    with pytest.raises(ToolchainError) as error:
        builder("quartus")
    assert str(error.value) == "nothing here makes projects for 'quartus': expected one of mine"


def test_no_gateware(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an environment with the wheel alone."""
    entries(monkeypatch, vivado="no_such_package.project:make")
    with pytest.raises(ToolchainError) as error:
        builder("vivado")
    assert str(error.value) == (
        "the gateware is not here (no_such_package.project:make: No module named"
        " 'no_such_package'); projects are made in a clone of the repository: run"
        " `pip install -e '.[sim]'` there"
    )


def test_two_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    entries(monkeypatch, vivado="json:dumps", vivado_="json:loads")
    with pytest.raises(ToolchainError, match="two packages offer projects for vivado: json:dumps"):
        builder("vivado")
