"""The MLPerf Tiny models on simulated gateware, on PYNQ-Z2's floorplan: latency and throughput.

Cycles are those of the RTL, at clocks of 1000/7 MHz (compute) and 100 MHz (ICAP) that are assumed.
Outputs are checked against golden execution. Beside each figure stands what is predicted for it,
what fpgaConvNet publishes for the same part, with a static design and a full bitstream of its own
for each task, and the best static design of this project's modules in the area of the partitions.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import datasets
from benchmarks.measurement import Measurement
from fpga_rt.arch.boards import board
from fpga_rt.contract.command import Operation
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.interface import Device
from fpga_rt.errors import ExecutionError
from fpga_rt.frontend import load
from fpga_rt.modules.registry import modules
from fpga_rt.modules.synthesis import synthesised
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.baseline import static_baseline
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.predict import predict
from fpga_rt.runtime.layers import Work, by_kind, layer_work
from fpga_rt.runtime.records import Log
from fpga_rt.runtime.runtime import Runtime
from sim.device import RtlDevice

BOARD = "pynq-z2"
PEER_INFERENCES_PER_S = {"resnet8": 2431, "ds-cnn": 3088, "vww": 105}
"""fpgaConvNet on XC7Z020 at 143 MHz, MLPerf Tiny v1.1, closed; its latency is 1/throughput."""
BATCH = 8
SINGLE = 5
"""Requests of one image."""
GOAL_WALL_S = {"resnet8": 0.5}
KIND = f"{Operation.CONVOLUTION.name.lower()} 3x3"
GOAL_BUSY = 90.0
Codes = NDArray[np.int8]


@dataclass(frozen=True)
class Simulated:
    """What was counted for a network while all its modules stay.

    Attributes:
        latency_ps: of a request of one image.
        batch_ps: of a request of `BATCH` images.
        wall_s: of simulating a request of one image, the median.
        log: of the requests of one image.
    """

    latency_ps: int
    batch_ps: int
    wall_s: float
    log: Log


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    return RtlDevice.obstacle() or datasets.obstacle("tflite")


def run() -> list[Measurement]:
    """Return the figures of every model, then those of a swap."""
    found = []
    with RtlDevice(BOARD, load_time="stream") as device:
        for name in datasets.MODELS:
            found += _figures(name, load(datasets.model_path(name)), device)
    return found + _swaps()


def _figures(name: str, network: Network, device: Device) -> list[Measurement]:
    target = board(BOARD)
    deployment = compile_network(network, target)
    seen = _simulate(deployment, device)
    single, batches = (predict(target, [(deployment, images)] * 2) for images in (1, BATCH))
    (first, warm), (_, batched) = single.requests, batches.requests
    peer = PEER_INFERENCES_PER_S.get(name)
    rate = BATCH * 1e12 / seen.batch_ps
    said_ms, said_rate = (warm[1] - warm[0]) / 1e9, BATCH * 1e12 / (batched[1] - batched[0])
    resident = " + ".join(_modules(deployment))
    of = f"; fpgaConvNet {1e3 / peer:.3f} ms" if peer else ""
    than = f"; fpgaConvNet {peer:,}" if peer else ""
    measurements = [
        Measurement(
            f"{name} warm latency", seen.latency_ps / 1e9, "ms", "rtl",
            1e3 / peer if peer else None, note=f"predicted {said_ms:.3f} ms{of}; {resident}",
        ),
        Measurement(
            f"{name} inferences/s, one at a time", 1e12 / seen.latency_ps, "/s", "rtl",
            peer, False, f"predicted {1e3 / said_ms:,.0f}{than}",
        ),
        Measurement(
            f"{name} inferences/s, {BATCH} in a request", rate, "/s", "rtl",
            peer, False, f"predicted {said_rate:,.0f}{than}",
        ),
        Measurement(
            f"{name} first request, its loads included", (first[1] - first[0]) / 1e9, "ms",
            "virtual", note=f"of one image; {len(single.loads)} loads by {target.default_port}",
        ),
        _fabric(name, deployment),
        *_baseline(name, network),
        Measurement(
            f"{name} simulated in", seen.wall_s, "s/image", "wall", GOAL_WALL_S.get(name),
            note=f"median of {SINGLE}, once built",
        ),
    ]  # fmt: skip
    work = by_kind(layer_work(deployment, seen.log, target)).get(KIND)
    return [*measurements, *(_busy(name, work) if name == "resnet8" and work else ())]


def _busy(name: str, work: Work) -> list[Measurement]:
    """Return the share of busy multipliers in two measures.

    A command's own clocks run from its start to its end. What comes before them (its parameters,
    the sequencer, other partitions) is waiting, and only the second measure counts it: that is the
    one to hold against a design whose layers are timed from one to the next, as NNgen's are.
    """
    if work.busy is None or work.busy_overall is None:
        return []
    of = f"of all modules that share its {KIND} layers, the first layer included"
    title = f"{name} multipliers busy, {KIND}"
    own, all_of = work.busy * 100, work.busy_overall * 100
    return [
        Measurement(title, own, "%", "rtl", GOAL_BUSY, False, f"{of}; clocks of commands alone"),
        Measurement(
            f"{title}, waits too", all_of, "%", "rtl",
            note=f"{of}; every clock from the end of the command before: parameters, dispatch,"
            " other partitions; NNgen's clocks are counted so",
        ),
    ]  # fmt: skip


def _modules(deployment: Deployment) -> list[str]:
    """Return the modules of the first launch by partition."""
    return [name for _, name in sorted(deployment.launches[0].modules.items())]


def _simulate(deployment: Deployment, device: Device) -> Simulated:
    """Run single images and a batch, with the modules resident.

    Raises:
        ExecutionError: an output differs from golden execution, or a module was loaded where all
            are to be resident.
    """
    network = deployment.network
    shape = (SINGLE + BATCH, *network.tensors[network.input].shape)
    codes = np.random.default_rng(0).integers(-128, 128, shape, np.int8)
    single, batch = codes[:SINGLE], codes[SINGLE:]
    with Runtime(device) as runtime:
        model = runtime.load(deployment)
        outputs = [runtime.run(model, batch, BATCH)]  # loads what is not there yet
        runtime.clear_log()
        outputs.append(runtime.run(model, batch, BATCH))
        (whole,) = runtime.log.requests
        require_resident(deployment, runtime.log)
        runtime.clear_log()
        walls = []
        for image in single:
            began = time.perf_counter()
            outputs.append(runtime.run(model, image[None]))
            walls.append(time.perf_counter() - began)
        log = runtime.log
    require_resident(deployment, log)
    expected = golden.run(network, np.concatenate([batch, codes[SINGLE:], single]))
    if not np.array_equal(np.concatenate(outputs), expected):
        raise ExecutionError(
            f"{network.name} on rtl differs from golden execution; find the layer with"
            " `fpga-rt run --device rtl --compare golden`"
        )
    spans = [record.ended_ps - record.started_ps for record in log.requests]
    wall_s = float(np.median(walls))
    return Simulated(max(spans), whole.ended_ps - whole.started_ps, wall_s, log)


def require_resident(deployment: Deployment, log: Log) -> None:
    """Refuse figures of resident modules where there was a load, or will be one.

    Raises:
        ExecutionError: a module was loaded, or the plan has more launches than the one that
            `_modules` names.
    """
    loaded = [f"{swap.module} into partition {swap.partition}" for swap in log.swaps]
    if loaded or len(deployment.launches) != 1:
        raise ExecutionError(
            f"{deployment.network.name} has {len(deployment.launches)} launches and loaded"
            f" {', '.join(loaded) or 'nothing'} in warm requests, expected one launch and no load;"
            " its latency is not that of resident modules"
        )


def _fabric(name: str, deployment: Deployment) -> Measurement:
    """Return what the static region and every module of a network take together."""
    device = board(BOARD).device.resources
    module_of = {module.name: module.resources for module in modules()}
    total = synthesised(f"static_region_{BOARD.replace('-', '_')}")
    for module in _modules(deployment):
        total += module_of[module]
    if not total.fits_in(device):
        raise ExecutionError(f"{name} takes {total}, {BOARD} has {device}")
    note = f"and {total.dsp} of {device.dsp} DSP, {total.bram36} of {device.bram36} BRAM36; Yosys"
    return Measurement(f"{name} fabric", total.lut, "LUT", "none", device.lut, note=note)


def _baseline(name: str, network: Network) -> list[Measurement]:
    """Return the latency of the best static design of the same area."""
    found = static_baseline(network, board(BOARD))
    if found is None:
        return []
    title, note = f"{name} static baseline", f"warm latency; {' + '.join(found.modules)}"
    return [Measurement(title, found.latency_ps / 1e9, "ms", "virtual", note=note)]


def _swaps() -> list[Measurement]:
    """Return how long a load of each partition takes through the board's port."""
    target = board(BOARD)
    port = target.ports[target.default_port]
    rate = f"{port.bytes_per_second / 1e6:g} MB/s ({port.origin})"
    return [
        Measurement(
            f"load of partition {partition.name}",
            port.load_ps(partition.bitstream_bytes) / 1e9,
            "ms",
            "virtual",
            note=f"{partition.bitstream_bytes:,} bytes by {port.name}, {rate}",
        )
        for partition in target.partitions
    ]
