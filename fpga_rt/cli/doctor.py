"""`fpga-rt doctor`: what is installed, what each device needs, and what to do about the rest."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from fpga_rt import __version__
from fpga_rt.arch.boards import board
from fpga_rt.cli.installed import Program, Requirement, programs, requirements
from fpga_rt.cli.options import DEFAULT_BOARD
from fpga_rt.cli.table import indented, table
from fpga_rt.device import registry
from fpga_rt.device.diagnosis import Diagnosis, Finding
from fpga_rt.errors import DeviceError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--device", metavar="DEVICE",
        help="look at this device only, and fail when something that it needs is missing",
    )  # fmt: skip
    parser.add_argument(
        "--board", default=DEFAULT_BOARD,
        help=f"board that is meant, {DEFAULT_BOARD} by default",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print what was found; with --device, fail when the device cannot be used."""
    target = board(arguments.board)
    names = [arguments.device] if arguments.device else [d.name for d in registry.devices()]
    found = [registry.diagnose(name, target) for name in names]
    needs = [] if arguments.device else list(requirements())
    tools = [] if arguments.device else list(programs())
    if arguments.json:
        print(json.dumps(_data(arguments.board, found, needs, tools), indent=2))
    else:
        print("\n".join(_lines(arguments.board, found, needs, tools)))
    if arguments.device and not found[0].usable:
        raise DeviceError(f"device {arguments.device} cannot be used here: {_first(found[0])}")


def _first(diagnosis: Diagnosis) -> str:
    """Return the first thing that stands in the way, and what helps."""
    missing = next((f for f in diagnosis.findings if f.state == "missing"), None)
    if missing is None:
        return str(diagnosis.obstacle)
    return f"{missing.subject}: {missing.found}; {missing.remedy}"


def _lines(
    name: str, found: Sequence[Diagnosis], needs: Sequence[Requirement], tools: Sequence[Program]
) -> Iterator[str]:
    yield f"{_versions()}, board {name}"
    if needs or tools:
        yield ""
        yield indented(table(("extra", "to install it", "installed"), "<<<", _extras(needs)))
        yield ""
        yield indented(table(("program", "for", "found", "to install it"), "<<<<", [
            (t.name, t.purpose, t.path or "not found", "" if t.path else t.command) for t in tools
        ]))  # fmt: skip
    for one in found:
        yield ""
        yield f"device {one.device}: {'can be used' if one.usable else _first(one)}"
        rows = [(f.state, f.subject, f.found, f.remedy) for f in one.findings]
        if rows:
            yield indented(table(("state", "what", "found", "what to do"), "<<<<", rows))


def _extras(needs: Sequence[Requirement]) -> list[tuple[str, str, str]]:
    """Return a row for each extra: what is installed of it, then what is not or will not do."""
    extras = {need.extra: [n for n in needs if n.extra == need.extra] for need in needs}
    rows = []
    for extra, parts in extras.items():
        met = [f"{n.package} {n.found}" for n in parts if n.met]
        unmet = [f"{n.package}{n.wanted}: {n.found or 'none'}" for n in parts if not n.met]
        command = f"pip install 'fpga-rt[{extra}]'" if extra else "pip install fpga-rt"
        text = ", ".join(met)
        if unmet:
            text = f"{text + '; ' if text else ''}not {', '.join(unmet)}"
        rows.append((extra or "core", command if unmet else "", text))
    return rows


def _versions() -> str:
    return (
        f"fpga-rt {__version__}, Python {platform.python_version()}, NumPy {np.__version__},"
        f" {platform.system()} {platform.release()} {platform.machine()}"
    )


def _data(
    name: str, found: Sequence[Diagnosis], needs: Sequence[Requirement], tools: Sequence[Program]
) -> dict[str, Any]:
    return {
        "fpga_rt": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "board": name,
        "requirements": [asdict(need) | {"met": need.met} for need in needs],
        "programs": [asdict(tool) for tool in tools],
        "devices": [
            {
                "name": one.device,
                "description": one.description,
                "usable": one.usable,
                "obstacle": one.obstacle,
                "findings": [_finding(finding) for finding in one.findings],
            }
            for one in found
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return asdict(finding) | {"state": finding.state}
