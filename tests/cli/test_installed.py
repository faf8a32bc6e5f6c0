"""Versions against conditions, with `packaging` as the judge; and this package's own extras."""

from __future__ import annotations

import pytest

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
    assert {p.name: p.command for p in programs()}["iverilog"] == "apt-get install iverilog"
