"""From a project to registered bitstreams, with a model of Vivado in Vivado's place."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from fpga_rt.bitstream import manifest
from fpga_rt.builder import vivado
from fpga_rt.builder.results import collect, keep
from fpga_rt.errors import ArtifactError, ToolchainError
from tests.hw.platform.conftest import Made
from tests.hw.platform.model import Model

pytestmark = pytest.mark.skipif(
    shutil.which("tclsh") is None, reason="no tclsh: install Debian's package tcl"
)


def run(made: Made, programs: Path, **environment: str) -> list[str]:
    """Run a project under an environment, as `fpga-rt build --run` does; return what it says."""
    model = Model(made.folder, "pynq-z2", environment)
    program = model.program(programs)
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in model.variables.items():
            patch.setenv(name, value)
        patch.setenv("PATH", f"{program.parent}:{model.variables['PATH']}")
        vivado.run(made.project, made.folder, vivado.find(), said.append)
    return said


@dataclass(frozen=True)
class Built:
    """A project that has run, and what it said."""

    made: Made
    said: list[str]

    def without(self, place: str, folder: Path) -> Made:
        """Return a copy in which the bitstream of a place is to be made again."""
        copy, project = self.made.copy(folder), self.made.project
        files = {"base": project.base, "rp2/grey_box": project.blanks["rp2"]}
        files |= {f"{run.partition}/{run.module}": run.file for run in project.runs}
        (copy.folder / files[place]).unlink()
        return copy


@pytest.fixture(scope="module")
def built(zynq: Made, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return the small project as a whole run leaves it."""
    folder = tmp_path_factory.mktemp("built")
    copy = zynq.copy(folder)
    return Built(copy, run(copy, folder / "bin"))


def test_from_project_to_manifests(built: Built, tmp_path: Path) -> None:
    done = built.made
    assert built.said[0] == "stage synthesis"
    assert built.said[-1] == "done"
    results = collect(done.project, done.folder, done.board)
    assert results.static_id >> 32 == done.project.source_id
    stamp = (done.folder / done.project.implementation_id).read_text().strip()
    assert f"{results.static_id & 0xFFFFFFFF:08x}" == stamp
    keep(results, tmp_path / "root", replacing=False)
    found = {m.module: m for m in manifest.manifests(tmp_path / "root")}
    assert sorted(found) == ["add_2", "blank", "scale_2"]
    assert {m.static_id for m in found.values()} == {results.static_id}
    assert found["add_2"].module_id == next(
        r.module_id for r in done.project.runs if r.module == "add_2"
    )
    assert found["add_2"].tool == "Vivado 2022.1"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("base=device", r"base.bit: IDCODE: got 0x03722093 \(xc7z010\), expected 0x03727093"),
        ("base=access", r"base.bit: got USR_ACCESS [0-9a-f]{8}, expected [0-9a-f]{8} of this"),
        ("base=truncated", r"base.bit: the .bit header announces"),
        ("rp2/add_2=device", r"add_2-\w+.bit: IDCODE.*got 0x03722093"),
        ("rp2/add_2=partition", r"add_2-\w+.bit: .*expected frames of partition 'rp2'"),
        ("rp2/grey_box=truncated", r"rp2/blank.bit: the .bit header announces"),
    ],
)  # fmt: skip
def test_wrong_results_are_refused(built: Built, tmp_path: Path, spoil: str, message: str) -> None:
    done = built.without(spoil.partition("=")[0], tmp_path)
    made = [line for line in run(done, tmp_path / "bin", FPGA_RT_SPOIL=spoil) if "made:" in line]
    assert len(made) == 1
    with pytest.raises(ArtifactError, match=message):
        collect(done.project, done.folder, done.board)


def test_a_tool_that_makes_no_file(built: Built, tmp_path: Path) -> None:
    """The flow itself notices; the next run goes on there."""
    done = built.without("rp2/add_2", tmp_path)
    with pytest.raises(
        ToolchainError, match=r"exit code 1 .*add_2-\w+.bit was not made: the tool left"
    ):
        run(done, tmp_path / "bin", FPGA_RT_SPOIL="rp2/add_2=missing")
    with pytest.raises(ArtifactError, match=r"add_2-\w+.bit is missing"):
        collect(done.project, done.folder, done.board)
    said = run(done, tmp_path / "bin", FPGA_RT_SPOIL="")
    made = [line for line in said if line.startswith("made:")]
    assert [re.sub(r"-\w+\.bit", "", line.rpartition("/")[2]) for line in made] == ["add_2"]


def test_a_tool_that_fails(zynq: Made, tmp_path: Path) -> None:
    copy = zynq.copy(tmp_path)
    message = r"Vivado stopped with exit code 1 on \S+: fpga_rt: error: got Vivado 2019.2, expected"
    with pytest.raises(ToolchainError, match=message):
        run(copy, tmp_path / "bin", FPGA_RT_VERSION="2019.2")
    assert "got Vivado 2019.2" in (copy.folder / vivado.LOG).read_text()


@pytest.mark.slow
def test_whole_boards(whole: Made, tmp_path: Path) -> None:
    """The real floorplans: names, flow and results of every partition."""
    model = Model(whole.folder, whole.board.name)
    ran = model.run()
    assert (ran.returncode, ran.stderr) == (0, "")
    results = collect(whole.project, whole.folder, whole.board)
    kept = keep(results, tmp_path, replacing=False)
    assert len(kept) == 2 * len(whole.board.partitions)
    assert [m.frames >= p.frames for m, p in zip(
        (partial.manifest for partial in results.partials), whole.board.partitions, strict=False
    )] == [True] * 3  # fmt: skip
