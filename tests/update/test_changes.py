"""Changes: what is sent, and that it leads to the target and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.deployment import archive
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import UpdateError
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.update.changes import Changes, Value, apply, difference
from fpga_rt.update.make import make_target
from tests.random_networks import Builder, varied_network
from tests.update.networks import drifted


def _leads_to(base: Deployment, target: Deployment) -> tuple[Changes, bytes]:
    changes, data = difference(base, target)
    assert archive.encode(apply(base, changes, data)) == archive.encode(target)
    return changes, data


@pytest.mark.parametrize("seed", range(10))
def test_parameters_of_any_network(seed: int) -> None:
    network = varied_network(seed)
    base = compile_network(network, board("pynq-z2"), 2)
    target = make_target(base, drifted(network, seed, weights=seed % 2 == 0)).deployment
    changes, _ = _leads_to(base, target)
    assert changes.parameters_only
    assert changes.rows
    assert changes.network == changes.program == ""


def test_tables_alone_send_no_weights(base: Deployment) -> None:
    target = make_target(base, drifted(base.network, 3)).deployment
    _, data = _leads_to(base, target)
    assert len(data) < base.segments.weights_bytes
    assert target.image("weights") == base.image("weights")
    assert target.image("tables") != base.image("tables")


def test_a_scale_is_one_value(base: Deployment) -> None:
    network = base.network
    tensor = replace(network.tensors[network.output], scale=0.5)
    changed = replace(network, tensors={**network.tensors, network.output: tensor})
    changes, data = _leads_to(base, make_target(base, changed).deployment)
    assert data == b""
    assert changes == Changes(values=(Value(f".tensors.{network.output}.scale", "0.5"),))


def _wider(network: Network) -> Network:
    builder = Builder(np.random.default_rng(9), network.tensors[network.input].shape)
    builder.convolution(24, 3)
    builder.maximum(2, 2)
    builder.dense(5)
    return builder.build(network.name)


def test_another_structure_is_sent_whole_with_its_program(base: Deployment) -> None:
    target = make_target(base, _wider(base.network))
    assert target.obstacle == "it has other operations, or connects them in another way"
    changes, data = _leads_to(base, target.deployment)
    assert not changes.parameters_only
    assert changes.network
    known = [sent for sent in changes.contents if sent.sha256]
    assert {sent.sha256 for sent in known} <= base.bitstreams.keys()
    assert known
    assert len(data) < sum(map(len, archive.encode(target.deployment)))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (Changes(rows=(99,)), r"rows of arrays \[99\], the base has"),
        (Changes(rows=(1, 0)), r"rows of arrays \[1, 0\]"),
        (
            Changes(values=(Value(".nowhere", "1"),)),
            "a value at .nowhere, which the base does not have",
        ),
        (Changes(values=(Value(".name", "{"),)), "a document that is no JSON"),
        (Changes(network="[["), "a document that is no JSON"),
    ],
)
def test_changes_that_fit_no_base_are_refused(
    base: Deployment, changes: Changes, text: str
) -> None:
    with pytest.raises(UpdateError, match=text) as error:
        apply(base, changes, b"")
    assert error.value.reason == "damaged"
    assert str(error.value).endswith("make the package again")


def test_bytes_too_many_are_refused(base: Deployment, target: Deployment) -> None:
    changes, data = difference(base, target)
    with pytest.raises(UpdateError, match="do not fit its base: 3 bytes too many"):
        apply(base, changes, data + b"abc")
