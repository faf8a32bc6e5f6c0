"""Which layers a policy moves."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.network.graph import Network
from fpga_rt.update.adapt.policies import Plan, blocks, plan, weight_bytes
from tests.random_networks import Builder

GAINS = {"stem": 5.0, "branch": 1.0, "depth": 9.0, "dense": 2.0}


def test_blocks_end_where_one_tensor_is_alive(network: Network) -> None:
    assert blocks(network) == (("stem",), ("branch",), ("depth",), ("dense",))
    builder = Builder(np.random.default_rng(0), (6, 6, 4))
    stem = builder.convolution(8, 3)
    inner = builder.convolution(8, 3)
    outer = builder.convolution(8, 3)
    builder.addition(stem, outer)
    builder.depthwise(3)
    builder.dense(3)
    found = blocks(builder.build())
    assert found == (("n0",), ("n1", "n2"), ("n4",), ("n6",))
    assert inner != outer


def test_bytes_of_weights(network: Network) -> None:
    assert weight_bytes(network) == {"stem": 216, "branch": 576, "depth": 72, "dense": 32}
    builder = Builder(np.random.default_rng(0), (6, 6, 4))
    builder.convolution(8, 3, bits=4)
    assert weight_bytes(builder.build()) == {"n0": 144}


@pytest.mark.parametrize(
    ("policy", "room", "weights"),
    [
        ("statistics", 100, ()),
        ("affine", 100, ()),
        ("first_blocks", 1, ("stem",)),
        ("first_blocks", 198, ("stem", "branch")),
        ("first_blocks", 197, ("stem",)),
        ("first_blocks", None, ("stem",)),
        ("sensitive_blocks", 1, ("depth",)),
        ("sensitive_blocks", 80, ("depth", "stem", "dense")),
        ("sensitive_blocks", 71, ("depth", "dense")),
        ("last_layer", 1, ("dense",)),
        ("sparse", 1, ("stem", "branch", "depth", "dense")),
        ("full", 1, ("stem", "branch", "depth", "dense")),
    ],
)
def test_plans(network: Network, policy: str, room: int | None, weights: tuple[str, ...]) -> None:
    """Room for a byte of changes is room for four bytes of weights that are trained."""
    found = plan(policy, network, room, GAINS)  # type: ignore[arg-type] # a literal type
    assert found.weights == frozenset(weights)
    assert found.affine == (policy != "statistics")
    assert found.normalise == (policy != "last_layer")
    assert found.alone == (policy == "last_layer")


@pytest.mark.parametrize(
    ("room", "count"), [(-9, 1), (80, 100), (500, 625), (10_000, 896), (None, 44)]
)
def test_sparse_counts_weights(network: Network, room: int | None, count: int) -> None:
    """A byte is expected to hold one and a quarter; there are 896, of which 5 % are 44."""
    assert plan("sparse", network, room, GAINS).count == count
    assert plan("full", network, room, GAINS).count == 0


def test_only_statistics_does_without_training() -> None:
    assert not Plan().trains
    assert Plan(affine=True).trains
    assert Plan(weights=frozenset(["stem"])).trains
