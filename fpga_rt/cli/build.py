"""`fpga-rt build`: a vendor tool's project for a board, its run, and what becomes of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fpga_rt.arch.boards import Board, board
from fpga_rt.cli.numbers import number
from fpga_rt.cli.options import DEFAULT_BOARD

if TYPE_CHECKING:
    from fpga_rt.builder.project import Project
    from fpga_rt.builder.results import Results

_TOOL = "vivado"
_ROOT = Path("bitstreams")
_CARD_PORT = "xclbin"
"""Of boards that XRT swaps."""
_PROCESSOR_MHZ = 1000
"""Of the PLL that the processors divide for the clock of the logic."""
_MOST_MHZ = 1000


def _clock_ps(mhz: float, target: Board) -> int:
    """Return a period in picoseconds: a processor divides for it, a card's linker takes any.

    Raises:
        ArgumentTypeError: the processor cannot make it.
    """
    if _is_card(target):
        return round(1e6 / mhz)
    divisor = max(round(_PROCESSOR_MHZ / mhz), 1)
    if abs(_PROCESSOR_MHZ / divisor - mhz) > mhz / 1000:
        raise argparse.ArgumentTypeError(
            f"got --clock {mhz:g}, expected MHz that the processor of {target.name} makes of"
            f" {_PROCESSOR_MHZ}: 142.86, 125, 111.11, 100 ..."
        )
    return divisor * 1_000_000 // _PROCESSOR_MHZ


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE[@PARTITION] | FILE.frt",
        help="what to build: a module for every partition that it fits or for one, or what an"
        " archive loads; by default every installed module for every partition that it fits",
    )  # fmt: skip
    parser.add_argument("--board", help=f"board name, {DEFAULT_BOARD} by default")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR",
        help="folder of the project; what the tool has built there is kept and not built again",
    )  # fmt: skip
    parser.add_argument(
        "--initial", action="append", default=[], metavar="MODULE@PARTITION",
        help="module that is in a partition while the static region is implemented; the one that"
        " fills it most, by default",
    )  # fmt: skip
    parser.add_argument(
        "--clock", type=number("MHz from 1 to 1000", lambda mhz: 1 <= mhz <= _MOST_MHZ),
        metavar="MHZ",
        help="compute clock, when that of the board cannot be met: 1000 MHz over a whole number,"
        " any for an Alveo card",
    )  # fmt: skip
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--run", action="store_true", help="run the tool, and import the results")
    action.add_argument(
        "--import", action="store_true", dest="take",
        help="import what the tool has built in DIR, for instance on another machine",
    )  # fmt: skip
    parser.add_argument(
        "--vivado", metavar="PROGRAM", help="the tool to run; `vivado` on PATH by default"
    )
    parser.add_argument(
        "--platform", metavar="NAME",
        help="platform that the kernels of an Alveo card are linked with, where it is not the one"
        " that is known of the card",
    )  # fmt: skip
    parser.add_argument(
        "--root", type=Path, metavar="ROOT",
        help=f"folder of all manifests, `{_ROOT}` by default",
    )  # fmt: skip
    parser.add_argument(
        "--replace", action="store_true", help="replace other bitstreams registered there"
    )
    parser.add_argument(
        "--json", action="store_true",
        help="print the project, and with --run or --import what became of it, as JSON",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Write the project, and with --run or --import register what became of it."""
    from fpga_rt.builder import folder as projects
    from fpga_rt.builder import vivado

    folder: Path = arguments.output
    if arguments.take:
        _refuse_choices(arguments)
        project = projects.read(folder)
        _refuse(arguments, project.is_of_kernels)
        _take(project, folder, arguments)
        return
    target = board(arguments.board or DEFAULT_BOARD)
    if arguments.clock is not None:
        target = replace(target, clock_ps=_clock_ps(arguments.clock, target))
    is_card = _is_card(target)
    _refuse(arguments, is_card)
    program = vivado.find(arguments.vivado, for_kernels=is_card) if arguments.run else ""
    project = _project(target, arguments)
    projects.write(project, folder)
    if arguments.json and not arguments.run:
        _print(_content(project))
    elif not arguments.json:
        _describe(project, folder, arguments)
    if arguments.run:
        vivado.run(project, folder, program, _say)
        _take(project, folder, arguments)


def _is_card(target: Board) -> bool:
    """Tell whether XRT swaps all that is in the FPGA, so that kernels are built for it."""
    return _CARD_PORT in target.ports


def _refuse(arguments: argparse.Namespace, is_of_kernels: bool) -> None:
    """Refuse what would change nothing.

    Raises:
        ArgumentTypeError: there is some.
    """
    registers = {"--root": arguments.root, "--replace": arguments.replace}
    reasons = [
        (not (arguments.run or arguments.take), {"--vivado": arguments.vivado, **registers},
         "without --run or --import nothing is run or registered; add one of them"),
        (is_of_kernels, {**registers, "--initial": arguments.initial},
         "an Alveo card has one partition that XRT swaps whole, so nothing is registered and no"
         " module is there to begin with; leave them out"),
        (not is_of_kernels, {"--platform": arguments.platform},
         "only the kernels of an Alveo card are linked with a platform; leave it out"),
    ]  # fmt: skip
    for applies, given, reason in reasons:
        names = [name for name, value in given.items() if value]
        if applies and names:
            raise argparse.ArgumentTypeError(f"got {', '.join(names)}: {reason}")


def _refuse_choices(arguments: argparse.Namespace) -> None:
    """Refuse what says otherwise what `project.json` says of what was built.

    Raises:
        ArgumentTypeError: there is some.
    """
    given = {
        "--board": arguments.board,
        "--clock": arguments.clock,
        "--initial": arguments.initial,
        "--vivado": arguments.vivado,
        "--platform": arguments.platform,
        "modules": arguments.modules,
    }
    names = [name for name, value in given.items() if value]
    if names:
        raise argparse.ArgumentTypeError(
            f"got {', '.join(names)} beside --import, expected none: {arguments.output} says what"
            " was built; leave them out, or write another project without --import"
        )


def _project(target: Board, arguments: argparse.Namespace) -> Project:
    from fpga_rt.builder.choice import choose
    from fpga_rt.builder.registry import builder

    make = builder(_TOOL)
    wanted = _wanted(target, arguments.modules)
    choice = choose(target, wanted, arguments.initial, arguments.platform or "")
    return make(target, choice, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _wanted(target: Board, arguments: Sequence[str]) -> list[str]:
    """Return modules and their partitions, those of archives included."""
    from fpga_rt import api
    from fpga_rt.errors import PlanningError

    wanted: list[str] = []
    for argument in arguments:
        if Path(argument).suffix != ".frt":
            wanted.append(argument)
            continue
        deployment = api.load(Path(argument))
        if deployment.board != target.name:
            raise PlanningError(
                f"{argument} was compiled for {deployment.board}, expected {target.name}; compile"
                f" it with --board {target.name}, or build for --board {deployment.board}"
            )
        wanted += [f"{name}@{target.partitions[i].name}" for i, name in sorted(deployment.loads)]
    return wanted


def _describe(project: Project, folder: Path, arguments: argparse.Namespace) -> None:
    names = sorted({run.module for run in project.runs})
    print(f"{project.board} ({project.part}), compute clock {1e6 / project.clock_ps:.2f} MHz")
    print(f"  static region  sources {project.source_id:08x}")
    print(f"  modules        {', '.join(names)}")
    if project.is_of_kernels:
        print(f"  xclbins        {len(project.runs)}, the static region in each of them")
    else:
        bitstreams = f"1 full, {len(project.blanks)} blank, {len(project.runs)} of modules"
        print(f"  bitstreams     {bitstreams}")
    print(f"written: {folder}, a project for {project.tool} {project.tool_version} or newer")
    if not arguments.run:
        print(f"next: cd {folder} && {' '.join(project.command)}")


def _content(project: Project) -> dict[str, object]:
    return dict(json.loads(project.encode()))


def _print(content: Mapping[str, object]) -> None:
    print(json.dumps(content, indent=2))


def _take(project: Project, folder: Path, arguments: argparse.Namespace) -> None:
    """Take over what the tool has built, and say what became of it."""
    target = replace(board(project.board), clock_ps=project.clock_ps)
    take = _take_kernels if project.is_of_kernels else _take_partials
    results, lines = take(project, folder, target, arguments)
    if arguments.json:
        _print({**_content(project), "results": results})
        return
    for line in lines:
        print(line)


def _take_kernels(
    project: Project, folder: Path, target: Board, _: argparse.Namespace
) -> tuple[dict[str, object], tuple[str, ...]]:
    """Copy the xclbins to where the device takes them."""
    from fpga_rt.builder.kernels import keep_kernels

    kept = keep_kernels(project, folder, target)
    clocks = {kernel.module: kernel.data_clock_mhz for kernel in kept}
    return {"xclbins": [str(kernel.path) for kernel in kept], "data_clock_mhz": clocks}, (
        f"verified: {len(kept)} {'xclbin' if len(kept) == 1 else 'xclbins'}",
        f"data clock: {_clocks_text(clocks, 1e6 / project.clock_ps)}",
        f"written: {kept[0].path.parent}, the folder for `--device xrt --xclbins`",
    )


def _clocks_text(clocks: Mapping[str, int | None], asked_mhz: float) -> str:
    """Return what xclbins say of their clocks, in whole MHz, beside what was asked for."""
    if all(mhz is not None and abs(mhz - asked_mhz) < 1 for mhz in clocks.values()):
        return f"{asked_mhz:.2f} MHz, as asked for"
    each = [
        f"{name} {'not stated' if mhz is None else f'{mhz} MHz'}" for name, mhz in clocks.items()
    ]
    return (
        f"{', '.join(each)}; {asked_mhz:.2f} MHz was asked for, and predictions are for that: see"
        " what v++ says of clocks in the log"
    )


def _take_partials(
    project: Project, folder: Path, target: Board, arguments: argparse.Namespace
) -> tuple[dict[str, object], tuple[str, ...]]:
    """Register the partial bitstreams, and write the overlay."""
    from fpga_rt.builder.results import collect, keep

    root = arguments.root or _ROOT
    results = collect(project, folder, target)
    kept = keep(results, root, replacing=arguments.replace)
    overlay = _export(results, folder / "overlay", target)
    content: dict[str, object] = {
        "static_id": f"{results.static_id:016x}",
        "manifests": [str(path) for path in kept],
        "overlay": str(overlay),
    }
    return content, (
        f"verified: the static region {results.static_id:016x} and {len(kept)} partials",
        f"registered below {root / target.name}",
        f"written: {overlay}, the folder for the board",
    )


def _export(results: Results, folder: Path, target: Board) -> Path:
    from fpga_rt.builder.overlay import export, with_port_widths
    from fpga_rt.serve.designs import overlay_name
    from fpga_rt.serve.hwh import static_region_range, write_hwh

    name = overlay_name(target)
    hwh = write_hwh(target, [static_region_range(target)], name)
    export(results, folder, name, with_port_widths(hwh, target))
    return folder
