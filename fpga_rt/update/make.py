"""Make an update: a new network on the program that devices run, and the package to send."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fpga_rt.arch.boards import board
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.deployment import archive
from fpga_rt.deployment.model import FORMAT_VERSION, Deployment
from fpga_rt.errors import UpdateError
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.update.changes import difference
from fpga_rt.update.package import Package, encode
from fpga_rt.update.program import assemble, obstacle, program_of
from fpga_rt.update.signature import Signer
from fpga_rt.update.vectors import Codes, codes_digest, expected_outputs, generated


@dataclass(frozen=True, eq=False)
class Target:
    """What an update leads to.

    Attributes:
        deployment: of the new network.
        obstacle: why it could not keep the program of the base, None where it does.
    """

    deployment: Deployment
    obstacle: str | None


def make_target(base: Deployment, network: Network) -> Target:
    """Put a new network onto the program of a deployment; compile it anew where it does not fit.

    Names of nodes and tensors are the base's where the structure is, since two exports of one model
    seldom agree on them.

    Raises:
        UpdateError: it has other inputs or outputs, so no program of the device can use it.
        PlanningError: it does not fit the board.
    """
    ends = [(n.tensors[n.input].shape, n.tensors[n.output].shape) for n in (base.network, network)]
    if ends[0] != ends[1]:
        raise UpdateError(
            f"network {network.name} turns {ends[1][0]} into {ends[1][1]}, the base"
            f" {base.network.name} turns {ends[0][0]} into {ends[0][1]}; install it in a store of"
            " its own",
            "network",
        )
    named = _renamed(base.network, network)
    if named is None:
        problem: str | None = "it has other operations, or connects them in another way"
        named = replace(network, name=base.network.name)
    else:
        problem = obstacle(base, named)
    if problem is None:
        return Target(assemble(program_of(base), named), None)
    return Target(compile_network(named, board(base.board), base.partitions), problem)


def make_package(
    base: Deployment,
    target: Deployment,
    version: int,
    signer: Signer,
    vectors: Codes | None = None,
    note: str = "",
) -> bytes:
    """Return a signed package that leads from one deployment to another.

    Args:
        base: what devices run.
        target: what they shall run, of the same name and board.
        version: its number, above every one that a device has had.
        signer: the owner's key.
        vectors: input codes (N, H, W, C) that the devices' stores hold; made up unless given, as
            `Store.install` does.
        note: a line for people.

    Raises:
        UpdateError: nothing changes, or the package would be too large.
    """
    *_, old_trailer = archive.encode(base)
    *_, new_trailer = archive.encode(target)
    if old_trailer == new_trailer:
        raise UpdateError(
            f"network {target.network.name} equals what devices run, byte for byte; there is"
            " nothing to send",
            "target",
        )
    codes = generated(base.network) if vectors is None else vectors
    changes, data = difference(base, target)
    package = Package(
        network=base.network.name,
        board=base.board,
        map_id=STATIC_REGION.map_id,
        archive_version=FORMAT_VERSION,
        version=version,
        base=old_trailer.hex(),
        target=new_trailer.hex(),
        vectors=codes_digest(codes),
        outputs=codes_digest(expected_outputs(target, codes)),
        note=note,
        changes=changes,
    )
    return encode(package, data, signer)


def _renamed(base: Network, network: Network) -> Network | None:
    """Return a network with the names of another one of the same structure, else None."""
    kinds = [[type(node.operation) for node in n.nodes] for n in (base, network)]
    if kinds[0] != kinds[1]:
        return None
    names = {network.input: base.input}
    nodes = []
    for node, model in zip(network.nodes, base.nodes, strict=True):
        inputs = tuple(names[name] for name in node.inputs)
        if inputs != model.inputs:
            return None
        names[node.output] = model.output
        nodes.append(replace(node, name=model.name, inputs=inputs, output=model.output))
    if names.get(network.output) != base.output:
        return None
    tensors = {
        names[name]: replace(tensor, name=names[name])
        for name, tensor in network.tensors.items()
        if name in names
    }
    return replace(
        network, name=base.name, tensors=tensors, nodes=tuple(nodes), input=base.input,
        output=base.output,
    )  # fmt: skip
