"""`fpga-rt study budget`: where a swap sits in an end-to-end latency budget."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from fpga_rt.cli.description import Json
from fpga_rt.cli.numbers import number
from fpga_rt.cli.options import add_calibration, add_schedule, add_source, port_of
from fpga_rt.cli.source import deployment_of
from fpga_rt.cli.study.budget_text import text
from fpga_rt.runtime.assumptions import assumptions
from fpga_rt.runtime.report import to_us
from fpga_rt.study.budget import CLOCK, QUEUES, Budget, Service, Traffic, budget
from fpga_rt.study.path import Path
from fpga_rt.study.presets import PRESETS

_PATH_OPTIONS = {
    "distance_km": "length of the fibre to the device, one way",
    "hops": "switches and routers on the way",
    "hop_us": "microseconds that each of them adds",
    "link_mbps": "megabits a second of the slowest link",
}
_NEAR = Path(distance_km=0, hops=0, hop_us=0, link_mbps=1000)
"""Where no preset says more: a device at the other end of a gigabit cable."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_source(parser)
    add_schedule(parser)
    add_calibration(parser)
    parser.add_argument(
        "--preset", choices=PRESETS,
        help="limit and path of an application; the options below replace parts of it",
    )  # fmt: skip
    parser.add_argument(
        "--limit-ms", type=number("more than 0", lambda value: value > 0), metavar="MS",
        help="milliseconds from the request's departure to the answer's arrival",
    )  # fmt: skip
    at_least_0 = number("at least 0", lambda value: value >= 0)
    whole = number("a whole number", lambda value: value >= 0 and value == int(value))
    above_0 = number("more than 0", lambda value: value > 0)
    kinds = {"hops": whole, "link_mbps": above_0}
    for name, meaning in _PATH_OPTIONS.items():
        option = f"--{name.replace('_', '-')}"
        default = getattr(_NEAR, name)
        parser.add_argument(
            option, type=kinds.get(name, at_least_0), metavar="N",
            help=f"{meaning}; the preset's, or {default:g}",
        )  # fmt: skip
    parser.add_argument(
        "--rest-ms", type=at_least_0, default=0.0, metavar="MS",
        help="milliseconds that the application takes for everything else, 0 by default",
    )  # fmt: skip
    parser.add_argument(
        "--queue", choices=QUEUES, default="none",
        help="`none`: the device is idle when a request arrives; `md1`: Poisson arrivals",
    )  # fmt: skip
    parser.add_argument("--rate", type=above_0, metavar="HZ", help="requests a second")
    parser.add_argument(
        "--percentile", type=number("between 0 and 100", lambda value: 0 < value < 100),
        default=99.0, metavar="P", help="of the waits that `md1` charges, 99 by default",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print the budget and what it leaves room for."""
    limit_ms, basis, origin = _limit(arguments)
    if arguments.queue == "md1" and arguments.rate is None:
        raise argparse.ArgumentTypeError("--queue md1 needs to know how often requests come; add"
                                         " --rate HZ")  # fmt: skip
    path = PRESETS[arguments.preset].path if arguments.preset else _NEAR
    given = {name: getattr(arguments, name) for name in _PATH_OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    path = replace(path, **given)
    deployment, target = deployment_of(arguments)
    port = port_of(target, arguments.port)
    service = Service(deployment, target, port, arguments.batch, arguments.prefetch)
    traffic = Traffic(arguments.queue, arguments.rate, arguments.percentile)
    found = budget(service, path, traffic, limit_ms, arguments.rest_ms)
    data = {
        "network": deployment.network.name,
        "board": target.name,
        "title": target.title,
        "partitions": [target.partitions[i].name for i in deployment.partitions],
        "port": port,
        "batch": arguments.batch,
        "preset": arguments.preset,
        "limit": {"ms": limit_ms, "origin": origin, "basis": basis},
        **describe(found),
        "assumptions": assumptions(target, port),
    }
    print(json.dumps(data, indent=2) if arguments.json else text(data))


def _limit(arguments: argparse.Namespace) -> tuple[float, str, str]:
    """Return the limit, where it comes from, and its origin."""
    if arguments.limit_ms is not None:
        return arguments.limit_ms, "given by --limit-ms", "given"
    if arguments.preset is None:
        raise argparse.ArgumentTypeError(
            f"there is no limit to hold the budget to; give --limit-ms, or --preset with one of"
            f" {', '.join(PRESETS)}"
        )
    preset = PRESETS[arguments.preset]
    return preset.limit_ms, preset.basis, preset.limit_origin


def describe(found: Budget) -> Json:
    """Return terms, totals and answers as plain data; times in microseconds."""
    return {
        "terms": [
            {
                "name": term.name,
                "us": {case: _us(ps) for case, ps in term.ps.items()},
                "clock": CLOCK,
                "origin": term.origin,
                "basis": term.basis,
            }
            for term in found.terms
        ],
        "total_us": {case: _us(found.total_ps(case)) for case in found.cases},
        "spare_us": {case: _us(found.spare_ps(case)) for case in found.cases},
        "reach_km": {case: found.reach_km(case) for case in found.cases},
        "rate_hz": found.traffic.rate_hz,
        "swap_us": to_us(found.device.swap_ps),
        "swaps_in_a_request": found.swaps_in_a_request,
        "swapping_share": found.swapping_share,
    }


def _us(time_ps: int | None) -> float | None:
    return None if time_ps is None else to_us(time_ps)
