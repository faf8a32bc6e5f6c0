"""The overlay folder: PYNQ's two files, and the partials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.builder import folder as folders
from fpga_rt.builder.folder import write_file
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


def files_below(folder: Path) -> dict[str, bytes]:
    """Return what lies below a folder, by path."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_nothing_of_an_earlier_export_stays(tmp_path: Path) -> None:
    """Also where runs were killed in the middle and left their folders."""
    done = build("pynq-z2", tmp_path / "project")
    results = collect(done.project, done.folder, done.board)
    fewer = replace(results, partials=results.partials[:-1])
    place = tmp_path / "overlay"
    export(results, place, "before", "<hwh/>")
    for left in ("overlay.new", "overlay.old"):
        (tmp_path / left / "rp0").mkdir(parents=True)
        (tmp_path / left / "rp0" / "stale.bit").write_bytes(b"stale")
    paths = export(fewer, place, "now", "<hwh/>")
    assert set(files_below(place)) == {path.relative_to(place).as_posix() for path in paths}
    assert "rp2/add_8.bit" not in files_below(place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["overlay", "project"]


def test_a_failed_export_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the last file is written; or the folder cannot be renamed."""
    done = build("pynq-z2", tmp_path / "project")
    results = collect(done.project, done.folder, done.board)
    export(results, tmp_path / "overlay", "before", "<hwh/>")
    before = files_below(tmp_path / "overlay")

    def full(path: Path, data: bytes, option: str) -> None:
        if path.name == "add_8.bit":
            raise ArtifactError(f"{path}: no space")
        write_file(path, data, option)

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "overlay.new":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    rename = Path.rename
    with monkeypatch.context() as patch:
        patch.setattr(folders, "write_file", full)
        with pytest.raises(ArtifactError, match="no space"):
            export(results, tmp_path / "overlay", "now", "<hwh/>")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(
            ArtifactError,
            match=r"cannot replace the folder \S+overlay: Permission denied; remove it",
        ):
            export(results, tmp_path / "overlay", "now", "<hwh/>")
    assert files_below(tmp_path / "overlay") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["overlay", "project"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    done = build("pynq-z2", tmp_path / "project")
    results = collect(done.project, done.folder, done.board)
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot make the folder"):
        export(results, tmp_path / "file" / "overlay", "name", "<hwh/>")
    (tmp_path / "overlay.new").write_text("")
    with pytest.raises(
        ArtifactError, match=r"cannot remove \S+overlay.new: Not a directory; remove"
    ):
        export(results, tmp_path / "overlay", "name", "<hwh/>")
