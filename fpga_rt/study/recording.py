"""Points of a study run on the emulator, for what a table of results cannot hold.

A recording has every request, program and load of a point with its phases: what CDFs, timelines and
traces are made of. It lies in a folder of its own in the study's: `runs/NAME/run.json`, and
`trace.json` beside it for ui.perfetto.dev, or `trace.pftrace` in Perfetto's own format as well.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from fpga_rt.arch.boards import Board
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.device.registry import open_device
from fpga_rt.errors import ArtifactError, PlanningError
from fpga_rt.planner.plan import Plan
from fpga_rt.planner.requests import jobs_of, row_of
from fpga_rt.planner.schedule import POLICIES, Policy
from fpga_rt.runtime import perfetto
from fpga_rt.runtime.perfetto_native import encode
from fpga_rt.runtime.records import Log
from fpga_rt.runtime.report import to_us
from fpga_rt.runtime.runtime import Request, Runtime
from fpga_rt.study.axes import Point
from fpga_rt.study.context import Context
from fpga_rt.study.evaluate import seed_of
from fpga_rt.study.json_file import Json, read_json
from fpga_rt.study.optimum import optimum

FORMAT, VERSION = "fpga-rt study run", 1
RECORDED = ("single-stream", "gateway")
"""Kinds of workloads of which everything is known before it runs."""
RUNS, RUN, TRACE, NATIVE = "runs", "run.json", "trace.json", "trace.pftrace"


def record(context: Context, name: str, folder: Path, native: bool = False) -> Path:
    """Run a point on the emulator and write what happened; return the folder of the recording.

    Args:
        context: of the study.
        name: of the point.
        folder: the study's.
        native: write the trace in Perfetto's own format too.

    Raises:
        PlanningError: there is no such point, it cannot be planned, or its requests arrive online.
        ArtifactError: a file cannot be written.
        ToolchainError: the package `perfetto` is missing.
    """
    point = point_of(context, name)
    place = folder / RUNS / folder_name(name)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(f"{place} cannot be made ({error.strerror}); check the path") from error
    board = context.board(point)
    with open_device("emulator", board) as device:
        with Runtime(device, _policy(point)) as runtime:
            _run(context, point, board, runtime)
            log, capabilities = runtime.log, device.capabilities
        recorded = {
            "format": FORMAT,
            "version": VERSION,
            "point": name,
            "settings": point.cells(),
            "command": f"fpga-rt study trace {context.study.name} --point '{name}'",
            "device": capabilities.device,
            "board": board.name,
            "port": board.default_port,
            "clock": capabilities.clock,
            "origin": capabilities.origin,
            "assumptions": list(capabilities.assumptions),
            "partitions": [partition.name for partition in board.partitions],
            **_events(log),
        }
        trace = perfetto.trace(log, capabilities, board.default_port)
    if native:
        write_atomically(place / NATIVE, [encode(trace)])
    write_atomically(place / TRACE, [json.dumps(trace).encode()])
    write_atomically(place / RUN, [json.dumps(recorded).encode()])
    return place


def point_of(context: Context, name: str) -> Point:
    """Return the point of a name whose requests are known in advance.

    Raises:
        PlanningError: there is none.
    """
    points = context.study.points
    if name not in points:
        close = ", ".join(repr(known) for known in list(points)[:4])
        raise PlanningError(f"there is no point {name!r}, expected one of {close}, ...")
    point = points[name]
    kind = context.study.workloads[point.workload].kind
    if kind not in RECORDED:
        what = "a server, whose requests" if kind == "server" else "drift, whose updates"
        raise PlanningError(
            f"point {name!r} is of {what} arrive while it runs, expected a single"
            " stream or a gateway; `fpga-rt study run` has its figures"
        )
    return point


def folder_name(name: str) -> str:
    """Return a file name for a point's name."""
    return re.sub(r"[^\w.=+-]+", "_", name)


def read_runs(folder: Path) -> list[Json]:
    """Return the recordings of a study, by name of their points.

    Raises:
        ArtifactError: one cannot be read, or is of another format.
    """
    found = [_read(path) for path in sorted((folder / RUNS).glob(f"*/{RUN}"))]
    return sorted(found, key=lambda run: str(run["point"]))


def _read(path: Path) -> Json:
    again = "record it again with `fpga-rt study trace`"
    return read_json(path, (FORMAT, VERSION), "recording", again)


def _policy(point: Point) -> Policy:
    """Return the runtime's policy; the exact planner's schedule is a plan, whatever the policy."""
    return next((policy for policy in POLICIES if policy == point.policy), "aggressive")


def _run(context: Context, point: Point, board: Board, runtime: Runtime) -> None:
    """Run a point's requests, with random inputs: times do not depend on them."""
    workload = context.study.workloads[point.workload]
    names = workload.networks(seed_of(context.study.seed, workload))
    compiled = context.deployments(point, list(dict.fromkeys(names)))
    models = {name: runtime.load(deployment) for name, deployment in compiled.items()}
    rng = np.random.default_rng(context.study.seed)
    inputs = {}
    for name, deployment in compiled.items():
        network = deployment.network
        shape = (point.batch, *network.tensors[network.input].shape)
        inputs[name] = rng.integers(-128, 128, shape).astype(np.int8)
    plan: Plan | None = None
    if point.policy == "exact":
        deployments = [compiled[name] for name in names]
        jobs = jobs_of([(i, d, point.batch) for i, d in enumerate(deployments)], True)
        row = row_of(board, board.default_port, jobs, deployments, context.timelines(point))
        plan = optimum(row, context.study.exact_seconds).outcome.plan
    runtime.trace([Request(models[name], inputs[name]) for name in names], plan)


def _events(log: Log) -> Json:
    return {
        "requests": [
            {"network": r.model, "images": r.images, "us": _us(r.started_ps, r.ended_ps)}
            for r in log.requests
        ],
        "loads": [
            {
                "partition": swap.partition,
                "module": swap.module,
                "initial": swap.initial,
                "ahead": swap.ahead,
                "us": _us(*swap.span),
                "hidden_us": to_us(log.hidden_ps(swap)),
                "phases_us": {name: to_us(ps) for name, ps in swap.phases_ps.items()},
            }
            for swap in log.swaps
        ],
        "programs": [
            {
                "partition": partition,
                "network": program.model,
                "request": program.request,
                "launch": program.launch,
                "us": _us(*span),
            }
            for program in log.programs
            for partition, span in program.busy_ps.items()
        ],
    }


def _us(start_ps: int, end_ps: int) -> list[float]:
    return [to_us(start_ps), to_us(end_ps)]
