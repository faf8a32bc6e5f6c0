"""The bytes of an update, and steps of weights that are coarse enough for a budget."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import numpy as np
import torch

from fpga_rt.deployment.model import Deployment
from fpga_rt.network.graph import Network
from fpga_rt.update.adapt.graph import WEIGHT_UNIT, Graph, WeightedLayer
from fpga_rt.update.adapt.policies import COMPRESSION, weight_bytes
from fpga_rt.update.adapt.weighted import WEIGHTED, channels_first
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.signature import PublicKey

MARGINS_BYTES = (32, 64, 128, 256)
"""Left free by `coarsen`, the next where one was too small: normalisation is measured again behind
it, so some bytes change."""
_SIGNATURE_BYTES = 64
"""Of Ed25519."""
STEPS: tuple[int, ...] = (*range(1, 16), 16, 19, 23, 27, 32, 38, 45, 54, 64, 76, 91, 108, 128)
"""Codes by which a weight may move, or multiples of them; behind the last one none moves."""
_HEAD_BYTES = 550
_CHANNEL_BYTES = 4


class _Scales:
    """Weighs packages: signs with as many bytes as Ed25519 does."""

    public_key = PublicKey("none", "00")

    def sign(self, message: bytes) -> bytes:
        """Return bytes of a signature's length."""
        return bytes(_SIGNATURE_BYTES)


def package_bytes(base: Deployment, network: Network) -> int:
    """Return the length of the signed package that leads from a base to a network.

    Raises:
        UpdateError: nothing changes, or the network cannot follow the base.
        PlanningError: it does not fit the board.
    """
    target = make_target(base, network).deployment
    return len(make_package(base, target, 2, _Scales()))


def affine_bytes(network: Network) -> int:
    """Return about how many bytes a package has that changes gain and offset of every channel."""
    channels = sum(
        len(node.operation.bias) for node in network.nodes if isinstance(node.operation, WEIGHTED)
    )
    return _HEAD_BYTES + _CHANNEL_BYTES * channels


def full_bytes(network: Network) -> int:
    """Return about how many bytes a package has that changes everything."""
    return affine_bytes(network) + sum(weight_bytes(network).values()) // COMPRESSION


def coarsen(graph: Graph, fits: Callable[[], bool]) -> int:
    """Let weights move in the smallest steps of `STEPS` with which the update fits.

    A coarse step puts weights back that moved by less than half of it, and leaves of the others
    few different changes, which compress well.

    Returns:
        The step, in codes; 0 where none fits and all weights are back.
    """
    before = {layer: _before(layer) for layer in graph.weighted}
    trained = {layer: layer.weights.detach().clone() for layer in before}

    def move_by(step: int) -> None:
        for layer, old in before.items():
            change = (trained[layer] - old) * WEIGHT_UNIT
            layer.weights.data = old + torch.round(change / step) * step / WEIGHT_UNIT

    def try_with(step: int) -> bool:
        move_by(step)
        return fits()

    first = bisect_left(STEPS, True, key=try_with)
    if first == len(STEPS):
        for layer, old in before.items():
            layer.weights.data = old.clone()
        return 0
    move_by(STEPS[first])
    return STEPS[first]


def _before(layer: WeightedLayer) -> torch.Tensor:
    codes = channels_first(layer.operation).astype(np.float32)
    return torch.from_numpy(codes / WEIGHT_UNIT)
