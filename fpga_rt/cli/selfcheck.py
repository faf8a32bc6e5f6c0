"""`fpga-rt selfcheck`: check a device, measure it, and write a report to send or calibrate by."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fpga_rt import api
from fpga_rt.arch.boards import Board
from fpga_rt.cli.options import (
    DEFAULT_BOARD,
    add_base,
    add_calibration,
    add_xclbins,
    board_of,
    file_of,
    names,
    positive,
)
from fpga_rt.cli.progress import Progress
from fpga_rt.cli.selfcheck_text import report_text
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.device import registry
from fpga_rt.device.diagnosis import Finding
from fpga_rt.device.interface import Device
from fpga_rt.errors import ArtifactError, DeviceError
from fpga_rt.modules.module import Module
from fpga_rt.modules.registry import modules, named
from fpga_rt.selfcheck.bitstreams import Candidate, built, simulated
from fpga_rt.selfcheck.checks import Checks
from fpga_rt.selfcheck.report import Report
from fpga_rt.selfcheck.selfcheck import SelfCheck

SIMULATION = "simulation"
_TRIES_BY_WALL_CLOCK = 5
_OTHER_CHECKS = 10
"""Checks beside the loads, for the progress bar."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--device", default="emulator", help="`emulator` by default")
    parser.add_argument(
        "--board", default=DEFAULT_BOARD, help=f"board name, {DEFAULT_BOARD} by default"
    )
    add_base(parser)
    parser.add_argument(
        "--bitstreams", metavar="DIR",
        help=f"folder of the manifests of built bitstreams, or the word `{SIMULATION}` for those of"
        " simulated gateware; by default these on a device with a virtual clock, else the folder"
        " `bitstreams`",
    )  # fmt: skip
    parser.add_argument(
        "--modules", type=names, metavar="A,B",
        help="check these module variants only, as convolution_8x16,clamp_8",
    )  # fmt: skip
    parser.add_argument(
        "--repeat", type=positive, metavar="N",
        help=f"take every time N times; {_TRIES_BY_WALL_CLOCK} by default on the wall clock, once"
        " on a virtual one, which repeats itself",
    )  # fmt: skip
    add_xclbins(parser)
    add_calibration(parser)
    parser.add_argument(
        "-o", "--output", type=file_of(".json"), metavar="OUT.json",
        help="the report, its text beside it as OUT.txt; BOARD.selfcheck.json in the current folder"
        " by default",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Make the checks, write the report whatever they met, and then fail as the first did."""
    target = board_of(arguments.board, arguments.calibration)
    output: Path = arguments.output or Path(f"{target.name}.selfcheck.json")
    if not output.parent.is_dir():
        raise ArtifactError(
            f"the report cannot be written to {output}: {output.parent} is no folder; make it first"
        )
    chosen = modules() if arguments.modules is None else named(arguments.modules)
    report = Report(target, arguments.device, _command(arguments), _now())
    report.findings = _findings(arguments.device, target)
    checks = Checks()
    try:
        device = checks.run("open", lambda: _open(arguments, target))
        if device is not None:
            with device:
                _check(arguments, device, chosen, report, checks)
    finally:  # also when it is interrupted, or the device does not close
        report.checks = checks.done
        _write(arguments, report, output)
    if checks.failure is not None:
        raise checks.failure


def _findings(name: str, target: Board) -> Sequence[Finding]:
    """Return what a device finds of what it needs; none of an unknown one, which does not open."""
    try:
        return registry.diagnose(name, target).findings
    except DeviceError:
        return ()


def _open(arguments: argparse.Namespace, target: Board) -> tuple[Device, str]:
    asked = {"base": arguments.base, "xclbins": arguments.xclbins}
    options: dict[str, Any] = {name: path for name, path in asked.items() if path is not None}
    device = api.open_device(arguments.device, target, **options)
    return device, f"{arguments.device} is open, with the register map that was expected"


def _check(
    arguments: argparse.Namespace,
    device: Device,
    chosen: Sequence[Module],
    report: Report,
    checks: Checks,
) -> None:
    """Check an open device."""
    report.capabilities = device.capabilities
    found = checks.run("bitstreams", lambda: _candidates(arguments.bitstreams, device, chosen))
    if found is None:
        return
    virtual = device.capabilities.clock == "virtual"
    tries = arguments.repeat or (1 if virtual else _TRIES_BY_WALL_CLOCK)
    total = len(found) + _OTHER_CHECKS
    verbose = bool(arguments.verbose + arguments.more_verbose)
    with Progress(f"self-check of {report.device}", total, lambda: len(checks.done), verbose):
        SelfCheck(device, found, tries, report, checks).run()


def _candidates(
    given: str | None, device: Device, chosen: Sequence[Module]
) -> tuple[Sequence[Candidate], str]:
    board = device.capabilities.board
    if given is None and device.capabilities.clock == "virtual":
        given = SIMULATION
    folder = Path(given or "bitstreams")
    simulation = given == SIMULATION
    found = simulated(board, chosen) if simulation else built(board, chosen, folder)
    if not found:
        raise ArtifactError(
            f"none of {', '.join(m.name for m in chosen)} has room in a partition of"
            f" {board.name}; choose others with --modules"
        )
    origin = "simulation bitstreams" if simulation else f"bitstreams below {folder}"
    return found, f"{len(found)} {origin}, {len({c.partition for c in found})} partitions"


def _write(arguments: argparse.Namespace, report: Report, output: Path) -> None:
    """Write the report in both forms and print one of them."""
    data, text = json.dumps(report.data(), indent=2) + "\n", report_text(report)
    if arguments.output or not arguments.json:
        write_atomically(output, [data.encode()])
        write_atomically(output.with_suffix(".txt"), [f"{text}\n".encode()])
    if arguments.json:
        print(data, end="")
        return
    print(text)
    print(f"written: {output} and {output.with_suffix('.txt').name} beside it")


def _command(arguments: argparse.Namespace) -> str:
    """Return the command as it was meant: what it is about, not where its files go."""
    words = ["fpga-rt", "selfcheck", "--device", arguments.device, "--board", arguments.board]
    for name in ("base", "bitstreams", "xclbins", "repeat", "calibration"):
        value = getattr(arguments, name)
        words += [] if value is None else [f"--{name}", str(value)]
    words += [] if arguments.modules is None else ["--modules", ",".join(arguments.modules)]
    return shlex.join(words)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
