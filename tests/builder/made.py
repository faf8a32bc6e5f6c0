"""A project whose tool has run: files as it would leave them, by this project's own builder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from fpga_rt.arch.boards import Board, board
from fpga_rt.bitstream.build import bit_file, simulation_bitstream
from fpga_rt.bitstream.locate import partition_of
from fpga_rt.builder.folder import write
from fpga_rt.builder.project import Project, Run
from fpga_rt.modules.registry import named
from tests.builder.clock_section import DATA, topology, with_clocks
from tests.hw.platform.vivado_model.write_bitstream import full, partial
from tests.standin.xrt import PLATFORM, xclbin

IMPLEMENTATION = 0x1234ABCD
SOURCE = 0xA3B665F4
_DESIGN = "top;UserID=0XFFFFFFFF;Version=2022.1"
CARD = "alveo-u200-xrt"
PARTS = {"pynq-z2": "7z020clg400", "kv260": "xck26-sfvc784-2LV-c", CARD: "xcu200"}


@dataclass(frozen=True)
class Built:
    """A project and its folder."""

    board: Board
    project: Project
    folder: Path

    def path(self, name: str) -> Path:
        """Return the path of a file of the project."""
        return self.folder / name


def project_of(name: str) -> Project:
    """Return a small project: a module in one partition."""
    target = board(name)
    (module,) = named(["add_8"])
    place = target.partitions[-1].name
    return Project(
        board=name,
        clock_ps=target.clock_ps,
        part=PARTS[name],
        tool="Vivado",
        tool_version="2022.1",
        command=("vivado", "-mode", "batch", "-source", "build.tcl"),
        source_id=SOURCE,
        base="work/static/bitstreams/base.bit",
        blanks={p.name: f"work/static/bitstreams/{p.name}/blank.bit" for p in target.partitions},
        implementation_id="work/static/implementation_id.txt",
        runs=(Run(place, "add_8", module.module_id, f"work/static/bitstreams/{place}/add_8.bit"),),
        files={"build.tcl": "# nothing\n"},
    )


def kernels_of() -> Project:
    """Return a small project of kernels: one module."""
    (module,) = named(["add_8"])
    return replace(
        project_of(CARD),
        base="",
        blanks={},
        implementation_id="",
        tool="Vitis",
        runs=(Run("user", "add_8", module.module_id, "work/add_8.xclbin"),),
    )


def link(folder: Path, run: Run, platform: str = PLATFORM, mhz: int | None = None) -> Path:
    """Write an xclbin as the linker would, with a data clock or none; return its path."""
    target = board(CARD)
    stream = simulation_bitstream(target.device, target.partitions[0], run.module_id)
    path = folder / run.file
    path.parent.mkdir(parents=True, exist_ok=True)
    data = xclbin(stream, platform)
    path.write_bytes(data if mhz is None else with_clocks(data, topology((mhz, DATA))))
    return path


def build(name: str, folder: Path) -> Built:
    """Write a project and what its tool leaves."""
    target, project = board(name), project_of(name)
    write(project, folder)
    chip, part = target.device, PARTS[name]
    files = {
        project.base: bit_file(
            full(chip, target.partitions[0], IMPLEMENTATION), _DESIGN, part, partial=False
        )
    }
    blanks = [(place, file, "blank") for place, file in project.blanks.items()]
    for place, file, seed in (*blanks, *((r.partition, r.file, r.module) for r in project.runs)):
        stream = partial(chip, partition_of(target, place), seed)
        files[file] = bit_file(stream, _DESIGN, part, partial=True)
    for file, data in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)
    (folder / project.implementation_id).write_text(f"{IMPLEMENTATION:08x}\n")
    return Built(target, project, folder)
