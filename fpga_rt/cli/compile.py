"""`fpga-rt compile`: a model file to one archive."""

from __future__ import annotations

import argparse
from pathlib import Path

from fpga_rt import api
from fpga_rt.arch.boards import Board
from fpga_rt.cli.options import (
    DEFAULT_BOARD,
    add_calibration,
    add_target,
    board_of,
    refuse_overwriting,
)
from fpga_rt.cli.source import compiled
from fpga_rt.deployment.built import with_bitstreams
from fpga_rt.deployment.model import Deployment
from fpga_rt.runtime.report_text import bytes_text, count_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help=".onnx or .tflite file")
    add_target(parser, DEFAULT_BOARD, "`fpga-rt devices` lists them")
    add_calibration(parser)
    parser.add_argument(
        "--bitstreams", type=Path, metavar="DIR",
        help="take the bitstreams that `fpga-rt bitstream import` has registered in a folder, for a"
        " board; without it they are the simulation's, which hold no logic",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.frt",
        help="the archive; by default MODEL's name with .frt in the current folder",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Compile and write the archive, and print what it holds."""
    output: Path = arguments.output or Path(arguments.model.with_suffix(".frt").name)
    refuse_overwriting(output, [arguments.model])
    target = board_of(arguments.board, arguments.calibration)
    deployment = compiled(arguments.model, target, arguments.partitions, arguments.modules)
    if arguments.bitstreams:
        deployment = with_bitstreams(deployment, arguments.bitstreams)
    api.save(deployment, output)
    print(summary(deployment, target))
    print(f"written: {output} ({bytes_text(output.stat().st_size)}); `fpga-rt inspect {output}`")


def summary(deployment: Deployment, target: Board) -> str:
    """Return a few lines about a deployment."""
    network, segments = deployment.network, deployment.segments
    names = ", ".join(target.partitions[i].name for i in deployment.partitions)
    launches = count_text(len(deployment.launches), "launch", "launches")
    steps = count_text(sum(len(launch.steps) for launch in deployment.launches), "step")
    changes = deployment.module_changes
    swapping = (
        f"{count_text(changes, 'module change')} in one pass over it: the partitions are swapped"
        if changes
        else "all modules stay resident: no swap inside an inference"
    )
    parameters = bytes_text(segments.weights_bytes + segments.tables_bytes)
    built = f", built against static region {deployment.static_id:#018x}"
    planned = [f"  planned by times {target.calibration}"] if target.calibration else []
    return "\n".join(
        [
            f"{network.name} for {target.title}, partitions {names}",
            f"  {len(network.nodes)} nodes, {network.multiplications:,} multiplications an image",
            f"  {steps} in {launches}, {count_text(len(deployment.module_ids), 'module')};"
            f" {swapping}",
            f"  {parameters} of parameters, {len(deployment.bitstreams)} bitstreams"
            f"{built if deployment.static_id else ''}",
            *planned,
        ]
    )
