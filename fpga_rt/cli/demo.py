"""`fpga-rt demo`: handwritten digits on an emulated board, with and without swapping modules."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt import api
from fpga_rt.arch.boards import Board, board
from fpga_rt.cli import arrays
from fpga_rt.cli.description import Json, baseline, prediction
from fpga_rt.cli.execution import Conditions, Outcome, execute
from fpga_rt.cli.run import details
from fpga_rt.cli.table import indented, table
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import ArtifactError
from fpga_rt.network.graph import Network
from fpga_rt.planner.schedule import Policy
from fpga_rt.runtime import perfetto, timeline
from fpga_rt.runtime.assumptions import assumptions
from fpga_rt.runtime.report_text import count_text, time_text

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits"
BOARD, PORT, DEVICE = "pynq-z2", "icap", "emulator"
BATCH = 150
"""Long enough for a launch to hide the load of the next module."""


@dataclass(frozen=True)
class Case:
    """One of the runs that are compared."""

    key: str
    title: str
    partitions: int
    prefetch: Policy


CASES = (
    Case("on_demand", "2 partitions, swap on demand", 2, "none"),
    Case("ahead", "2 partitions, swap ahead", 2, "aggressive"),
    Case("resident", "3 partitions, all resident", 3, "none"),
)
SHOWN = CASES[1]
"""Whose steps are listed and whose trace is written."""
FILES = {
    "timeline.png": "partitions and configuration port over time, the three runs compared",
    "timeline.svg": "the same, to zoom in",
    "trace.json": f"trace of `{SHOWN.title}` for ui.perfetto.dev",
    "report.json": "every figure above, with clock, origin and assumptions",
    "digits.frt": f"the deployment for {SHOWN.partitions} partitions",
}
"""What the demo writes."""


@dataclass(frozen=True, eq=False)
class Result:
    """A case that was run."""

    case: Case
    deployment: Deployment
    outcome: Outcome
    one_image: Json
    static: Json | None
    static_alone: Json | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--output", type=Path, default=Path("fpga-rt-demo"), metavar="DIR",
        help="folder for pictures, trace and report; `fpga-rt-demo` by default",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Compile, run every case, write the files, and say what was seen."""
    timeline.require_matplotlib()
    card, images, labels = _load_example()
    folder: Path = arguments.output
    verbose = bool(arguments.verbose + arguments.more_verbose)
    with _made(folder):
        _show(folder, card, images, labels, verbose)


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; after a failure, those it made are gone again."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # not empty: somebody else uses it
            if missing:
                for name in FILES:
                    (folder / name).unlink(missing_ok=True)
            for path in missing:
                path.rmdir()
        raise


def _show(
    folder: Path, card: Mapping[str, Any], images: NDArray[Any], labels: NDArray[np.int64],
    verbose: bool,
) -> None:  # fmt: skip
    """Run every case, write the files, and print what was seen."""
    target = board(BOARD)
    network = api.load_model(EXAMPLE / "digits.onnx")
    print(_introduction(network, target))
    deployments = {count: api.compile(network, BOARD, count) for count in (2, 3)}
    print(f"\nSteps with {SHOWN.partitions} partitions; a launch runs until a module must change")
    print(indented(_steps(deployments[SHOWN.partitions], target)), flush=True)
    codes = network.encode_input(images)
    results = [_run(case, deployments[case.partitions], codes, labels, verbose) for case in CASES]
    print(
        f"\n{count_text(len(codes), 'test image')}, {BATCH} in a request (virtual clock, modelled)"
    )
    print(indented(_comparison(results, card)))
    print(f"\n{_conclusion(results)}\n\nAssumptions")
    print(indented("\n".join(assumptions(target, PORT))))
    files = _write(folder, results, card)
    print("\nWritten")
    print(indented(table(("file", "bytes", "what"), "<><", files)))
    print(f"\nNext\n{indented(_next(folder))}")


def _load_example() -> tuple[Mapping[str, Any], NDArray[Any], NDArray[np.int64]]:
    """Return the card, the test images and their labels.

    Raises:
        ArtifactError: the example is not there.
    """
    missing = [n for n in ("digits.onnx", "digits.npz", "card.json") if not (EXAMPLE / n).is_file()]
    if missing:
        raise ArtifactError(
            f"{EXAMPLE} lacks {', '.join(missing)}, expected the example of a source checkout;"
            " get the repository and install it with `pip install --editable .`"
        )
    card: Mapping[str, Any] = json.loads((EXAMPLE / "card.json").read_text())
    images = arrays.read_array(EXAMPLE / "digits.npz", ("x",))
    return card, images, arrays.read_labels(EXAMPLE / "digits.npz", len(images), 10)


def _run(
    case: Case, deployment: Deployment, codes: NDArray[np.int8], labels: NDArray[np.int64],
    verbose: bool,
) -> Result:  # fmt: skip
    conditions = Conditions(DEVICE, board(BOARD), BATCH, case.prefetch, PORT)
    outcome = execute(deployment, codes, conditions, verbose)
    accuracy = arrays.accuracy(outcome.codes, labels)
    target = outcome.capabilities.board
    return Result(
        case,
        deployment,
        replace(outcome, report=replace(outcome.report, accuracy=accuracy)),
        prediction(deployment, target, 1, case.prefetch, PORT),
        baseline(deployment, target, BATCH),
        baseline(deployment, target, 1),
    )


def _introduction(network: Network, target: Board) -> str:
    clock = f"{1e6 / target.clock_ps:.1f} MHz"
    return (
        f"{network.name}: int8, {len(network.nodes)} nodes, {network.multiplications:,}"
        f" multiplications and {network.weights_bytes:,} weights\n"
        f"{target.title}: {target.device.name}, {len(target.partitions)} reconfigurable"
        f" partitions, {clock}; device {DEVICE}"
    )


def _steps(deployment: Deployment, target: Board) -> str:
    rows = []
    before: dict[int, str] = {}
    for number, launch in enumerate(deployment.launches):
        for index, step in enumerate(launch.steps):
            place = step.partition
            swapped = place in before and before[place] != step.module
            before[place] = step.module
            rows.append(
                (
                    None if index else number,
                    step.layer,
                    target.partitions[place].name,
                    step.module,
                    "<- swap" if swapped else None,
                    sum(block.size_bytes for block in step.weights),
                    step.compute_cycles,
                )
            )
    headers = ("launch", "layer", "partition", "module", "", "weight\nbytes", "cycles\nan image")
    return table(headers, "><<<<>>", rows)


def _comparison(results: Sequence[Result], card: Mapping[str, Any]) -> str:
    headers = (
        "", "accuracy", "cold\nrequest", "warm\nrequest", "images\na second", "swaps",
        "swap time\nhidden", "swap time\nexposed", "one image\nalone",
    )  # fmt: skip
    rows: list[tuple[object, ...]] = [_row(result) for result in results]
    for result in (results[0], results[-1]):
        static = result.static
        alone = time_text(result.static_alone["warm_us"]) if result.static_alone else "does not fit"
        warm = time_text(static["warm_us"]) if static else None
        rate = f"{static['inferences_per_s']:,.0f}" if static else None
        title = f"static design, area of {result.case.partitions} partitions"
        rows.append((title, None, None, warm, rate, None, None, None, alone))
    return table(headers, "<>>>>>>>>", rows) + "\n\n" + _reference(card)


def _reference(card: Mapping[str, Any]) -> str:
    accuracy = card["accuracy"]
    return (
        f"The same images elsewhere: {accuracy['int8']:.2%} by ONNX Runtime (int8),"
        f" {accuracy['float']:.2%} by torch (float)."
    )


def _row(result: Result) -> tuple[object, ...]:
    report = result.outcome.report
    swaps = report.swaps
    return (
        result.case.title,
        f"{report.accuracy:.2%}",
        time_text(report.cold_latency_us),
        time_text(report.latency_us["p50"]),
        f"{report.inferences_per_s:,.0f}",
        swaps["count"],
        time_text(swaps["hidden_us"]) if swaps["count"] else None,
        time_text(swaps["exposed_us"]) if swaps["count"] else None,
        time_text(result.one_image["warm_us"]),
    )


def _conclusion(results: Sequence[Result]) -> str:
    on_demand, ahead = (result.outcome.report for result in results[:2])
    swaps = ahead.swaps
    hidden_us, total_us = swaps["hidden_us"], swaps["hidden_us"] + swaps["exposed_us"]
    saved_us = on_demand.latency_us["p50"] - ahead.latency_us["p50"]
    lines = [
        f"Loading ahead hides {time_text(hidden_us)} of {time_text(total_us)} of swaps:"
        f" {time_text(saved_us)} less a request than on demand.",
        f"A swap takes {time_text(swaps['phases']['load'])}, an image alone"
        f" {time_text(results[-1].one_image['warm_us'])} with every module resident: only a large"
        " batch can afford swaps.",
    ]
    static = results[0].static
    if static is not None:
        image_us = ahead.latency_us["p50"] / BATCH
        verdict = "wins" if image_us < static["image_us"] else "loses"
        lines.append(
            f"In a batch an image takes {time_text(image_us)} with 2 partitions; a static design of"
            f" that area needs {time_text(static['image_us'])}:"
            f" reconfiguration {verdict} on throughput. It loses on the latency of one image"
            f" ({time_text(results[1].one_image['warm_us'])})."
        )
    return "\n".join(lines)


def _write(
    folder: Path, results: Sequence[Result], card: Mapping[str, Any]
) -> list[tuple[str, int, str]]:
    """Write every file of the demo and return name, size and description of each."""
    shown = next(result for result in results if result.case is SHOWN)
    capabilities = shown.outcome.capabilities
    title = f"{shown.deployment.network.name}, {BATCH} images a request"
    captions = _captions(results)
    panels = [
        timeline.Panel(text, result.outcome.log)
        for result, text in zip(results, captions, strict=True)
    ]
    for name in ("timeline.png", "timeline.svg"):
        timeline.write(panels, capabilities, PORT, title, folder / name)
    perfetto.write(shown.outcome.log, capabilities, PORT, folder / "trace.json")
    report = json.dumps(_report(results, card), indent=2) + "\n"
    write_atomically(folder / "report.json", [report.encode()])
    api.save(shown.deployment, folder / "digits.frt")
    return [(str(folder / n), (folder / n).stat().st_size, d) for n, d in FILES.items()]


def _captions(results: Sequence[Result]) -> Iterator[str]:
    for letter, result in zip("abc", results, strict=True):
        report = result.outcome.report
        swaps = report.swaps
        hidden = time_text(swaps["hidden_us"]) if swaps["hidden_us"] else "none"
        total = time_text(swaps["hidden_us"] + swaps["exposed_us"])
        swapping = f"{swaps['count']} swaps take {total}, hidden: {hidden}"
        yield f"({letter}) {result.case.title}: {swapping if swaps['count'] else 'no swap'}"


def _report(results: Sequence[Result], card: Mapping[str, Any]) -> Json:
    runs = {}
    for result in results:
        case = result.case
        conditions = Conditions(DEVICE, board(BOARD), BATCH, case.prefetch, PORT)
        data = details(result.deployment, result.outcome.report, result.outcome, conditions)
        extra = {"one_image_predicted": result.one_image, "static_baseline": result.static}
        runs[case.key] = {"title": case.title, **data, **extra}
    return {"runs": runs, "card_accuracy": card["accuracy"]}


def _command() -> str:
    """Return what to type for this command line, on the search path or beside this Python."""
    if shutil.which("fpga-rt"):
        return "fpga-rt"
    return os.path.relpath(Path(sys.executable).with_name("fpga-rt"))


def _next(folder: Path) -> str:
    command = _command()
    return "\n".join(
        [
            f"look      {folder / 'timeline.png'}",
            f"zoom in   open https://ui.perfetto.dev and drop {folder / 'trace.json'} on it",
            f"ask       {command} inspect {folder / 'digits.frt'} --batch {BATCH}",
            f"your own  {command} run model.onnx --input images.npz --labels images.npz"
            " --timeline run.png",
        ]
    )
