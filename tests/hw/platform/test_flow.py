"""The flow's Tcl, run by a model of Vivado that refuses what Vivado would (`vivado_model/`)."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hw.platform.constraints import GRAY_POINTERS
from tests.hw.platform.conftest import Made
from tests.hw.platform.model import FOLDER, Model

pytestmark = pytest.mark.skipif(
    shutil.which("tclsh") is None, reason="no tclsh: install Debian's package tcl"
)
_NO_BITSTREAMS = {"FPGA_RT_BITSTREAM": ""}


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that has to be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_flow_runs(made: Made, tmp_path: Path) -> None:
    copy = made.copy(tmp_path)
    ran = Model(copy.folder, made.board.name, _NO_BITSTREAMS).run()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1] == "fpga_rt: done"
    project = copy.project
    files = [project.base, project.implementation_id, *project.blanks.values()]
    files += [run.file for run in project.runs]
    assert [file for file in files if not (copy.folder / file).is_file()] == []
    assert not list(copy.folder.rglob("*.part.*"))


def test_no_row_of_the_table_is_dead(made: Made, tmp_path: Path) -> None:
    """Every property of the table is used, and every command but those of other constraints."""
    copy = made.copy(tmp_path)
    model = Model(copy.folder, made.board.name, _NO_BITSTREAMS)
    model.run()
    broken = Model(copy.folder, made.board.name, {"FPGA_RT_SLACK": "-0.5"})
    shutil.rmtree(copy.folder / "work")
    broken.run()
    used = model.used()
    table = (FOLDER / "commands.tcl").read_text()
    commands = {f"command {name}" for name in re.findall(r"^vendor (\S+)", table, re.MULTILINE)}
    properties = {
        f"property {name}" for name in re.findall(r"^property (\S+)", table, re.MULTILINE)
    }
    assert commands - used == {"command set_false_path"}
    series7 = {"property RESET_AFTER_RECONFIG", "property SNAPPING_MODE"}
    assert properties - used == (set() if made.board.name == "pynq-z2" else series7)


def test_every_row_of_the_table_has_its_reference() -> None:
    table = (FOLDER / "commands.tcl").read_text()
    rows = re.split(r"^(?=vendor |property )", table, flags=re.MULTILINE)[1:]
    assert len(rows) > 40
    assert [
        row
        for row in rows
        if not re.search(r'"UG(835|903|908|909|912)[^"]+"\s*(#.*)?\s*\Z', row.strip())
    ] == []


def test_what_is_there_is_kept(model: Callable[..., Model]) -> None:
    first = model(**_NO_BITSTREAMS)
    assert first.run("synthesis").returncode == 0
    again = first.run()
    assert again.returncode == 0
    kept = re.findall(r"kept: .*/(\S+)", again.stdout)
    assert sorted(kept)[-1] == "synthesised.dcp"
    assert len(kept) == 3
    assert "made:" not in first.run().stdout


def test_another_implementation_has_another_identity(model: Callable[..., Model]) -> None:
    """What was built against the first one goes with it."""
    run = model(**_NO_BITSTREAMS)
    assert run.run().returncode == 0
    work = next((run.folder / "work").glob("static-*"))
    first = (work / "implementation_id.txt").read_text()
    base = (work / "bitstreams" / "base.bit").read_bytes()
    (work / "routed.dcp").unlink()
    assert run.run("static").returncode == 0
    assert not (work / "bitstreams").exists()
    assert run.run().returncode == 0
    assert (work / "implementation_id.txt").read_text() != first
    assert (work / "bitstreams" / "base.bit").read_bytes() != base


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("flow.tcl", "opt_design\n", "optimise_design\n", 'invalid command name "optimise_design"'),
        ("flow.tcl", "-flatten_hierarchy", "-flattened", "synth_design has no option -flattened:"),
        ("flow.tcl", "HD.RECONFIGURABLE", "HD.RECONFIGURABEL", "HD.RECONFIGURABEL is in no table"),
        ("flow.tcl", "    lock_design", "    # lock_design", "the part that stays is another"),
        ("flow.tcl", " -buffer_ports", " -black_box", "the design is emptied"),
        ("constraints/clocks.xdc", "FCLKCLK[0]", "FCLKCLK[4]", "there is no pin"),
        ("constraints/clocks.xdc", "CLKOUT1", "CLKOUT9", "there is no pin"),
        ("constraints/crossings.xdc", "produce_w_gry", "produced", "there is no cell"),
        ("constraints/crossings.xdc", "get_clocks compute", "get_clocks sync", "there is no clock"),
        ("constraints/partitions.xdc", "board/rp2", "board/rp7", "there is no cell"),
        ("constraints/partitions.xdc", "resize_", "set x 1; resize_", 'invalid command name "set"'),
        ("constraints/partitions.xdc", "MODE ON", "MODE MAYBE", "takes ON OFF ROUTING"),
        ("constraints/partitions.xdc", "add_cells", "# add_cells", "and in no pblock"),
        ("rtl/modules/add_2.v", "input start,", "input begin,", "the ports of"),
        ("rtl/top.v", "module top", "module above", "no source has the top module top"),
        ("plan.tcl", "stage1_reg", "stage9_reg", "constraints name board/"),
        ("plan.tcl", "clg400-1", "clg484-1", "does not know the part xc7z020clg484-1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_noticed(
    model: Callable[..., Model], file: str, old: str, new: str, message: str
) -> None:
    run = model(**_NO_BITSTREAMS)
    edit(run.folder / file, old, new)
    ran = run.run()
    assert ran.returncode == 1
    assert message in ran.stderr
    assert ran.stderr.startswith("fpga_rt: error: ")
    assert not list((run.folder / "work").rglob("*.bit"))


def test_missed_timing(model: Callable[..., Model]) -> None:
    run = model(FPGA_RT_SLACK="-0.25", **_NO_BITSTREAMS)
    ran = run.run()
    assert ran.returncode == 1
    assert re.search(
        r"timing of \S+/routed is not met: slack of -0.25 ns at \S+; see \S+/routed_timing.rpt, and"
        r" build for a slower clock with `fpga-rt build --clock`",
        ran.stderr,
    )
    assert not list(run.folder.rglob("routed.dcp"))


def test_a_bus_skew_that_is_too_large(model: Callable[..., Model]) -> None:
    """Of one bus among several; timing itself is met."""
    run = model(FPGA_RT_SKEW_SLACK="-0.125", **_NO_BITSTREAMS)
    ran = run.run()
    assert ran.returncode == 1
    assert re.search(
        r"bus skew is too large: 7.125 ns, expected at most 7.000 ns; see \S+/routed_bus_skew.rpt,"
        r" and build for a slower clock with `fpga-rt build --clock`",
        ran.stderr,
    )
    assert not list(run.folder.rglob("routed.dcp"))


def test_a_report_of_bus_skew_that_reads_otherwise(model: Callable[..., Model]) -> None:
    """The number of constraints is that of the netlist's Gray pointers, in both directions."""
    run = model(FPGA_RT_SKEW_SLACK="none", **_NO_BITSTREAMS)
    ran = run.run()
    assert ran.returncode == 1
    assert re.search(
        rf"bus skew is not known: got 0 rows in \S+/routed_bus_skew.rpt, expected"
        rf" {len(GRAY_POINTERS)} of as many constraints; please report this",
        ran.stderr,
    )
    assert not list(run.folder.rglob("routed.dcp"))


def test_what_cannot_be_exchanged(model: Callable[..., Model]) -> None:
    """Where the tool says so in its report only."""
    run = model(FPGA_RT_VERDICT="are not", **_NO_BITSTREAMS)
    ran = run.run()
    assert ran.returncode == 1
    assert re.search(
        r"implementations are not of one static region: see \S+/pr_verify.rpt, remove"
        r" \S+/work/static-\w+ and run again",
        ran.stderr,
    )
    assert not list(run.folder.rglob("*.bit"))


@pytest.mark.parametrize("got", ["2021.2", "2019.1.3_AR73068"])
def test_an_old_tool(model: Callable[..., Model], got: str) -> None:
    ran = model(FPGA_RT_VERSION=got).run()
    assert ran.stderr == f"fpga_rt: error: got Vivado {got}, expected 2022.1 or newer\n"


def test_a_newer_tool(model: Callable[..., Model]) -> None:
    assert model(FPGA_RT_VERSION="2024.2.1", **_NO_BITSTREAMS).run().returncode == 0


def test_an_unknown_stage(model: Callable[..., Model]) -> None:
    ran = model().run("static", "everything")
    assert ran.stderr == (
        "fpga_rt: error: unknown stage 'everything', expected some of synthesis static modules"
        " bitstreams\n"
    )
