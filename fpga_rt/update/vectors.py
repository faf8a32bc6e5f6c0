"""Test vectors: inputs whose outputs are known, by which a device decides about an update.

What is compared is what the partitions give, before the host's own nodes: those outputs are whole
numbers and the same on every machine, while a softmax may round differently elsewhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fpga_rt.deployment.model import Deployment
from fpga_rt.network import golden
from fpga_rt.network.graph import Network

Codes = NDArray[np.int8]
GENERATED = 4
"""Vectors that are made up where none are given."""


def generated(network: Network, count: int = GENERATED) -> Codes:
    """Return input codes (N, H, W, C) that look like noise and follow from the input's shape."""
    shape = (count, *network.tensors[network.input].shape)
    stream = hashlib.shake_256(f"fpga-rt test vectors {shape}".encode())
    return np.frombuffer(stream.digest(int(np.prod(shape))), np.int8).reshape(shape)


def codes_digest(codes: Codes) -> str:
    """Return the SHA-256 of codes, their shape included, in hex."""
    head = f"int8 {codes.shape}\n".encode()
    return hashlib.sha256(head + np.ascontiguousarray(codes).tobytes()).hexdigest()


def expected_outputs(deployment: Deployment, vectors: Codes) -> Codes:
    """Return what the partitions give for vectors, (N, bytes), by golden execution."""
    network = deployment.network
    split = len(network.nodes) - deployment.host_nodes
    nodes, tail = network.nodes[:split], network.nodes[split:]
    output = tail[0].inputs[0] if tail else network.output
    on_partitions = replace(network, nodes=nodes, output=output)
    return golden.run(on_partitions, vectors).reshape(len(vectors), -1)
