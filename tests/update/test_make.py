"""Making updates: onto the program that devices run, whatever the new file calls its nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpga_rt.deployment import archive
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import UpdateError
from fpga_rt.network.graph import Network
from fpga_rt.update.make import make_package, make_target
from tests.random_networks import Builder
from tests.update.networks import drifted
from tests.update.signing import Secret


def _called_otherwise(network: Network) -> Network:
    """Return a network whose nodes and tensors have other names."""

    def name(old: str) -> str:
        return f"{old}/renamed"

    nodes = tuple(
        replace(
            node,
            name=name(node.name),
            inputs=tuple(map(name, node.inputs)),
            output=name(node.output),
        )
        for node in network.nodes
    )
    tensors = {name(old): replace(t, name=name(old)) for old, t in network.tensors.items()}
    return replace(
        network, name="export 2", nodes=nodes, tensors=tensors, input=name(network.input),
        output=name(network.output),
    )  # fmt: skip


def test_names_are_the_devices(base: Deployment) -> None:
    changed = drifted(base.network, 7)
    plain, renamed = (make_target(base, n) for n in (changed, _called_otherwise(changed)))
    assert plain.obstacle is renamed.obstacle is None
    assert archive.encode(plain.deployment) == archive.encode(renamed.deployment)


def test_nothing_to_send(base: Deployment, owner: Secret) -> None:
    same = make_target(base, _called_otherwise(base.network)).deployment
    with pytest.raises(UpdateError, match="small equals what devices run, byte for byte; there is"):
        make_package(base, same, 2, owner)


def test_other_inputs_are_another_network(base: Deployment) -> None:
    builder = Builder(np.random.default_rng(0), (4, 4, 3))
    builder.convolution(8, 1)
    builder.dense(5)
    with pytest.raises(UpdateError) as error:
        make_target(base, builder.build("wide"))
    assert error.value.reason == "network"
    assert str(error.value).startswith(
        "network wide turns (4, 4, 3) into (1, 1, 5), the base small turns (4, 4, 8) into"
    )


def test_what_does_not_fit_the_program_is_compiled_anew(base: Deployment) -> None:
    builder = Builder(np.random.default_rng(0), (4, 4, 8))
    builder.convolution(8, 3)
    builder.dense(5)
    target = make_target(base, builder.build("deeper"))
    assert target.obstacle == "layer n0 needs other commands"
    assert target.deployment.network.name == "small"
    assert (target.deployment.board, target.deployment.partitions) == (base.board, base.partitions)


def test_a_package_of_tables_is_small(base: Deployment, owner: Secret) -> None:
    network = drifted(base.network, 3)
    package = make_package(base, make_target(base, network).deployment, 2, owner)
    channels = sum(
        len(node.operation.bias) for node in network.nodes if hasattr(node.operation, "bias")
    )
    assert len(package) < 500 + 10 * channels
