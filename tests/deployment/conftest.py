"""A deployment made by hand: two launches on two partitions, four blocks, three bitstreams."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arithmetic.operations import Convolution, Dense, MaximumPool, Softmax
from fpga_rt.arithmetic.requantise import Requantisation
from fpga_rt.deployment.model import Block, Deployment, Launch, Segments, Step, digest
from fpga_rt.network.graph import Network, Node, Tensor

WEIGHTS = (bytes(range(64)), bytes(range(100, 132)))
TABLES = (b"first table".ljust(40, b"."), b"second table".ljust(40, b"-"))
BITSTREAMS = {(0, "conv16x8"): b"A" * 48, (1, "pooling16"): b"B" * 24, (0, "dense8x8"): b"C" * 32}


def _network() -> Network:
    def rule(channels: int) -> Requantisation:
        ones = np.ones(channels, np.int32)
        return Requantisation(ones, 7 * ones, -3)

    tensors = {
        name: Tensor(name, shape, 0.125, -3)
        for name, shape in {
            "image": (4, 4, 1),
            "features": (2, 2, 2),
            "pooled": (1, 1, 2),
            "logits": (1, 1, 3),
            "shares": (1, 1, 3),
        }.items()
    }
    kernels = np.arange(-9, 9, dtype=np.int8).reshape(2, 3, 3, 1)
    matrix = np.arange(6, dtype=np.int8).reshape(3, 2)
    convolution = Convolution(kernels, np.array([5, -70000], np.int32), rule(2))
    dense = Dense(matrix, np.array([1, 2, 3], np.int32), rule(3))
    nodes = (
        Node("conv", convolution, ("image",), "features"),
        Node("pool", MaximumPool((2, 2)), ("features",), "pooled"),
        Node("dense", dense, ("pooled",), "logits"),
        Node("softmax", Softmax(0.125), ("logits",), "shares"),
    )
    return Network("tiny", tensors, nodes, "image", "shares", "NCHW", 4, True)


@pytest.fixture(scope="session")
def deployment() -> Deployment:
    """Return a deployment with every kind of content."""
    weights = tuple(
        Block(digest(w), offset, len(w)) for w, offset in zip(WEIGHTS, (0, 64), strict=True)
    )
    tables = tuple(
        Block(digest(t), offset, len(t)) for t, offset in zip(TABLES, (0, 64), strict=True)
    )
    conv = Step(
        "conv", "convolution", 0, "conv16x8", (0, 1), (0, 2), weights[:1], tables[:1], 10, 100
    )
    pool = Step("pool", "maximum_pool", 1, "pooling16", (0, 1), (0, 2), (), (), 0, 12)
    dense = Step("dense", "dense", 0, "dense8x8", (0, 1), (0, 3), weights[1:], tables[1:], 8, 20)
    first = Launch({1: "pooling16", 0: "conv16x8"}, {1: b"\1" * 64, 0: b"\2" * 64}, (conv, pool))
    second = Launch({0: "dense8x8"}, {0: b"\3" * 64}, (dense,))
    return Deployment(
        network=_network(),
        board="pynq-z2",
        map_id=0xFEDC_BA98_7654_3210,
        partitions=(0, 1),
        launches=(first, second),
        segments=Segments(16, 3, 64, 96, 104, 2),
        blocks={digest(data): data for data in (*WEIGHTS, *TABLES)},
        bitstreams={digest(data): data for data in BITSTREAMS.values()},
        loads={place: digest(data) for place, data in BITSTREAMS.items()},
        module_ids={"pooling16": 3, "conv16x8": (1 << 64) - 1, "dense8x8": 2},
        host_nodes=1,
        static_id=0x1234_5678_9ABC_DEF0,
    )
