"""`fpga-rt devices`: what can run deployments, and which boards there are."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board
from fpga_rt.arch.floorplan import Partition
from fpga_rt.cli.table import table
from fpga_rt.device import registry
from fpga_rt.runtime.report import to_us
from fpga_rt.runtime.report_text import time_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print the devices that are installed, and every board's partitions."""
    if arguments.json:
        print(json.dumps(_data(), indent=2))
        return
    rows = [(d.name, "no" if d.obstacle else "yes", d.obstacle or d.description)
            for d in registry.devices()]  # fmt: skip
    print(table(("device", "usable", "what it is"), "<<<", rows))
    print()
    headers = ("board", "device", "partition", "LUT", "DSP", "BRAM36", "bytes", "load time")
    print(table(headers, "<<<>>>>>", list(_board_rows())))
    print("\n* a floorplan that is declared, not computed from the device's geometry")
    print("load times are modelled: bytes by the port's rate; --json has each rate and its source")


def loads_us(target: Board, partition: Partition) -> dict[str, float]:
    """Return how long loading a partition takes through each port, in microseconds."""
    size = partition.bitstream_bytes
    return {name: to_us(port.load_ps(size)) for name, port in target.ports.items()}


def load_text(target: Board, partition: Partition) -> str:
    """Return these times as text, the default port's first."""
    times = loads_us(target, partition)
    order = sorted(times, key=lambda name: name != target.default_port)
    return ", ".join(f"{name} {time_text(times[name])}" for name in order)


def _board_rows() -> Iterator[tuple[object, ...]]:
    for name in boards.boards():
        target = boards.board(name)
        mark = "*" if target.estimate else ""
        for partition in target.partitions:
            first = partition.index == 0
            amount = partition.resources
            yield (
                f"{name}{mark}" if first else "",
                target.device.name if first else "",
                partition.name,
                amount.lut,
                amount.dsp,
                amount.bram36,
                partition.bitstream_bytes,
                load_text(target, partition),
            )


def _data() -> dict[str, Any]:
    return {
        "devices": [vars(device) for device in registry.devices()],
        "boards": [_board_data(boards.board(name)) for name in boards.boards()],
    }


def _board_data(target: Board) -> dict[str, Any]:
    return {
        "name": target.name,
        "title": target.title,
        "device": target.device.name,
        "clock_hz": round(1e12 / target.clock_ps),
        "estimate": target.estimate,
        "notes": list(target.notes),
        "ports": {
            name: {
                "bytes_per_second": port.bytes_per_second,
                "setup_us": to_us(port.setup_ps),
                "origin": port.origin,
                "source": port.source,
            }
            for name, port in target.ports.items()
        },
        "partitions": [
            {
                "name": partition.name,
                "resources": vars(partition.resources),
                "bitstream_bytes": partition.bitstream_bytes,
                "load_us": loads_us(target, partition),
            }
            for partition in target.partitions
        ],
    }
