"""`fpga-rt run`: images through a deployment on a device, with a report."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.boards import Board
from fpga_rt.cli import arrays
from fpga_rt.cli.execution import Codes, Conditions, Outcome, execute, execute_compared
from fpga_rt.cli.layers import layers_json, layers_text
from fpga_rt.cli.options import (
    add_base,
    add_calibration,
    add_schedule,
    add_source,
    add_xclbins,
    file_of,
    port_of,
    positive,
    refuse_overwriting,
)
from fpga_rt.cli.source import deployment_of
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import ExecutionError
from fpga_rt.network import golden
from fpga_rt.planner.predict import predict
from fpga_rt.runtime import perfetto, timeline
from fpga_rt.runtime.compare import Comparison, LayerDifferenceError, compare_outputs
from fpga_rt.runtime.layers import layer_work
from fpga_rt.runtime.records import Log
from fpga_rt.runtime.report import Report, to_us
from fpga_rt.runtime.report_text import count_text, time_text

_DEVICE_OPTIONS = ("waves", "load_time", "recording", "base", "xclbins")


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
    parser.add_argument(
        "--count", type=positive, metavar="N", help="the first N images only; all by default"
    )
    parser.add_argument("--device", default="emulator", help="`emulator` by default")
    parser.add_argument(
        "--waves", type=Path, metavar="DIR",
        help="write traces for GTKWave into a folder, those of --compare into DIR/compare; slow,"
        " and of simulated gateware (`rtl`) only",
    )  # fmt: skip
    parser.add_argument(
        "--load-time", choices=("board", "stream"),
        help="how long a load takes on `rtl`: as the partition's real bitstream (the default), or"
        " as the short one that the simulation loads",
    )  # fmt: skip
    parser.add_argument(
        "--record", type=file_of(".frr"), metavar="S.frr",
        help="write the session with the device: every call and what came of it, up to a failure",
    )  # fmt: skip
    parser.add_argument(
        "--recording", type=Path, metavar="S.frr",
        help="the session that `--device replay` plays back",
    )  # fmt: skip
    add_base(parser)
    add_xclbins(parser)
    add_schedule(parser)
    add_calibration(parser)
    parser.add_argument(
        "--layers", action="store_true",
        help="list what every layer took: cycles, multipliers busy, bytes moved",
    )  # fmt: skip
    parser.add_argument(
        "--compare", choices=("golden",), help="first run with every layer's output kept, and stop"
        " at the first value that differs from exact integer execution; then run as usual",
    )  # fmt: skip
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
    deployment, target = deployment_of(arguments)
    network = deployment.network
    given = arrays.read_array(arguments.input, ("x", "X"))
    images = network.encode_input(given)[: arguments.count]
    if not len(images):
        raise ExecutionError(f"{arguments.input} holds no images, expected at least one")
    labels = None
    if arguments.labels:
        classes = int(np.prod(network.tensors[network.output].shape))
        labels = arrays.read_labels(arguments.labels, len(given), classes)[: len(images)]
    conditions = _conditions(arguments, target)
    verbose = bool(arguments.verbose + arguments.more_verbose)
    comparison = None
    if arguments.compare:
        comparison = _compare(deployment, images, conditions, verbose, arguments.json)
    outcome = execute(deployment, images, conditions, verbose)
    if comparison is not None:
        compare_outputs(network.name, outcome.codes, golden.run(network, images))
    report = outcome.report
    if labels is not None:
        report = replace(report, accuracy=arrays.accuracy(outcome.codes, labels))
    written = _write_outputs(arguments, deployment, outcome, conditions)
    data = details(deployment, report, outcome, conditions)
    parts = layer_work(deployment, outcome.log, target)
    if arguments.json:
        layers = layers_json(parts, target, outcome.capabilities.origin)
        compared = None if comparison is None else vars(comparison)
        extra = {"layers": layers, "compared": compared, "files": written}
        print(json.dumps(data | extra, indent=2))
        return
    print(report)
    print(f"  {'predicted':<10} {_predicted_text(data['predicted'], outcome)}")
    if comparison is not None:
        print(f"  {'compared':<10} {_comparison_text(comparison)}")
    for path in written:
        print(f"  {'written':<10} {path}")
    if arguments.layers:
        print(f"\n{layers_text(parts, target, outcome.capabilities.origin)}")


def _conditions(arguments: argparse.Namespace, target: Board) -> Conditions:
    port = port_of(target, arguments.port)
    asked = {name: getattr(arguments, name) for name in _DEVICE_OPTIONS}
    return Conditions(
        arguments.device,
        target,
        arguments.batch,
        arguments.prefetch,
        port,
        {name: value for name, value in asked.items() if value is not None},
        arguments.record,
        _command(arguments),
    )


def _command(arguments: argparse.Namespace) -> str:
    """Return the run in words, as far as the calls to the device depend on it."""
    words = ["fpga-rt", "run", arguments.model, "--input", arguments.input]
    for name in ("board", "partitions", "modules", "count", "batch", "prefetch", "port",
                 "calibration"):  # fmt: skip
        value = getattr(arguments, name)
        if value is not None:
            listed = ",".join(map(str, value)) if isinstance(value, tuple) else value
            words += [f"--{name}", listed]
    return shlex.join(map(str, words))


def _compare(
    deployment: Deployment, images: Codes, conditions: Conditions, verbose: bool, as_json: bool
) -> Comparison:
    """Compare every layer; a difference is printed as JSON too, where that is asked for.

    Traces go to a folder of their own: the run that follows would write over them.
    """
    waves = conditions.options.get("waves")
    if isinstance(waves, Path):
        conditions = replace(conditions, options={**conditions.options, "waves": waves / "compare"})
    try:
        return execute_compared(deployment, images, conditions, verbose)
    except LayerDifferenceError as error:
        if as_json:
            print(json.dumps({"difference": error.difference.to_json()}, indent=2))
        raise


def _comparison_text(comparison: Comparison) -> str:
    layers, images = comparison.layers, comparison.images
    return (
        f"{count_text(layers, 'layer')} of {count_text(images, 'image')}, {comparison.values:,}"
        " values: all equal golden execution, and so are the outputs of this run"
    )


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
            "origin": target.origin,
            "calibration": target.calibration or None,
            "total_us": to_us(predicted.total_ps),
            "cold_latency_us": to_us(predicted.requests[0][1] - predicted.requests[0][0]),
            "swaps": predicted.swaps,
        },
    }


def _total_ps(log: Log) -> int:
    return log.requests[-1].ended_ps - log.requests[0].started_ps


def _predicted_text(predicted: dict[str, Any], outcome: Outcome) -> str:
    total_us, took_us = predicted["total_us"], to_us(_total_ps(outcome.log))
    by = f", {predicted['calibration']}" if predicted["calibration"] else ""
    if total_us == took_us:
        return f"{time_text(total_us)} in total, and that is what it took{by}"
    return f"{time_text(total_us)} in total, it took {time_text(took_us)}{by}"


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Refuse at once what would fail after the run."""
    given = (
        arguments.model, arguments.input, arguments.labels, arguments.calibration,
        arguments.recording, arguments.base,
    )  # fmt: skip
    inputs = [path for path in given if path]
    for output in (arguments.output, arguments.timeline, arguments.trace, arguments.record):
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
    files = (arguments.output, arguments.timeline, arguments.trace, arguments.record)
    return [str(path) for path in files if path]
