"""Running the tool: found or not, its progress, its failures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fpga_rt.builder.vivado import LOG, find, run
from fpga_rt.errors import ToolchainError
from tests.builder.made import project_of

PROJECT = project_of("pynq-z2")


def tool(folder: Path, script: str, name: str = "vivado") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_not_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError) as error:
        find()
    assert str(error.value) == (
        "vivado is not on PATH: install Vivado with the board's device family (its free edition has"
        " it) and source its settings64.sh, or name it with --vivado; or build without --run, run"
        " the command that this prints where Vivado is installed, and take over the results with"
        " `fpga-rt build --import`"
    )
    program = tool(tmp_path, "exit 0")
    assert find() == program


def test_not_where_it_was_said(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"/nowhere/vivado cannot be run: install Vivado"):
        find("/nowhere/vivado")


def test_neither_vivado_nor_linker_of_kernels(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError) as error:
        find(for_kernels=True)
    rest = (
        "; or build without --run, run the command that this prints where Vitis is installed, and"
        " take over the results with `fpga-rt build --import`"
    )
    install = (
        "install the card's platform and Vitis, which has vivado and v++, and source its"
        " settings64.sh"
    )
    assert str(error.value) == (f"vivado is not on PATH: {install}, or name it with --vivado{rest}")
    program = tool(tmp_path, "exit 0")
    with pytest.raises(ToolchainError) as error:
        find(program, for_kernels=True)
    assert str(error.value) == f"v++ is not on PATH: {install}{rest}"
    tool(tmp_path, "exit 0", "v++")
    assert find(for_kernels=True) == program


def test_progress_and_log(tmp_path: Path) -> None:
    said: list[str] = []
    program = tool(tmp_path, 'echo "$@"; echo "fpga_rt: stage static"; echo noise >&2; pwd')
    run(PROJECT, tmp_path, program, said.append)
    assert said == ["stage static"]
    assert (tmp_path / LOG).read_text() == (
        f"-mode batch -source build.tcl\nfpga_rt: stage static\nnoise\n{tmp_path}\n"
    )


def test_a_failure_shows_its_errors(tmp_path: Path) -> None:
    program = tool(
        tmp_path,
        'echo "ERROR: [Place 30-58] no room"; for i in 1 2 3 4 5 6; do echo noise; done;'
        ' echo "fpga_rt: error: timing"; exit 3',
    )
    with pytest.raises(ToolchainError) as error:
        run(PROJECT, tmp_path, program, lambda line: None)
    assert str(error.value) == (
        f"Vivado stopped with exit code 3 on {tmp_path}: ERROR: [Place 30-58] no room |"
        f" fpga_rt: error: timing; all of it is in {tmp_path / LOG}, and another run goes on where"
        " this one stopped"
    )


def test_a_failure_without_words(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"exit code 1 on .*: last words; all of it"):
        run(PROJECT, tmp_path, tool(tmp_path, "echo last words; exit 1"), lambda line: None)


def test_a_program_that_cannot_run(tmp_path: Path) -> None:
    (tmp_path / "vivado").write_text("no program")
    message = f"{tmp_path / 'vivado'} cannot be run: Permission denied; check the path"
    with pytest.raises(ToolchainError, match=re.escape(message)):
        run(PROJECT, tmp_path, str(tmp_path / "vivado"), lambda line: None)
