"""`fpga-rt study batch`: how many images a request should have."""

from __future__ import annotations

import argparse
import json

from fpga_rt.arch.boards import Board
from fpga_rt.cli.description import Json
from fpga_rt.cli.options import add_calibration, add_schedule, add_source, port_of, positive
from fpga_rt.cli.source import deployment_of
from fpga_rt.cli.table import indented, table
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import PlanningError
from fpga_rt.planner.baseline import static_baseline
from fpga_rt.planner.batch import MOST, Batch, Batches
from fpga_rt.runtime.assumptions import assumptions
from fpga_rt.runtime.report import to_us
from fpga_rt.runtime.report_text import time_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_source(parser)
    add_schedule(parser, batch=False)
    add_calibration(parser)
    parser.add_argument(
        "--deadline-us", type=positive, metavar="US",
        help="microseconds that a request may take: also the batch, of the largest that ends within"
        " them, its half, its quarter and so on, that takes the least time an image",
    )  # fmt: skip
    parser.add_argument(
        "--most", type=positive, default=MOST, metavar="N",
        help=f"images that a request may have at most, {MOST} by default",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print the decisions beside one image, and beside the static design of the same area."""
    deployment, target = deployment_of(arguments)
    port = port_of(target, arguments.port)
    batches = Batches(target, deployment, arguments.prefetch, port, arguments.most)
    found: dict[str, Batch] = {"one image": batches.weigh(1)}
    not_hidden = None
    try:
        found["hides every load"] = batches.hiding()
    except PlanningError as error:
        not_hidden = str(error)
    if arguments.deadline_us is not None:
        found["fastest in time"] = batches.fastest(arguments.deadline_us * 10**6)
    data = {
        "network": deployment.network.name,
        "board": target.name,
        "title": target.title,
        "partitions": [target.partitions[i].name for i in deployment.partitions],
        "policy": arguments.prefetch,
        "port": port,
        "deadline_us": arguments.deadline_us,
        "clock": "virtual",
        "origin": target.origin,
        "batches": [_entry(why, batch, deployment, target) for why, batch in found.items()],
        "not_hidden": not_hidden,
        "assumptions": assumptions(target, port),
    }
    print(json.dumps(data, indent=2) if arguments.json else _text(data))


def _entry(why: str, batch: Batch, deployment: Deployment, board: Board) -> Json:
    static = static_baseline(deployment.network, board, deployment.partitions, batch.images)
    return {
        "why": why,
        "images": batch.images,
        "latency_us": to_us(batch.latency_ps),
        "image_us": batch.image_ps / 1e6,
        "exposed_us": to_us(batch.exposed_ps),
        "static_us": to_us(static.latency_ps) if static else None,
    }


def _text(data: Json) -> str:
    headers = ("", "images", "a request", "an image", "exposed\nloads", "static\ndesign",
               "static /\nthis")  # fmt: skip
    rows = [
        (
            entry["why"],
            entry["images"],
            time_text(entry["latency_us"]),
            time_text(entry["image_us"]),
            time_text(entry["exposed_us"]),
            None if entry["static_us"] is None else time_text(entry["static_us"]),
            None if entry["static_us"] is None
            else f"{entry['static_us'] / entry['latency_us']:.2f}",
        )
        for entry in data["batches"]
    ]  # fmt: skip
    lines = [
        f"{data['network']} on {data['title']}, partitions {', '.join(data['partitions'])},"
        f" {data['port']}, policy {data['policy']}",
        f"A request whose modules are where the one before left them ({data['clock']} clock,"
        f" {data['origin']})",
        indented(table(headers, "<>>>>>>", rows)),
    ]
    if data["not_hidden"]:
        lines.append(f"No batch hides every load: {data['not_hidden']}.")
    return "\n".join([*lines, "Assumptions", indented("\n".join(data["assumptions"]))])
