"""`fpga-rt run`: images through a deployment on a device, with a report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt import api
from fpga_rt.arch.boards import board
from fpga_rt.cli import arrays
from fpga_rt.cli.options import add_schedule, add_source, file_of, port_of, refuse_overwriting
from fpga_rt.cli.progress import Progress
from fpga_rt.cli.source import deployment_of
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.interface import Capabilities
from fpga_rt.errors import ExecutionError
from fpga_rt.planner.predict import predict
from fpga_rt.planner.schedule import Policy
from fpga_rt.runtime import perfetto, timeline
from fpga_rt.runtime.records import Log
from fpga_rt.runtime.report import Report, to_us
from fpga_rt.runtime.report_text import count_text, time_text

Codes = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run gave: output codes (N, H, W, C), the report, and the log that it sums up."""

    codes: Codes
    report: Report
    log: Log
    capabilities: Capabilities


@dataclass(frozen=True)
class Conditions:
    """What a run's times depend on besides the deployment."""

    device: str
    batch: int
    prefetch: Policy
    port: str
    options: Mapping[str, object] = field(default_factory=dict)
    """What the device is opened with."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_source(parser)
    parser.add_argument(
        "--input", type=Path, required=True, metavar="X.npz",
        help="images in the model's layout: .npy, or .npz with `x` or a single array",
    )  # fmt: skip
    parser.add_argument(
        "--labels", type=Path, metavar="Y.npz", help="classes: .npy, or .npz with `y`; the same"
        " file as --input will do",
    )  # fmt: skip
    parser.add_argument("--device", default="emulator", help="`emulator` by default")
    parser.add_argument(
        "--waves", type=Path, metavar="DIR",
        help="write traces for GTKWave into a folder; slow, and of simulated gateware (`rtl`) only",
    )  # fmt: skip
    parser.add_argument(
        "--load-time", choices=("board", "stream"),
        help="how long a load takes on `rtl`: as the partition's real bitstream (the default), or"
        " as the short one that the simulation loads",
    )  # fmt: skip
    add_schedule(parser)
    parser.add_argument(
        "--output", type=file_of(".npy"), metavar="OUT.npy",
        help="write the outputs, real values (float32) in the model's layout",
    )  # fmt: skip
    parser.add_argument("--codes", action="store_true", help="write int8 codes to --output instead")
    parser.add_argument(
        "--timeline", type=file_of(*timeline.SUFFIXES), metavar="T.png", help="draw what ran when"
    )
    parser.add_argument(
        "--trace", type=file_of(".json"), metavar="T.json", help="trace for ui.perfetto.dev"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Run the images, write what was asked for and print the report."""
    _check_outputs(arguments)
    deployment = deployment_of(arguments)
    network = deployment.network
    images = network.encode_input(arrays.read_array(arguments.input, ("x", "X")))
    if not len(images):
        raise ExecutionError(f"{arguments.input} holds no images, expected at least one")
    labels = None
    if arguments.labels:
        classes = int(np.prod(network.tensors[network.output].shape))
        labels = arrays.read_labels(arguments.labels, len(images), classes)
    port = port_of(board(deployment.board), arguments.port)
    asked = {"waves": arguments.waves, "load_time": arguments.load_time}
    options = {name: value for name, value in asked.items() if value is not None}
    conditions = Conditions(arguments.device, arguments.batch, arguments.prefetch, port, options)
    verbose = bool(arguments.verbose + arguments.more_verbose)
    outcome = execute(deployment, images, conditions, verbose)
    report = outcome.report
    if labels is not None:
        report = replace(report, accuracy=arrays.accuracy(outcome.codes, labels))
    written = _write_outputs(arguments, deployment, outcome, conditions)
    data = details(deployment, report, outcome, conditions)
    if arguments.json:
        print(json.dumps(data | {"files": written}, indent=2))
        return
    print(report)
    print(f"  {'predicted':<10} {_predicted_text(data['predicted'], outcome)}")
    for path in written:
        print(f"  {'written':<10} {path}")


def execute(
    deployment: Deployment, images: Codes, conditions: Conditions, verbose: bool = False
) -> Outcome:
    """Run input codes (N, H, W, C) on a device of a kind, with a progress bar.

    Raises:
        FpgaRtError: the device, a swap or a program failed.
    """
    batch = conditions.batch
    requests = -(-len(images) // batch)
    with (
        api.open_device(conditions.device, deployment.board, **conditions.options) as device,
        api.Runtime(device, conditions.prefetch, conditions.port) as runtime,
    ):
        model = runtime.load(deployment)
        what = f"{deployment.network.name} on {conditions.device}"
        with Progress(what, requests, lambda: len(runtime.log.requests), verbose):
            codes = runtime.run(model, images, batch)
        return Outcome(codes, runtime.report(), runtime.log, device.capabilities)


def details(
    deployment: Deployment, report: Report, outcome: Outcome, conditions: Conditions
) -> dict[str, Any]:
    """Return the report as plain data, with what was run and what was predicted for it."""
    target = outcome.capabilities.board
    sizes = [request.images for request in outcome.log.requests]
    predicted = predict(
        target, [(deployment, size) for size in sizes], conditions.prefetch, conditions.port
    )
    return {
        "network": deployment.network.name,
        **report.to_json(),
        "partitions": [target.partitions[i].name for i in deployment.partitions],
        "batch": conditions.batch,
        "port": conditions.port,
        "total_us": to_us(_total_ps(outcome.log)),
        "predicted": {
            "clock": "virtual",
            "origin": "modelled",
            "total_us": to_us(predicted.total_ps),
            "cold_latency_us": to_us(predicted.requests[0][1] - predicted.requests[0][0]),
            "swaps": predicted.swaps,
        },
    }


def _total_ps(log: Log) -> int:
    return log.requests[-1].ended_ps - log.requests[0].started_ps


def _predicted_text(predicted: dict[str, Any], outcome: Outcome) -> str:
    total_us, took_us = predicted["total_us"], to_us(_total_ps(outcome.log))
    if total_us == took_us:
        return f"{time_text(total_us)} in total, and that is what it took"
    return f"{time_text(total_us)} in total, it took {time_text(took_us)}"


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Refuse at once what would fail after the run."""
    inputs = [path for path in (arguments.model, arguments.input, arguments.labels) if path]
    for output in (arguments.output, arguments.timeline, arguments.trace):
        if output:
            refuse_overwriting(output, inputs)
    if arguments.codes and not arguments.output:
        raise argparse.ArgumentTypeError("--codes needs --output")
    if arguments.timeline:
        timeline.require_matplotlib()


def _write_outputs(
    arguments: argparse.Namespace, deployment: Deployment, outcome: Outcome, conditions: Conditions
) -> Sequence[str]:
    """Write the files that were asked for and return their names."""
    network = deployment.network
    if arguments.output:
        outputs: NDArray[Any] = network.decode_output(outcome.codes)
        if not arguments.codes:
            outputs = network.tensors[network.output].dequantise(outputs)
        arrays.write_array(outputs, arguments.output)
    if arguments.timeline:
        caption = (
            f"prefetch {conditions.prefetch}, {count_text(conditions.batch, 'image')} a request"
        )
        panels = [timeline.Panel(caption, outcome.log)]
        timeline.write(
            panels, outcome.capabilities, conditions.port, network.name, arguments.timeline
        )
    if arguments.trace:
        perfetto.write(outcome.log, outcome.capabilities, conditions.port, arguments.trace)
    files = (arguments.output, arguments.timeline, arguments.trace)
    return [str(path) for path in files if path]
