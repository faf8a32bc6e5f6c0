"""Golden execution: the integer network, image by image, in exact arithmetic.

Emulator, RTL and boards are compared with this. Images run in small groups, so that the
intermediate tensors of a group stay in the processor's cache.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpga_rt.network.graph import Network

GROUP_IMAGES = 8


def run(network: Network, codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the output codes (N, H, W, C) for input codes (N, H, W, C)."""
    groups = [
        run_all(network, codes[first : first + GROUP_IMAGES])[network.output]
        for first in range(0, len(codes), GROUP_IMAGES)
    ]
    if not groups:
        return np.empty((0, *network.tensors[network.output].shape), np.int8)
    return np.concatenate(groups)


def run_all(network: Network, codes: NDArray[np.int8]) -> dict[str, NDArray[np.int8]]:
    """Return every tensor of the network by name, for comparing layer by layer."""
    values = {network.input: codes}
    for node in network.nodes:
        operands = (values[name] for name in node.inputs)
        values[node.output] = node.operation.apply(*operands)
    return values
