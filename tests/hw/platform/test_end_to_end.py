"""From a project to registered bitstreams, with a model of Vivado in Vivado's place."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
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


@pytest.fixture
def run(
    zynq: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Made, list[str]]]:
    """Return what runs the small project under an environment, as `fpga-rt build --run` does."""
    copy = zynq.copy(tmp_path)

    def run_it(**environment: str) -> tuple[Made, list[str]]:
        model = Model(copy.folder, "pynq-z2", environment)
        for name, value in model.variables.items():
            monkeypatch.setenv(name, value)
        program = model.program(tmp_path / "bin")
        monkeypatch.setenv("PATH", f"{program.parent}:{model.variables['PATH']}")
        said: list[str] = []
        vivado.run(copy.project, copy.folder, vivado.find(), said.append)
        return copy, said

    return run_it


def test_from_project_to_manifests(
    run: Callable[..., tuple[Made, list[str]]], tmp_path: Path
) -> None:
    done, said = run()
    assert said[0] == "stage synthesis"
    assert said[-1] == "done"
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
def test_wrong_results_are_refused(
    run: Callable[..., tuple[Made, list[str]]], spoil: str, message: str
) -> None:
    done, _ = run(FPGA_RT_SPOIL=spoil)
    with pytest.raises(ArtifactError, match=message):
        collect(done.project, done.folder, done.board)


def test_a_tool_that_makes_no_file(
    run: Callable[..., tuple[Made, list[str]]], zynq: Made, tmp_path: Path
) -> None:
    """The flow itself notices; the next run goes on there."""
    with pytest.raises(
        ToolchainError, match=r"exit code 1 .*add_2-\w+.bit was not made: the tool left"
    ):
        run(FPGA_RT_SPOIL="rp2/add_2=missing")
    folder = tmp_path / "project"
    with pytest.raises(ArtifactError, match=r"add_2-\w+.bit is missing"):
        collect(zynq.project, folder, zynq.board)
    _, said = run(FPGA_RT_SPOIL="")
    made = [line for line in said if line.startswith("made:")]
    assert [re.sub(r"-\w+\.bit", "", line.rpartition("/")[2]) for line in made] == ["add_2"]


def test_a_tool_that_fails(run: Callable[..., tuple[Made, list[str]]], tmp_path: Path) -> None:
    message = r"Vivado stopped with exit code 1 on \S+: fpga_rt: error: got Vivado 2019.2, expected"
    with pytest.raises(ToolchainError, match=message):
        run(FPGA_RT_VERSION="2019.2")
    assert "got Vivado 2019.2" in (tmp_path / "project" / vivado.LOG).read_text()


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
