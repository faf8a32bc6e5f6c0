"""The overlay folder: PYNQ's two files, and the partials."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.builder.overlay import export, with_port_widths
from fpga_rt.builder.results import collect
from fpga_rt.errors import ArtifactError
from fpga_rt.serve.hwh import read_hwh, static_region_range, write_hwh
from tests.builder.made import build


def test_files(tmp_path: Path) -> None:
    done = build("pynq-z2", tmp_path / "project")
    results = collect(done.project, done.folder, done.board)
    paths = export(results, tmp_path / "overlay", "fpga_rt_pynq_z2", "<hwh/>")
    names = [path.relative_to(tmp_path / "overlay").as_posix() for path in paths]
    assert names == [
        "fpga_rt_pynq_z2.bit", "fpga_rt_pynq_z2.hwh", "rp0/blank.bit", "rp1/blank.bit",
        "rp2/blank.bit", "rp2/add_8.bit",
    ]  # fmt: skip
    assert paths[0].read_bytes() == results.base
    assert paths[-1].read_bytes() == results.partials[-1].data


def test_port_widths() -> None:
    """The names are those that PYNQ 3.1 looks for; a Zynq-7000 needs none."""
    for name, wanted in (
        ("pynq-z2", None),
        ("kv260", {"MAXIGP0": "128", "SAXIGP2": "64", "SAXIGP5": "64"}),
    ):
        target = board(name)
        plain = write_hwh(target, [static_region_range(target)], "overlay")
        text = with_port_widths(plain, target)
        assert read_hwh(text, "test") == read_hwh(plain, "test")
        found = {
            one.get("NAME"): one.get("VALUE")
            for one in ElementTree.fromstring(text).iter("PARAMETER")
        }
        if wanted is None:
            assert text == plain
        else:
            assert {port: found[f"C_{port}_DATA_WIDTH"] for port in wanted} == wanted


def test_no_processor() -> None:
    message = "hardware hand-off file of kv260: got 0 processors, expected one zynq_ultra_ps_e"
    with pytest.raises(ArtifactError, match=message):
        with_port_widths("<EDKSYSTEM/>", board("kv260"))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    done = build("pynq-z2", tmp_path / "project")
    results = collect(done.project, done.folder, done.board)
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot make the folder"):
        export(results, tmp_path / "file", "name", "<hwh/>")
