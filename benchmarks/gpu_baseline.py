"""What a GPU takes for the same networks: inference at batch 1, and after a layer update.

    python -m benchmarks.gpu_baseline [--output FILE] [--model NAME ...] [--repeats N]

PyTorch on CUDA, eager and as CUDA graphs, in float32, TF32 and float16; where there is no CUDA the
same on the processor, eager in float32, and labelled so. Networks are translated from the graphs
that FPGAs run (`benchmarks.torch_network`), and every way to run one is checked against the
processor in float64, with its own parameters and with replaced ones, before it is timed.

Three tasks: `inference` (input and output stay on the device, as in the modelled figures),
`with copies` (input from the host, output to it), and `update` (parameters of some leading layers
from the host, then inference). Latency is the host's wall clock from the first call to the end of
the device's work. Modelled figures of the FPGA stand apart in the same document.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import datasets
from benchmarks.gpu_machine import allow_tf32, machine
from benchmarks.gpu_session import Session, Task
from benchmarks.torch_network import TorchNetwork
from fpga_rt.arch.boards import board
from fpga_rt.errors import FpgaRtError
from fpga_rt.frontend import load
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.study.device_time import device_times

WARM_UP = 50
SHARES = (0.06, 0.27, 1.0)
"""Of the parameters' bytes, leading layers first: a first block; what Kang and Park (2025) sent of
theirs; everything."""
PERCENTILES = (50, 90, 99)
BOARD = "pynq-z2"

Json = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """How PyTorch runs a network: numbers, and eager or as a CUDA graph."""

    precision: str
    dtype: torch.dtype
    graph: bool
    tolerance: float
    """Largest error accepted before timing, over the largest output."""


CPU_WAYS = (Way("float32", torch.float32, False, 1e-4),)
CUDA_WAYS = tuple(
    Way(precision, dtype, graph, tolerance)
    for precision, dtype, tolerance in (
        ("float32", torch.float32, 1e-4),
        ("tf32", torch.float32, 2e-2),
        ("float16", torch.float16, 5e-2),
    )
    for graph in (False, True)
)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_baseline", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    parser.add_argument("--model", nargs="+", choices=datasets.MODELS, default=[*datasets.MODELS])
    parser.add_argument("--repeats", type=int, default=1000, help="timed runs of each task")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on the processor")
    parser.add_argument("--cpu", action="store_true", help="the processor, also where CUDA is")
    arguments = parser.parse_args()
    for option, value in (("--repeats", arguments.repeats), ("--threads", arguments.threads)):
        if value < 1:
            parser.error(f"{option} {value}, expected at least 1")
    torch.set_num_threads(arguments.threads)
    device = torch.device("cuda" if torch.cuda.is_available() and not arguments.cpu else "cpu")
    try:
        networks = {name: load(datasets.model_path(name)) for name in arguments.model}
        found = document(networks, device, arguments.repeats)
    except FpgaRtError as error:
        print(f"gpu_baseline: {error}", file=sys.stderr)
        return 1
    for line in lines(found):
        print(line)
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def document(networks: dict[str, Network], device: torch.device, repeats: int) -> Json:
    """Return everything as plain data, measured and modelled apart.

    Raises:
        ExecutionError: a way to run a network computes something else than the processor.
        FpgaRtError: a network cannot be translated, or does not fit the board.
    """
    ways = CUDA_WAYS if device.type == "cuda" else CPU_WAYS
    return {
        "command": "python -m benchmarks.gpu_baseline",
        "machine": machine(device),
        "measured": {
            "clock": "wall",
            "origin": "measured",
            "batch": 1,
            "warm_up": WARM_UP,
            "repeats": repeats,
            "results": [
                result
                for name, network in networks.items()
                for way in ways
                for result in measure(name, network, device, way, repeats)
            ],
        },
        "modelled": {
            "clock": "virtual",
            "origin": board(BOARD).origin,
            "board": BOARD,
            "assumptions": list(board(BOARD).notes),
            "results": [modelled(name, network) for name, network in networks.items()],
        },
    }


def measure(
    name: str, network: Network, device: torch.device, way: Way, repeats: int
) -> Iterator[Json]:
    """Yield the figures of every task of a network run one way.

    Raises:
        ExecutionError: it computes something else than the processor.
    """
    with torch.no_grad(), allow_tf32(way.precision == "tf32"):
        session = Session(network, device, way.dtype)
        for task in _tasks(session.network):
            launch = session.prepare(task, way.graph)
            session.check(task, launch, way.tolerance)
            yield {
                "network": name,
                "precision": way.precision,
                "mode": "CUDA graph" if way.graph else "eager",
                **asdict(task),
                **_times(launch, session.synchronise, repeats),
            }


def _tasks(network: TorchNetwork) -> Iterator[Task]:
    yield Task("inference")
    yield Task("with copies")
    total = sum(part.int8_bytes for part in network.parts)
    sets = {len(parts): parts for parts in map(network.leading, SHARES)}
    for parts in sets.values():
        sent = sum(part.int8_bytes for part in parts)
        yield Task("update", parts[0].first, parts[-1].last, len(parts), sent, sent / total)


def _times(launch: Callable[[], object], synchronise: Callable[[], None], repeats: int) -> Json:
    """Return latencies of single runs, and the time of a run among many that are not waited for."""
    for _ in range(WARM_UP):
        launch()
    synchronise()
    taken = np.empty(repeats, np.int64)
    for index in range(repeats):
        start = time.perf_counter_ns()
        launch()
        synchronise()
        taken[index] = time.perf_counter_ns() - start
    start = time.perf_counter_ns()
    for _ in range(repeats):
        launch()
    synchronise()
    streamed = (time.perf_counter_ns() - start) / repeats
    latency = {f"p{p}": float(np.percentile(taken, p)) / 1e3 for p in PERCENTILES}
    return {
        "latency_us": {"min": float(taken.min()) / 1e3, **latency},
        "streamed_us": streamed / 1e3,
    }


def modelled(name: str, network: Network) -> Json:
    """Return what the planner predicts of the FPGA, in microseconds of the virtual clock.

    Raises:
        PlanningError: the network does not fit the board.
    """
    target = board(BOARD)
    times = device_times(
        compile_network(network, target), target, 1, "aggressive", target.default_port
    )
    static = times.static_ps
    return {
        "network": name,
        "warm_us": times.warm.total_ps / 1e6,
        "with_a_swap_us": times.swapped.total_ps / 1e6,
        "static_design_us": None if static is None else static / 1e6,
    }


def lines(found: Json) -> Iterator[str]:
    """Yield the results as lines of text."""
    on = found["machine"]
    yield f"{on['device']} ({on['kind']}), PyTorch {on['torch']}, batch 1, measured, wall clock"
    if on["kind"] == "cpu":
        yield "no CUDA here: these are figures of a processor, not of a GPU"
    for result in found["measured"]["results"]:
        latency = result["latency_us"]
        what = result["task"] + (f" {result['share']:.0%}" if result["task"] == "update" else "")
        yield (
            f"{result['network']:<8} {result['precision']:<8} {result['mode']:<11} {what:<12}"
            f" p50 {latency['p50']:10.1f} us  p99 {latency['p99']:10.1f} us"
            f"  streamed {result['streamed_us']:10.1f} us"
        )
    yield f"{found['modelled']['board']}, {found['modelled']['origin']}, virtual clock"
    for result in found["modelled"]["results"]:
        static = result["static_design_us"]
        beside = (
            "static design does not fit" if static is None else f"static design {static:.1f} us"
        )
        yield (
            f"{result['network']:<8} warm {result['warm_us']:.1f} us,"
            f" with a swap of all modules {result['with_a_swap_us']:.1f} us, {beside}"
        )


if __name__ == "__main__":
    sys.exit(main())
