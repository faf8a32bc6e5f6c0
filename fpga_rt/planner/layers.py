"""From nodes to layers: additions are fused, reshapes vanish, a final softmax is the host's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fpga_rt.arithmetic.operations import (
    Addition,
    Convolution,
    Reshape,
    Softmax,
)
from fpga_rt.arithmetic.requantise import AdditionRule
from fpga_rt.errors import PlanningError
from fpga_rt.modules.layer import Layer
from fpga_rt.network.graph import Network, Node


@dataclass(frozen=True, eq=False)
class PlannedLayer:
    """A layer, and the tensors it reads and writes (reshapes resolved)."""

    layer: Layer
    input: str
    output: str
    residual: str | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """The tensors it reads."""
        return (self.input,) if self.residual is None else (self.input, self.residual)


@dataclass(frozen=True, eq=False)
class Layers:
    """A network as the partitions see it.

    Attributes:
        layers: in order.
        input: tensor that the host writes.
        output: tensor that the partitions produce for the host.
        host_nodes: number of nodes at the end that the host computes.
    """

    layers: tuple[PlannedLayer, ...]
    input: str
    output: str
    host_nodes: int


def plan_layers(network: Network) -> Layers:
    """Return what the partitions compute of a network.

    Raises:
        PlanningError: a softmax stands before other work, or nothing is left for the partitions.
    """
    host_nodes = _host_nodes(network)
    nodes = network.nodes[: len(network.nodes) - host_nodes]
    roots = _roots(nodes)
    fused = _fusions(network, nodes)
    absorbed = {addition.name for addition in fused.values()}
    layers = tuple(
        _layer(network, node, fused.get(node.name), roots)
        for node in nodes
        if not isinstance(node.operation, Reshape) and node.name not in absorbed
    )
    if not layers:
        raise PlanningError(
            f"network {network.name} has no layer for a partition, expected at least one;"
            " run it on the host"
        )
    tail = network.nodes[len(nodes) :]
    output = tail[0].inputs[0] if tail else network.output
    return Layers(layers, network.input, roots.get(output, output), host_nodes)


def _host_nodes(network: Network) -> int:
    count = 0
    softmax = 0
    for node in reversed(network.nodes):
        if not isinstance(node.operation, (Softmax, Reshape)):
            break
        count += 1
        softmax = count if isinstance(node.operation, Softmax) else softmax
    for node in network.nodes[: len(network.nodes) - softmax]:
        if isinstance(node.operation, Softmax):
            raise PlanningError(
                f"softmax {node.name} stands before other layers, expected only at the end;"
                " remove it or cut the model there"
            )
    return softmax


def _roots(nodes: tuple[Node, ...]) -> dict[str, str]:
    """Map the output of every reshape to the tensor whose bytes it shares."""
    roots: dict[str, str] = {}
    for node in nodes:
        if isinstance(node.operation, Reshape):
            roots[node.output] = roots.get(node.inputs[0], node.inputs[0])
    return roots


def _fusions(network: Network, nodes: tuple[Node, ...]) -> dict[str, Node]:
    """Map a convolution to the addition that it absorbs: its only reader, other operand ready."""
    position = {node.output: index for index, node in enumerate(nodes)}
    position[network.input] = -1
    fused: dict[str, Node] = {}
    for node in nodes:
        if not isinstance(node.operation, Addition) or node.inputs[0] == node.inputs[1]:
            continue
        operands = sorted(node.inputs, key=lambda name: position[name])
        last = operands[1]
        producer = nodes[position[last]]
        alone = network.consumers(last) == (node,) and last != network.output
        if isinstance(producer.operation, Convolution) and alone:
            fused[producer.name] = node
    return fused


def _layer(
    network: Network, node: Node, addition: Node | None, roots: Mapping[str, str]
) -> PlannedLayer:
    shape = network.tensors[node.inputs[0]].shape
    reads = [roots.get(name, name) for name in node.inputs]
    output = network.tensors[node.output].shape
    operation = node.operation
    if isinstance(operation, (Reshape, Softmax)):
        raise PlanningError(f"{node.name} cannot run on a partition; recompile the model")
    if addition is None:
        residual = reads[1] if isinstance(operation, Addition) else None
        layer = Layer(node.name, operation, shape, output)
        return PlannedLayer(layer, reads[0], node.output, residual)
    rule = addition.operation.rule  # type: ignore[union-attr]
    other = 1 - addition.inputs.index(node.output)
    if other == 0:
        rule = _swapped(rule)
    residual = addition.inputs[other]
    layer = Layer(f"{node.name}+{addition.name}", operation, shape, output, rule)
    return PlannedLayer(layer, reads[0], addition.output, roots.get(residual, residual))


def _swapped(rule: AdditionRule) -> AdditionRule:
    return AdditionRule(
        rule.multiplier_b, rule.multiplier_a, rule.shift, rule.constant, rule.low, rule.high
    )
