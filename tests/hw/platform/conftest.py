"""Projects for the tests: a small one always, the real ones in the longer tier."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fpga_rt.arch.boards import Board, board
from fpga_rt.builder.choice import choose
from fpga_rt.builder.folder import write
from fpga_rt.builder.project import Project, decode
from hw.platform.project import vivado_project
from sim.cache import cached
from tests.hw.platform import netlist
from tests.hw.platform.made import sources
from tests.hw.platform.model import Model

_KEPT = "made.json"
SOURCES = ("rtl/board_logic.v", "rtl/partition.v", "rtl/top.v")


@dataclass(frozen=True)
class Made:
    """A project as it was written, and the names of what is in it."""

    board: Board
    project: Project
    folder: Path
    names: dict[str, list[str]]

    def copy(self, folder: Path) -> Made:
        """Return the same in a folder of its own."""
        target = shutil.copytree(self.folder, folder / "project")
        return replace(self, folder=Path(target))


def small_board(name: str) -> Board:
    """Return a board with its smallest partition alone, and hardly any feature memory."""
    whole = board(name)
    smallest = min(whole.partitions, key=lambda partition: partition.frames)
    return replace(whole, partitions=(replace(smallest, index=0),), feature_memory_bytes=1024)


def make(target: Board, modules: tuple[str, ...], folder: Path) -> Made:
    """Make a project of a board; every partition has the first module to begin with.

    It is kept in the cache of simulations, for as long as no source changes.
    """
    initial = [f"{modules[0]}@{partition.name}" for partition in target.partitions]

    def make_it(work: Path) -> None:
        project = vivado_project(target, choose(target, modules, initial))
        write(project, work)
        names = netlist.names(netlist.read(work, SOURCES, "top"), "top")
        content = {"project": project.encode(), "files": dict(project.files), "names": names}
        (work / _KEPT).write_text(json.dumps(content))

    inputs = (repr(target), repr(modules), sources())
    path = cached(f"project-{target.name}", _KEPT, inputs, make_it)
    content = json.loads(path.read_text())
    project = replace(decode(content["project"].encode(), str(path)), files=content["files"])
    write(project, folder)
    (folder / "netlist.tcl").write_text(netlist.as_tcl(content["names"]))
    return Made(target, project, folder, content["names"])


@pytest.fixture(scope="session")
def zynq(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a small project of the PYNQ-Z2."""
    return make(small_board("pynq-z2"), ("scale_2", "add_2"), tmp_path_factory.mktemp("zynq"))


@pytest.fixture(scope="session")
def ultrascale(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a small project of the KV260."""
    folder = tmp_path_factory.mktemp("ultrascale")
    return make(small_board("kv260"), ("scale_2", "add_2"), folder)


@pytest.fixture(params=["zynq", pytest.param("ultrascale", marks=pytest.mark.slow)])
def made(request: pytest.FixtureRequest) -> Made:
    """Return a small project of either."""
    found: Made = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def model(zynq: Made, tmp_path: Path) -> Callable[..., Model]:
    """Return what makes a model of Vivado for a fresh copy of the small project."""

    def make_model(**environment: str) -> Model:
        return Model(zynq.copy(tmp_path).folder, "pynq-z2", environment)

    return make_model


@pytest.fixture(scope="session", params=["pynq-z2", "kv260"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return the project of a board as it is; for the longer tier."""
    folder = tmp_path_factory.mktemp(f"whole-{request.param}")
    return make(board(request.param), ("scale_2",), folder)
