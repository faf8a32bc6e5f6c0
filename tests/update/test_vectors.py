"""Test vectors: the same everywhere, and compared before the host's own nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import fpga_rt
from fpga_rt.arithmetic.operations import Softmax
from fpga_rt.network.graph import Node, Tensor
from fpga_rt.update.vectors import codes_digest, expected_outputs, generated
from tests.random_networks import Builder


def test_made_up_vectors_follow_from_the_shape() -> None:
    first, second = (Builder(np.random.default_rng(i), (4, 5, 3)) for i in range(2))
    for builder in (first, second):
        builder.convolution(2, 1)
    vectors = generated(first.build("a"))
    assert vectors.shape == (4, 4, 5, 3)
    assert vectors.dtype == np.int8
    np.testing.assert_array_equal(vectors, generated(second.build("b")))
    assert len(np.unique(vectors)) > 100


def test_the_digest_covers_the_shape() -> None:
    codes = np.zeros((2, 3), np.int8)
    assert codes_digest(codes) != codes_digest(codes.reshape(3, 2))
    assert codes_digest(codes) == codes_digest(codes[:, ::-1])


def test_a_softmax_is_left_out() -> None:
    builder = Builder(np.random.default_rng(0), (2, 2, 8))
    builder.dense(5)
    plain = builder.build("plain")
    logits = plain.tensors[plain.output]
    tensors = {**plain.tensors, "shares": Tensor("shares", logits.shape, 1 / 256, -128)}
    nodes = (*plain.nodes, Node("softmax", Softmax(logits.scale), (plain.output,), "shares"))
    whole = replace(plain, tensors=tensors, nodes=nodes, output="shares")
    codes = generated(plain)
    expected = [
        expected_outputs(fpga_rt.compile(network, "pynq-z2", 1), codes)
        for network in (plain, whole)
    ]
    np.testing.assert_array_equal(expected[0], expected[1])
