"""Kernels of a card: what the linker has left is looked at, and all of it kept or nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.builder.folder import read, write
from fpga_rt.builder.kernels import keep_kernels
from fpga_rt.builder.project import Project, Run
from fpga_rt.errors import ArtifactError
from fpga_rt.modules.registry import named
from tests.builder.clock_section import DATA, KERNEL, SYSTEM, topology, with_clocks
from tests.builder.made import CARD, kernels_of, link
from tests.standin.xrt import xclbin


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project of two kernels, both linked, as it is read back."""
    first = kernels_of()
    (module,) = named(["scale_8"])
    second = Run("user", "scale_8", module.module_id, "work/scale_8.xclbin")
    write(replace(first, runs=(*first.runs, second)), tmp_path)
    found = read(tmp_path)
    for run in found.runs:
        link(tmp_path, run)
    return found


def test_each_is_named_after_its_module(project: Project, tmp_path: Path) -> None:
    assert project.is_of_kernels
    kept = keep_kernels(project, tmp_path, board(CARD))
    assert [kernel.path.relative_to(tmp_path) for kernel in kept] == [
        Path("xclbins/add_8.xclbin"), Path("xclbins/scale_8.xclbin"),
    ]  # fmt: skip
    assert [kernel.module for kernel in kept] == ["add_8", "scale_8"]
    for run, kernel in zip(project.runs, kept, strict=True):
        assert kernel.path.read_bytes() == (tmp_path / run.file).read_bytes()


def test_nothing_of_an_earlier_import_stays(project: Project, tmp_path: Path) -> None:
    keep_kernels(project, tmp_path, board(CARD))
    fewer = replace(project, runs=project.runs[1:])
    (kernel,) = keep_kernels(fewer, tmp_path, board(CARD))
    assert list((tmp_path / "xclbins").iterdir()) == [kernel.path]


def test_a_failed_import_leaves_the_earlier_one(project: Project, tmp_path: Path) -> None:
    """The second file cannot be read, then the folder cannot be made."""
    kept = keep_kernels(project, tmp_path, board(CARD))
    (tmp_path / project.runs[1].file).unlink()
    with pytest.raises(ArtifactError, match=r"scale_8\.xclbin is missing"):
        keep_kernels(project, tmp_path, board(CARD))
    link(tmp_path, project.runs[1])
    (tmp_path / "xclbins.new").write_text("in the way")
    with pytest.raises(ArtifactError, match=r"cannot remove \S+xclbins.new: Not a directory"):
        keep_kernels(project, tmp_path, board(CARD))
    assert sorted((tmp_path / "xclbins").iterdir()) == sorted(kernel.path for kernel in kept)


def test_one_that_is_missing(project: Project, tmp_path: Path) -> None:
    (tmp_path / "work" / "scale_8.xclbin").unlink()
    message = (
        "scale_8.xclbin is missing (No such file or directory): the tools have not linked scale_8;"
        " run them again, they go on where they stopped"
    )
    refuse(project, tmp_path, message)


def test_one_of_another_card(project: Project, tmp_path: Path) -> None:
    link(tmp_path, project.runs[1], "xilinx_u250_gen3x16_xdma_4_1_202210_1")
    message = (
        "was linked for platform xilinx_u250_gen3x16_xdma_4_1_202210_1, expected one of"
        " alveo-u200-xrt, with u200 in its name; write the project again with --platform of the"
        " card"
    )
    refuse(project, tmp_path, message)


def test_one_without_a_bitstream(project: Project, tmp_path: Path) -> None:
    (tmp_path / project.runs[1].file).write_bytes(xclbin(b""))
    refuse(project, tmp_path, "scale_8.xclbin has no bitstream: was it linked for emulation? Link")


def test_one_that_is_none(project: Project, tmp_path: Path) -> None:
    (tmp_path / project.runs[1].file).write_bytes(b"a bitstream")
    refuse(project, tmp_path, "scale_8.xclbin is no xclbin (got b'a bitstr'")


@pytest.mark.parametrize(
    ("clocks", "mhz"),
    [
        ([(300, DATA), (500, KERNEL)], 300),
        ([(450, SYSTEM), (500, KERNEL), (187, DATA)], 187),
        ([(500, KERNEL)], None),
        ([], None),
    ],
)
def test_what_a_file_says_of_its_clock(
    project: Project, tmp_path: Path, clocks: list[tuple[int, int]], mhz: int | None
) -> None:
    path = tmp_path / project.runs[1].file
    path.write_bytes(with_clocks(path.read_bytes(), topology(*clocks)))
    kept = keep_kernels(project, tmp_path, board(CARD))
    assert [kernel.data_clock_mhz for kernel in kept] == [None, mhz]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            topology((300, DATA), (500, KERNEL))[:-1],
            "clocks of 273 bytes, expected 274 for 2 clocks",
        ),
        (b"", "clocks of 0 bytes, expected 2 for 0 clocks"),
    ],
)
def test_clocks_that_are_cut_short(
    project: Project, tmp_path: Path, section: bytes, message: str
) -> None:
    path = tmp_path / project.runs[1].file
    path.write_bytes(with_clocks(path.read_bytes(), section))
    refuse(project, tmp_path, f"scale_8.xclbin: got a section of {message}; copy it again")


def refuse(project: Project, folder: Path, message: str) -> None:
    """Check that the second one is refused, and that nothing is kept then."""
    with pytest.raises(ArtifactError, match=re.escape(message)):
        keep_kernels(project, folder, board(CARD))
    assert not (folder / "xclbins").exists()
