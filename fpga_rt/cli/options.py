"""Arguments that several commands take, and types that refuse wrong values at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from pathlib import Path

from fpga_rt.arch.boards import Board, board
from fpga_rt.arch.calibration import calibrate
from fpga_rt.arch.measurements import decode
from fpga_rt.errors import DeviceError
from fpga_rt.planner.schedule import POLICIES
from fpga_rt.study.text_file import read_text

DEFAULT_BOARD = "pynq-z2"


def positive(text: str) -> int:
    """Return a whole number of at least one.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number of at least 1")
    return int(text)


def partitions(text: str) -> int | tuple[int, ...]:
    """Return a number of partitions, or which, separated (or ended) by commas.

    Raises:
        ArgumentTypeError: it is neither.
    """
    if "," not in text:
        return positive(text)
    indices = text.removesuffix(",").split(",")
    if not all(index.isdecimal() for index in indices) or len(set(indices)) < len(indices):
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected a whole number of at least 1, or a list such as 0,2"
        )
    return tuple(map(int, indices))


def names(text: str) -> tuple[str, ...]:
    """Return names separated by commas.

    Raises:
        ArgumentTypeError: there is none between two commas.
    """
    found = tuple(name.strip() for name in text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected names as scale_8,add_8")
    return found


def file_of(*suffixes: str) -> Callable[[str], Path]:
    """Return a type for file names that end in one of some suffixes."""

    def check(text: str) -> Path:
        if Path(text).suffix not in suffixes:
            raise argparse.ArgumentTypeError(f"got {text!r}, expected {' or '.join(suffixes)}")
        return Path(text)

    return check


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add what names a deployment: an archive, or a model that is compiled on the fly."""
    parser.add_argument("model", type=Path, metavar="MODEL", help=".frt, .onnx or .tflite file")
    add_target(parser, None, "of an .frt it is the board that it was compiled for")


def add_target(parser: argparse.ArgumentParser, default: str | None, note: str) -> None:
    """Add the board, the number of its partitions, and the modules to choose from."""
    parser.add_argument(
        "--board", default=default, help=f"board name, {DEFAULT_BOARD} by default; {note}"
    )
    parser.add_argument(
        "--partitions", type=partitions, metavar="N or I,J",
        help="use the first N partitions of the board, or those of a list, as 0,2 or 1,",
    )  # fmt: skip
    parser.add_argument(
        "--modules", type=names, metavar="A,B",
        help="choose from these module variants only, as convolution_8x16,pooling_8",
    )  # fmt: skip


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """Add the file whose measurements replace parameters of the board's model."""
    parser.add_argument(
        "--calibration", type=Path, metavar="FILE",
        help="measured port rates, memory rates and software times, as `fpga-rt calibrate` wrote"
        " them, in the place of the board's own",
    )  # fmt: skip


def add_base(parser: argparse.ArgumentParser) -> None:
    """Add the full bitstream of the static region."""
    parser.add_argument(
        "--base", type=Path, metavar="FULL.bit",
        help="full bitstream of the static region to load first, for devices that take one",
    )  # fmt: skip


def add_xclbins(parser: argparse.ArgumentParser) -> None:
    """Add the folder of an Alveo card's xclbin files."""
    parser.add_argument(
        "--xclbins", type=Path, metavar="DIR",
        help="folder with MODULE.xclbin for each module, for the device `xrt`",
    )  # fmt: skip


def board_of(name: str, calibration: Path | None) -> Board:
    """Return a board, calibrated if a file says by what.

    Raises:
        DeviceError: there is no such board.
        ArtifactError: the file cannot be read, or is of another board.
    """
    found = board(name)
    if calibration is None:
        return found
    measured = decode(read_text(calibration), str(calibration), "calibration")
    return calibrate(found, measured, str(calibration))


def add_schedule(parser: argparse.ArgumentParser, batch: bool = True) -> None:
    """Add what a run's times depend on; `batch` unless it is what is asked for."""
    if batch:
        parser.add_argument(
            "--batch", type=positive, default=1, metavar="N",
            help="images in a request, 1 by default",
        )  # fmt: skip
    parser.add_argument(
        "--prefetch", choices=POLICIES, default="aggressive",
        help="load modules on demand (none, lru, belady) or ahead too (aggressive, the default;"
        " look-ahead, by a plan); lru, belady and look-ahead may move modules between partitions",
    )  # fmt: skip
    parser.add_argument(
        "--port", help="configuration port, `icap` or `pcap`; the board's default port otherwise"
    )


def port_of(board: Board, wanted: str | None) -> str:
    """Return the configuration port to use.

    Raises:
        DeviceError: the board has no such port.
    """
    if wanted is not None and wanted not in board.ports:
        raise DeviceError(
            f"board {board.name} has no configuration port {wanted!r}, expected one of"
            f" {', '.join(board.ports)}; leave --port out for {board.default_port}"
        )
    return wanted or board.default_port


def refuse_overwriting(output: Path, inputs: Collection[Path]) -> None:
    """Refuse an output that is one of the inputs.

    Raises:
        ArgumentTypeError: it is one.
    """
    for path in inputs:
        if output.resolve() == path.resolve():
            raise argparse.ArgumentTypeError(f"the output {output} would overwrite an input")
