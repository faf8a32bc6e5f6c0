"""Entry point of `fpga-rt`: find the command, run it, turn errors into one line and a code."""

from __future__ import annotations

import argparse
import importlib
import io
import keyword
import logging
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import NoReturn, Protocol

from fpga_rt import __version__, errors

_COMMANDS = {
    "compile": "compile a model for a board into one archive",
    "inspect": "show an archive's steps, modules, sizes and predicted times",
    "run": "run a model or an archive and report latency, swaps and accuracy",
    "devices": "list devices and boards",
    "doctor": "what is installed, what each device needs, and the command for what is missing",
    "selfcheck": "check a device, measure it, and write a report to send or calibrate by",
    "calibrate": "replace parameters of a board's model by measured ones",
    "demo": "run the demo network: tables, timeline picture, trace, report",
    "build": "write, run and import a vendor tool's project for a board's bitstreams",
    "pynq-server": "a simulated board for unmodified PYNQ programs",
    "update": "send a running network a few kilobytes of parameters, signed",
    "study": "sweep what a device could be, report on it, and budget latency end to end",
    "bitstream": "read, verify, compare, shrink, size and register configuration files",
    "geometry": "derive the geometry of a device",
}
_USAGE, _INTERRUPTED, _OTHER = 2, 130, errors.FpgaRtError.exit_code


class Command(Protocol):
    """What a command's module offers; the package of a group has `COMMANDS` instead."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Describe its arguments."""

    def run(self, arguments: argparse.Namespace) -> None:
        """Do it; print the result on standard output."""


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage in one line, like every other error."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit."""
        self.exit(_USAGE, f"fpga-rt: error: {message}; see `{self.prog} --help`\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code; make one line and a code of whatever it raises."""
    argv = sys.argv[1:] if argv is None else argv
    given = argparse.Namespace(command="")
    try:
        return _run(argv, given)
    except KeyboardInterrupt:
        return _fail("interrupted", _INTERRUPTED, False)
    except BrokenPipeError:
        return _close_stdout()
    except argparse.ArgumentTypeError as error:
        return _fail(f"{error}; see `fpga-rt {given.command} --help`", _USAGE, _traces(argv))
    except errors.FpgaRtError as error:
        return _fail(str(error), error.exit_code, _traces(argv))
    except Exception as error:  # noqa: BLE001 - the last place where one line can be made of it
        return _fail(_unexpected(error), _OTHER, _traces(argv))


def _run(argv: Sequence[str], given: argparse.Namespace) -> int:
    """Parse arguments into `given` and run the command."""
    _tolerate_encodings()
    try:
        _parse(argv, given)
    except SystemExit as stop:  # help, version, or wrong usage
        return stop.code if isinstance(stop.code, int) else _USAGE
    _log_to_stderr(given.verbose + given.more_verbose)
    _import(given.command).run(given)
    sys.stdout.flush()
    return 0


def _traces(argv: Sequence[str]) -> bool:
    """Tell whether tracebacks are asked for, also when it is the parser that cannot be made."""
    flags = [word for word in argv if word == "--verbose" or word.strip("v") == "-"]
    return sum(1 if word == "--verbose" else word.count("v") for word in flags) > 1


def _parse(argv: Sequence[str], given: argparse.Namespace) -> None:
    """Parse into `given`; only the command asked for is imported, so help comes at once."""
    parser = _Parser(
        prog="fpga-rt",
        description="Run neural networks on FPGAs smaller than the network.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fpga-rt {__version__}")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say what is going on")
    _add_commands(parser, _COMMANDS, argv)
    parser.parse_args(argv, given)


def _add_commands(
    parser: argparse.ArgumentParser,
    summaries: Mapping[str, str],
    argv: Sequence[str],
    path: str = "",
) -> None:
    """Add commands; `argv` are the words in which one is asked for, `path` the groups before."""
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    asked = next((i for i, word in enumerate(argv) if not word.startswith("-")), len(argv))
    for name, summary in summaries.items():
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
        )
        if name not in argv[asked : asked + 1]:
            continue
        module = _import(path + name)
        members: Mapping[str, str] | None = getattr(module, "COMMANDS", None)
        if members is not None:
            _add_commands(command, members, argv[asked + 1 :], f"{path}{name} ")
            continue
        module.add_arguments(command)
        command.set_defaults(command=path + name)
        command.add_argument(
            "-v", "--verbose", action="count", default=0, dest="more_verbose",
            help="say what is going on; -vv also shows where an error comes from",
        )  # fmt: skip


def _import(command: str) -> Command:
    """Import a command, or the package of a group; a member's name follows that of its group."""
    words = (word.replace("-", "_") for word in command.split())
    parts = (f"{word}_" if keyword.iskeyword(word) else word for word in words)
    module: Command = importlib.import_module(".".join(("fpga_rt.cli", *parts)))
    return module


def _epilog() -> str:
    families = sorted(errors.FpgaRtError.__subclasses__(), key=lambda family: family.exit_code)
    codes = [f"{family.exit_code} {family.__name__.removesuffix('Error')}" for family in families]
    return (
        "examples:\n"
        "  fpga-rt demo\n"
        "  fpga-rt run model.onnx --input images.npz --labels images.npz\n"
        "  fpga-rt compile model.onnx --board pynq-z2 -o model.frt && fpga-rt inspect model.frt\n"
        "  fpga-rt bitstream verify partial.bit --board pynq-z2 --partition rp0\n\n"
        f"exit codes: 0 success, 1 other, 2 usage, {', '.join(codes)}, 130 interrupted"
    )


def _unexpected(error: Exception) -> str:
    """Return a line for what no layer turned into an error of this package."""
    if isinstance(error, MemoryError):
        return "out of memory; use a smaller --batch or fewer images"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; check the path, its permissions and free space"
    first_line = (str(error).splitlines() or [""])[0]
    return (
        f"internal error, {type(error).__name__}: {first_line}; run it again with -vv and report"
        " what that prints"
    )


def _fail(message: str, code: int, with_traceback: bool) -> int:
    if with_traceback:
        traceback.print_exc()
    print(f"fpga-rt: error: {' '.join(message.split())}", file=sys.stderr)
    return code


def _close_stdout() -> int:
    """Give up quietly when the reader of standard output (`| head`) has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _OTHER


def _log_to_stderr(verbosity: int) -> None:
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)]
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("fpga-rt: %(message)s"))
    log = logging.getLogger("fpga_rt")
    log.handlers, log.propagate = [handler], False
    log.setLevel(level)


def _tolerate_encodings() -> None:
    """Print names that the terminal's encoding lacks with escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
