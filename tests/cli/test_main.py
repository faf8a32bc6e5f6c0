"""Help, versions, verbosity and exit codes: what every command shares."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

import fpga_rt
from fpga_rt import errors
from fpga_rt.cli import progress
from tests.cli.conftest import Cli

COMMANDS = ("compile", "inspect", "run", "devices", "demo")


def test_help_lists_commands_and_exit_codes_without_loading_anything() -> None:
    script = (
        "import sys; from fpga_rt.cli.main import main; code = main(['--help']);"
        " assert not {'numpy', 'matplotlib', 'onnx'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    for command in COMMANDS:
        assert f"  {command} " in done.stdout
    assert "3 Artifact, 4 Model, 5 Planning, 6 Device, 7 Reconfiguration" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cli: Cli, command: str) -> None:
    answer = cli(command, "--help")
    assert answer.code == 0
    assert answer.out.startswith(f"usage: fpga-rt {command}")
    assert "-v, --verbose" in answer.out


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"fpga-rt {fpga_rt.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND; see `fpga-rt --help`"),
        (["run", "m.frt"], "the following arguments are required: --input; see `fpga-rt run"),
        (["compile", "m", "--partitions", "0"], "argument --partitions: got '0', expected a whole"),
        (
            ["compile", "m", "--partitions", "0,x"],
            "--partitions: got '0,x', expected a whole",
        ),
        (["compile", "m", "--partitions", "0,0"], "or a list such as 0,2"),
        (["inspect", "m", "--batch", "two"], "argument --batch: got 'two', expected a whole"),
        (["run", "m", "--input", "x", "--timeline", "t.gif"], "got 't.gif', expected .png or .svg"),
        (["run", "m", "--input", "x", "--codes"], "--codes needs --output; see `fpga-rt run"),
        (["run", "m", "--input", "x.npy", "--output", "x.npy"], "x.npy would overwrite an input"),
        (["compile", "a.frt", "-o", "a.frt"], "the output a.frt would overwrite an input"),
        (["dance"], "invalid choice: 'dance'"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(cli: Cli, arguments: list[str], message: str) -> None:
    answer = cli(*arguments)
    assert answer.code == 2
    assert answer.err.startswith("fpga-rt: error: ")
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert not answer.out


def _raise(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(arguments: object) -> None:
        raise error

    command = importlib.import_module("fpga_rt.cli.devices")
    monkeypatch.setattr(command, "run", run)


FAMILIES = [
    (errors.ArtifactError("x"), 3),
    (errors.ModelError("x"), 4),
    (errors.PlanningError("x"), 5),
    (errors.DeviceError("x"), 6),
    (errors.ReconfigurationError("x", "failed"), 7),
    (errors.ExecutionError("x"), 8),
    (errors.ToolchainError("x"), 9),
    (KeyboardInterrupt(), 130),
    (OSError(28, "No space left on device", "/out"), 1),
    (MemoryError(), 1),
    (ZeroDivisionError("division by zero"), 1),
]


@pytest.mark.parametrize(("error", "code"), FAMILIES)
def test_every_error_is_one_line_with_the_code_of_its_family(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    _raise(monkeypatch, error)
    answer = cli("devices")
    assert (answer.code, answer.err.count("\n")) == (code, 1)
    assert answer.err.startswith("fpga-rt: error: ")


def test_messages_of_unexpected_errors_say_what_to_do(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    _raise(monkeypatch, OSError(28, "No space left on device", "/out"))
    assert "/out: No space left on device; check the path" in cli("devices").err
    _raise(monkeypatch, MemoryError())
    assert "out of memory; use a smaller --batch" in cli("devices").err
    _raise(monkeypatch, ZeroDivisionError("division by zero"))
    expected = "internal error, ZeroDivisionError: division by zero; run it again with -vv"
    assert expected in cli("devices").err


def test_a_traceback_only_with_vv(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    _raise(monkeypatch, errors.ModelError("what, where"))
    assert "Traceback" not in cli("devices", "-v").err
    for arguments in (("devices", "-vv"), ("-vv", "devices"), ("-v", "devices", "-v")):
        error = cli(*arguments).err
        assert "Traceback" in error
        assert error.endswith("fpga-rt: error: what, where\n")


@pytest.mark.parametrize("module", ["fpga_rt.cli.devices", "fpga_rt.cli.main"])
def test_an_interrupt_during_imports_is_one_line(tmp_path: Path, module: str) -> None:
    """Interrupt the first import of a module, as Ctrl-C in the first moments does."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(fpga_rt.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-m", "fpga_rt", "devices"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "fpga-rt: error: interrupted\n"


def test_errors_of_imports_are_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(command: str) -> object:
        raise ImportError("no module named x")

    monkeypatch.setattr("fpga_rt.cli.main._import", broken)
    answer = cli("devices")
    assert answer.code == 1
    assert answer.err.startswith("fpga-rt: error: internal error, ImportError: no module named x")
    assert "Traceback" in cli("-vv", "devices").err


def test_verbose_logs_to_standard_error(cli: Cli, archive: Path, data: Path) -> None:
    answer = cli("run", archive, "--input", data, "--batch", 2, "-v")
    assert "small on emulator: 3/3 requests in" in answer.err
    assert cli("run", archive, "--input", data, "--batch", 2).err == ""


def test_a_reader_that_leaves_early_is_no_error(archive: Path) -> None:
    script = f"import fpga_rt.cli.main as m, sys; sys.exit(m.main(['inspect', {str(archive)!r}]))"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert error == b""


def test_names_that_the_terminal_cannot_show_are_escaped() -> None:
    script = "import fpga_rt.cli.main as m, sys; sys.exit(m.main(['compile', '\u6a21.onnx']))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert done.returncode == 4
    assert b"fpga-rt: error: \\u6a21.onnx cannot be read" in done.stderr


def test_progress_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    fake = SimpleNamespace(isatty=lambda: True, write=written.append, flush=lambda: None)
    monkeypatch.setattr(progress.sys, "stderr", fake)  # type: ignore[attr-defined]
    monkeypatch.setattr(progress, "_PERIOD_S", 0.001)
    steps, finished = count(1), threading.Event()

    def done() -> int:
        reached = min(next(steps), 4)
        if reached == 4:
            finished.set()
        return reached

    with progress.Progress("work", 4, done):
        assert finished.wait(timeout=5)
    text = "".join(written)
    assert "work [###############...............] 2/4 requests" in text
    assert text.endswith("\r\x1b[K")
