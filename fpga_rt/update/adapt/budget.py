"""The bytes of an update, and weights left as they were until it fits a budget."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from fpga_rt.deployment.model import Deployment
from fpga_rt.network.graph import Network
from fpga_rt.update.adapt.graph import WEIGHT_UNIT, Graph, WeightedLayer
from fpga_rt.update.adapt.weighted import WEIGHTED, channels_first
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.signature import PublicKey

MARGIN_BYTES = 32
"""Left free by `thin`: normalisation is measured again behind it, so some bytes change."""
_SIGNATURE_BYTES = 64
"""Of Ed25519."""
_ROUNDED = 0.5
_HALVINGS = 4
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


def thin(graph: Graph, fits: Callable[[], bool]) -> float:
    """Round weights to codes, and put back those that moved least until the update fits.

    Returns:
        The change, in codes, below which weights were put back; a half where all fit.
    """
    before = {layer: _before(layer) for layer in graph.weighted}
    trained = {layer: layer.weights.detach().clone() for layer in before}

    def try_with(least: float) -> bool:
        for layer, old in before.items():
            change = (trained[layer] - old) * WEIGHT_UNIT
            change = torch.where(change.abs() < least, 0, torch.round(change))
            layer.weights.data = old + change / WEIGHT_UNIT
        return fits()

    low, high = _ROUNDED, _ROUNDED
    while not try_with(high) and high < 2 * WEIGHT_UNIT:
        low, high = high, 2 * high
    for _ in range(_HALVINGS if high > low else 0):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if try_with(middle) else (middle, high)
    try_with(high)
    return high


def _before(layer: WeightedLayer) -> torch.Tensor:
    codes = channels_first(layer.operation).astype(np.float32)
    return torch.from_numpy(codes / WEIGHT_UNIT)
