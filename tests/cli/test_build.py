"""`fpga-rt build`: the command around projects, tools and results."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fpga_rt.arch.boards import Board
from fpga_rt.builder import folder as projects
from fpga_rt.builder import registry
from fpga_rt.builder.choice import Choice
from fpga_rt.builder.folder import FILE_NAME
from fpga_rt.builder.project import Project, Run
from fpga_rt.cli.main import main
from tests.builder.made import CARD, IMPLEMENTATION, SOURCE, build, kernels_of, link, project_of

ASKED: list[tuple[Board, Choice]] = []


def stub(board: Board, choice: Choice, announce: Callable[[str], None]) -> Project:
    """Make a project without the gateware: what it is asked for, for files that lie there."""
    announce("making Verilog: minutes")
    ASKED.append((board, choice))
    project = kernels_of() if board.name == CARD else project_of(board.name)
    runs = tuple(
        Run(place, m.name, m.module_id, project.runs[0].file)
        for place, modules in choice.runs.items()
        for m in modules
    )
    return replace(project, clock_ps=board.clock_ps, runs=runs)


@pytest.fixture(autouse=True)
def builders(monkeypatch: pytest.MonkeyPatch) -> None:
    ASKED.clear()
    monkeypatch.setattr(registry, "builder", lambda tool: stub)


def test_a_dry_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    assert main(["build", "add_8@rp2", "--board", "pynq-z2", "-o", str(folder)]) == 0
    assert capsys.readouterr().out == (
        "pynq-z2 (7z020clg400), compute clock 142.86 MHz\n"
        f"  static region  sources {SOURCE:08x}\n"
        "  modules        add_8\n"
        "  bitstreams     1 full, 3 blank, 1 of modules\n"
        f"written: {folder}, a project for Vivado 2022.1 or newer\n"
        f"next: cd {folder} && vivado -mode batch -source build.tcl\n"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["build.tcl", FILE_NAME]


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "add_8@rp2", "-o", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / FILE_NAME).read_text())


def test_another_clock_and_first_module(tmp_path: Path) -> None:
    words = ["build", "add_8", "-o", str(tmp_path), "--clock", "100", "--initial", "add_8@rp0"]
    assert main(words) == 0
    ((board, choice),) = ASKED
    assert board.clock_ps == 10_000
    assert choice.initial["rp0"].name == "add_8"
    assert json.loads((tmp_path / FILE_NAME).read_text())["clock_ps"] == 10_000


@pytest.mark.parametrize(("text", "clock_ps"), [("142.86", 7000), ("125", 8000), ("142.857", 7000)])
def test_clocks(tmp_path: Path, text: str, clock_ps: int) -> None:
    assert main(["build", "add_8", "-o", str(tmp_path), "--clock", text]) == 0
    assert ASKED[0][0].clock_ps == clock_ps


@pytest.mark.parametrize("text", ["0", "-5", "fast", "nan", "inf", "1001"])
def test_clocks_that_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert main(["build", "add_8", "-o", str(tmp_path / "out"), f"--clock={text}"]) == 2
    assert capsys.readouterr().err == (
        f"fpga-rt: error: argument --clock: got {text!r}, expected a number, MHz from 1 to 1000;"
        " see `fpga-rt build --help`\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["130", "300", "800"])
def test_clocks_that_the_processor_cannot_make(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    words = ["build", "add_8", "-o", str(tmp_path / "out"), "--clock", text]
    assert main([*words, "--board", "kv260"]) == 2
    assert capsys.readouterr().err == (
        f"fpga-rt: error: got --clock {text}, expected MHz that the processor of kv260 makes of"
        " 1000: 142.86, 125, 111.11, 100 ...; see `fpga-rt build --help`\n"
    )
    assert ASKED == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("text", "clock_ps"), [("300", 3333), ("130", 7692), ("250", 4000)])
def test_a_card_takes_any_clock(tmp_path: Path, text: str, clock_ps: int) -> None:
    words = ["build", "add_8", "--board", CARD, "-o", str(tmp_path), "--clock", text]
    assert main(words) == 0
    assert ASKED[0][0].clock_ps == clock_ps


def test_what_an_archive_loads(tmp_path: Path) -> None:
    model = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"
    archive = tmp_path / "digits.frt"
    pytest.importorskip("onnx")
    assert main(["compile", str(model), "--partitions", "2", "-o", str(archive)]) == 0
    assert main(["build", str(archive), "-o", str(tmp_path / "out")]) == 0
    from fpga_rt import api

    loads = {(f"rp{index}", name) for index, name in api.load(archive).loads}
    runs = {(place, m.name) for place, found in ASKED[0][1].runs.items() for m in found}
    assert runs == loads
    assert runs


def test_an_archive_of_another_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    model = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"
    archive = tmp_path / "digits.frt"
    assert main(["compile", str(model), "-o", str(archive)]) == 0
    assert main(["build", str(archive), "--board", "kv260", "-o", str(tmp_path / "out")]) == 5
    assert "was compiled for pynq-z2, expected kv260; compile it with" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_tool_is_noticed_before_any_verilog(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["build", "add_8", "-o", str(tmp_path / "out"), "--run"]) == 9
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("fpga-rt: error: vivado is not on PATH: install Vivado with the")
    assert ASKED == []
    assert not (tmp_path / "out").exists()


def test_no_linker_is_noticed_before_any_verilog(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "vivado"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["build", "add_8", "--board", CARD, "-o", str(tmp_path / "out"), "--run"]) == 9
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("fpga-rt: error: v++ is not on PATH: install the card's platform")
    assert ASKED == []
    assert not (tmp_path / "out").exists()


def test_run_and_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tool is a script that finds everything built."""
    build("pynq-z2", tmp_path / "out")
    tool = tmp_path / "vivado"
    tool.write_text("#!/bin/sh\necho 'fpga_rt: stage bitstreams'\n")
    tool.chmod(0o755)
    root = tmp_path / "bitstreams"
    words = ["build", "add_8@rp2", "-o", str(tmp_path / "out"), "--run", "--vivado", str(tool)]
    assert main([*words, "--root", str(root)]) == 0
    printed = capsys.readouterr()
    assert printed.err == "making Verilog: minutes\nstage bitstreams\n"
    static_id = SOURCE << 32 | IMPLEMENTATION
    assert printed.out.splitlines()[-3:] == [
        f"verified: the static region {static_id:016x} and 4 partials",
        f"registered below {root / 'pynq-z2'}",
        f"written: {tmp_path / 'out' / 'overlay'}, the folder for the board",
    ]
    assert (root / "pynq-z2" / "rp2" / "add_8" / "manifest.json").exists()
    overlay = tmp_path / "out" / "overlay"
    assert {path.name for path in overlay.glob("fpga_rt*")} == {
        "fpga_rt_pynq_z2.bit", "fpga_rt_pynq_z2.hwh",
    }  # fmt: skip
    text = (overlay / "fpga_rt_pynq_z2.hwh").read_text()
    assert 'NAME="PCW_FCLK0_PERIPHERAL_DIVISOR0" VALUE="7"' in text


def test_import_from_another_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build("kv260", tmp_path / "out")
    root = tmp_path / "root"
    assert main(["build", "--import", "-o", str(tmp_path / "out"), "--root", str(root)]) == 0
    assert "verified: the static region" in capsys.readouterr().out
    assert (root / "kv260" / "rp2" / "blank" / "manifest.json").exists()
    assert ASKED == []


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["add_8@rp2"], "modules"),
        (["--board", "pynq-z2", "--clock", "100"], "--board, --clock"),
        (["--initial", "add_8@rp2"], "--initial"),
        (["--vivado", "/opt/vivado", "--platform", "u50"], "--vivado, --platform"),
    ],
)
def test_import_refuses_what_the_project_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], names: str
) -> None:
    """Also the default board by its name: the folder holds the project of another one."""
    build("kv260", tmp_path / "out")
    root = tmp_path / "root"
    command = ["build", *words, "--import", "-o", str(tmp_path / "out"), "--root", str(root)]
    assert main(command) == 2
    assert capsys.readouterr().err == (
        f"fpga-rt: error: got {names} beside --import, expected none: {tmp_path / 'out'} says what"
        " was built; leave them out, or write another project without --import; see `fpga-rt build"
        " --help`\n"
    )
    assert not root.exists()


def test_a_failed_import_registers_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = build("pynq-z2", tmp_path / "out")
    built.path(built.project.runs[0].file).unlink()
    root = tmp_path / "root"
    assert main(["build", "--import", "-o", str(tmp_path / "out"), "--root", str(root)]) == 3
    assert "rp2/add_8.bit is missing" in capsys.readouterr().err
    assert not root.exists()
    assert not (tmp_path / "out" / "overlay").exists()


def test_run_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document: the project, and what became of it."""
    built = build("pynq-z2", tmp_path / "out")
    tool = tmp_path / "vivado"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    root = tmp_path / "bitstreams"
    words = ["build", "add_8@rp2", "-o", str(tmp_path / "out"), "--run", "--vivado", str(tool)]
    assert main([*words, "--root", str(root), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    results = printed.pop("results")
    assert printed == json.loads(built.path(FILE_NAME).read_text())
    assert results == {
        "static_id": f"{SOURCE << 32 | IMPLEMENTATION:016x}",
        "manifests": [
            str(root / "pynq-z2" / place / name / "manifest.json")
            for place, name in [(f"rp{i}", "blank") for i in range(3)] + [("rp2", "add_8")]
        ],
        "overlay": str(tmp_path / "out" / "overlay"),
    }
    assert (
        main(["build", "--import", "-o", str(tmp_path / "out"), "--root", str(root), "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["results"] == results


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--vivado", "v"], "--vivado: without --run or --import nothing is run or registered"),
        (["--root", "r", "--replace"], "--root, --replace: without --run or --import nothing is"),
        (["--platform", "u50"], "--platform: only the kernels of an Alveo card are linked with a"),
        (
            ["--board", CARD, "--initial", "add_8@user"],
            "--initial: an Alveo card has one partition",
        ),
        (["--board", CARD, "--run", "--root", "r"], "--root: an Alveo card has one partition that"),
    ],
)
def test_what_would_change_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["build", "add_8", *words, "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith(f"fpga-rt: error: got {message}")
    assert not (tmp_path / "out").exists()
    assert ASKED == []


def test_kernels_of_a_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    words = ["build", "add_8", "--board", CARD, "-o", str(folder), "--platform", "my_u200"]
    assert main(words) == 0
    assert ASKED[0][1].platform == "my_u200"
    assert capsys.readouterr().out == (
        "alveo-u200-xrt (xcu200), compute clock 250.00 MHz\n"
        f"  static region  sources {SOURCE:08x}\n"
        "  modules        add_8\n"
        "  xclbins        1, the static region in each of them\n"
        f"written: {folder}, a project for Vitis 2022.1 or newer\n"
        f"next: cd {folder} && vivado -mode batch -source build.tcl\n"
    )
    (run,) = projects.read(folder).runs
    link(folder, run, mhz=250)
    assert main(["build", "--import", "-o", str(folder)]) == 0
    assert capsys.readouterr().out == (
        "verified: 1 xclbin\n"
        "data clock: 250.00 MHz, as asked for\n"
        f"written: {folder / 'xclbins'}, the folder for `--device xrt --xclbins`\n"
    )
    assert (folder / "xclbins" / "add_8.xclbin").exists()
    assert main(["build", "--import", "-o", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"] == {
        "xclbins": [str(folder / "xclbins" / "add_8.xclbin")],
        "data_clock_mhz": {"add_8": 250},
    }
    assert main(["build", "--import", "-o", str(folder), "--root", str(tmp_path / "r")]) == 2


def test_another_clock_than_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build", "add_8", "scale_8", "clamp_8", "--board", CARD, "-o", str(tmp_path)]
    assert main(words) == 0
    project = projects.read(tmp_path)
    runs = tuple(replace(run, file=f"work/{run.module}.xclbin") for run in project.runs)
    projects.write(replace(project, runs=runs), tmp_path)
    for run, mhz in zip(runs, (300, 250, None), strict=True):
        link(tmp_path, run, mhz=mhz)
    capsys.readouterr()
    assert main(["build", "--import", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "verified: 3 xclbins",
        "data clock: add_8 300 MHz, scale_8 250 MHz, clamp_8 not stated; 250.00 MHz was asked for,"
        " and predictions are for that: see what v++ says of clocks in the log",
    ]


def test_a_platform_of_another_card_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build", "add_8", "--board", CARD, "-o", str(tmp_path / "out"), "--platform"]
    assert main([*words, "xilinx_u250_x"]) == 5
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("fpga-rt: error: got platform xilinx_u250_x, expected one of alveo-")
    assert ASKED == []
    assert not (tmp_path / "out").exists()


def test_run_or_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--run", "--import", "-o", str(tmp_path)]) == 2
    assert "not allowed with argument --run" in capsys.readouterr().err
