"""Versions against conditions, with `packaging` as the judge; and this package's own extras."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fpga_rt.builder import vivado
from fpga_rt.cli.installed import programs, requirements, satisfies

VERSIONS = ("1.21", "1.21.6", "2.0", "2.13.0+cpu", "3.1.2", "3.2", "4.0.0", "0.50.0.0.post130")
CONDITIONS = (
    ">=1.21", "==3.1.*", "<3", "<4,>=3.0.1", "==2.13.0", "~=3.1", "!=2.0", ">2", "<=2.0", "==2",
    "==0.50.0.0", "",
)  # fmt: skip


@pytest.mark.parametrize("wanted", CONDITIONS)
@pytest.mark.parametrize("found", VERSIONS)
def test_agrees_with_packaging_but_for_post_releases(found: str, wanted: str) -> None:
    specifiers = pytest.importorskip("packaging.specifiers")
    release = found.split(".post", maxsplit=1)[0]
    assert satisfies(found, wanted) == (release in specifiers.SpecifierSet(wanted))


def test_every_extra_is_listed_with_what_it_asks_for() -> None:
    found = list(requirements())
    assert found[0].package == "numpy"
    assert found[0].extra == ""
    assert found[0].met
    assert {"onnx", "tflite", "torch", "sim", "pynq", "serve", "study"} <= {n.extra for n in found}
    pynq = next(need for need in found if need.package == "pynq")
    assert set(pynq.wanted.split(",")) == {">=3.0.1", "<4"}


def test_programs_name_what_installs_them() -> None:
    found = {p.name: p.command for p in programs()}
    assert found["iverilog"] == "apt-get install iverilog"
    assert "settings64.sh" in found[vivado.PROGRAM]


def test_every_system_package_of_the_makefile_is_listed() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    (line,) = re.findall(r"^SYSTEM_PACKAGES := (.*)$", makefile, re.MULTILINE)
    wanted = dict(item.split("=") if "=" in item else (item, item) for item in line.split())
    found = {p.name: p.command for p in programs()}
    for package, program in wanted.items():
        assert found[program] == f"apt-get install {package}"


def test_a_program_is_found_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "vivado"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {p.name: p.path for p in programs()}
    assert found["vivado"] == str(tool)
    assert found["tclsh"] is None
