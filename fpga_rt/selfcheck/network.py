"""A small network that is always at hand: every kind of layer, weights by a rule, no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.accumulate import Padding
from fpga_rt.arithmetic.operations import (
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
    Operation,
    Shape,
    accumulator_bound,
)
from fpga_rt.arithmetic.requantise import Requantisation
from fpga_rt.deployment.model import Deployment, digest
from fpga_rt.device.interface import Device
from fpga_rt.errors import ArtifactError, PlanningError
from fpga_rt.modules.module import Module
from fpga_rt.network import golden
from fpga_rt.network.graph import Network, Node, Tensor
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.compare import compare_layers, compare_outputs
from fpga_rt.runtime.records import Log
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.selfcheck.bitstreams import Candidate
from fpga_rt.selfcheck.checks import NotDoneError

INPUT: Shape = (8, 8, 8)
_SAME: Padding = (1, 1, 1, 1)
_IMAGES = 4
_SCALE = 0.05


def small_network() -> Network:
    """Return a convolution, a depthwise one, both kinds of pooling, and a dense layer."""
    halves, means = np.zeros(16, np.int32), np.full(16, 1.5 / 4)
    operations: tuple[Operation, ...] = (
        Convolution(*_weights((16, 3, 3, 8), axis=0), (1, 1), _SAME, -3),
        DepthwiseConvolution(*_weights((3, 3, 16), axis=2), (1, 1), _SAME, 4),
        MaximumPool((2, 2), (2, 2)),
        AveragePool((2, 2), halves, Requantisation.from_scales(means, 512, -2), (2, 2)),
        Convolution(*_weights((24, 2, 2, 16), axis=0), (2, 2)),
        Dense(*_weights((10, 24), axis=0)),
    )
    tensors = {"input": Tensor("input", INPUT, _SCALE, 0)}
    nodes, current = [], "input"
    for number, operation in enumerate(operations):
        shape, name = operation.output_shape(tensors[current].shape), f"t{number}"
        tensors[name] = Tensor(name, shape, _SCALE, 0)
        nodes.append(Node(f"n{number}", operation, (current,), name))
        current = name
    return Network("selfcheck", tensors, tuple(nodes), "input", current)


def _weights(
    shape: Shape | tuple[int, ...], axis: int
) -> tuple[NDArray[np.int8], NDArray[np.int32], Requantisation]:
    """Return weights, bias and a rule that spreads the sums; output channels along an axis."""
    count = int(np.prod(shape))
    weights = ((np.arange(count) * 89 + 17) % 255 - 127).astype(np.int8).reshape(shape)
    channels = np.moveaxis(weights, axis, 0).reshape(shape[axis], -1)
    bias = (np.arange(shape[axis], dtype=np.int32) * 613) % 2001 - 1000
    deviation = np.sqrt((channels.astype(np.float64) ** 2).sum(axis=1))
    bound = accumulator_bound(channels, bias)
    return weights, bias, Requantisation.from_scales(0.7 / deviation, bound, 3)


@dataclass(frozen=True)
class Ran:
    """What the network took: loads, and the first and the last request in picoseconds."""

    loads: int
    first_ps: int
    last_ps: int
    values: int


def run_network(device: Device, candidates: Sequence[Candidate], port: str) -> Ran:
    """Run the network and compare every layer, and then its outputs, with golden execution.

    Raises:
        NotDoneError: a bitstream that it needs is not there.
        ArtifactError: the bitstreams do not belong together.
        DifferenceError: a layer or an output differs.
        FpgaRtError: a swap or a program failed.
    """
    deployment = _deployment(device, candidates)
    count = _IMAGES * int(np.prod(INPUT))
    images = ((np.arange(count) * 73) % 256 - 128).astype(np.int8).reshape(_IMAGES, *INPUT)
    with Runtime(device, port=port) as runtime:
        compare_layers(runtime, deployment, images)  # names the layer and module that is wrong
    with Runtime(device, port=port) as runtime:
        codes = runtime.run(runtime.load(deployment), images)
        log: Log = runtime.log
    compare_outputs(deployment.network.name, codes, golden.run(deployment.network, images))
    took = [request.ended_ps - request.started_ps for request in log.requests]
    return Ran(len(log.swaps), took[0], took[-1], codes.size)


def _deployment(device: Device, candidates: Sequence[Candidate]) -> Deployment:
    """Compile for the modules that every partition can be given, and take their bitstreams."""
    board = device.capabilities.board
    by_module: dict[str, Module] = {c.module.name: c.module for c in candidates}
    offered = {(c.partition, c.module.name): c for c in candidates}
    try:
        deployment = compile_network(small_network(), board, modules=tuple(by_module.values()))
    except PlanningError as error:
        raise NotDoneError(f"not run: {error}") from error
    missing = [key for key in deployment.loads if key not in offered]
    if missing:
        partition, module = missing[0]
        raise NotDoneError(
            f"not run: there is no bitstream of {module} for partition"
            f" {board.partitions[partition].name}; build it"
        )
    return _loading(deployment, {key: offered[key] for key in deployment.loads})


def _loading(deployment: Deployment, chosen: Mapping[tuple[int, str], Candidate]) -> Deployment:
    """Return a deployment that loads the candidates' bitstreams.

    Raises:
        ArtifactError: one cannot be read, or they are for several static regions.
    """
    regions = {candidate.static_id for candidate in chosen.values()}
    if len(regions) > 1:
        listed = ", ".join("unknown" if r is None else f"{r:#018x}" for r in regions)
        raise ArtifactError(
            f"the bitstreams of the network were implemented against static regions {listed},"
            " expected one and the same; build them together"
        )
    streams = {key: candidate.read() for key, candidate in chosen.items()}
    return replace(
        deployment,
        bitstreams={digest(stream): stream for stream in streams.values()},
        loads={key: digest(stream) for key, stream in streams.items()},
        static_id=regions.pop() or 0,
    )
