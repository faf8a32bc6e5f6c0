"""An integer network: named tensors, and nodes in an order in which they can run.

One input, one output. A tensor's real values are `scale * (code - zero_point)`. Inside, tensors
are height, width, channel; `layout` says how the model file orders the axes of its own tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import Convolution, Dense, Operation, Shape
from fpga_rt.arithmetic.operations import DepthwiseConvolution as Depthwise
from fpga_rt.arithmetic.requantise import INT8_HIGH, INT8_LOW
from fpga_rt.errors import ExecutionError, ModelError


@dataclass(frozen=True)
class Tensor:
    """Shape (height, width, channels) of one image, and the meaning of its codes."""

    name: str
    shape: Shape
    scale: float
    zero_point: int

    @property
    def size_bytes(self) -> int:
        """Bytes of one image."""
        return int(np.prod(self.shape))

    def quantise(self, values: NDArray[np.floating]) -> NDArray[np.int8]:
        """Turn real values into codes, rounding to nearest even."""
        codes = np.rint(np.asarray(values, np.float64) / self.scale) + self.zero_point
        clamped: NDArray[np.float64] = np.clip(codes, INT8_LOW, INT8_HIGH)
        return clamped.astype(np.int8)

    def dequantise(self, codes: NDArray[np.int8]) -> NDArray[np.float32]:
        """Turn codes into real values."""
        return ((codes.astype(np.float32) - self.zero_point) * self.scale).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Node:
    """One operation between named tensors."""

    name: str
    operation: Operation
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class Network:
    """A network of one input and one output; `nodes` run in order."""

    name: str
    tensors: Mapping[str, Tensor]
    nodes: tuple[Node, ...]
    input: str
    output: str
    layout: str = "NHWC"
    input_rank: int = 4
    """Axes of the model file's input, batch included."""
    input_unsigned: bool = False
    """The model file's input codes are uint8 (shifted by 128 here)."""

    def __post_init__(self) -> None:
        """Check that every node reads what exists, and that shapes agree.

        Raises:
            ModelError: a tensor is missing, written twice or of another shape.
        """
        known = {self.input}
        for node in self.nodes:
            for name in node.inputs:
                if name not in known:
                    raise ModelError(f"node {node.name} reads {name}, which nothing wrote before")
            if node.output in known:
                raise ModelError(f"node {node.name} writes {node.output} a second time")
            known.add(node.output)
            self._check_operands(node)
            self._check_shape(node)
        if self.output not in known:
            raise ModelError(f"network {self.name}: no node writes its output {self.output}")

    def _check_operands(self, node: Node) -> None:
        for name in (*node.inputs, node.output):
            if name not in self.tensors:
                raise ModelError(f"node {node.name} uses {name}, which is not declared as a tensor")
        shapes = [self.tensors[name].shape for name in node.inputs]
        if len(set(shapes)) > 1:
            raise ModelError(
                f"node {node.name} adds {shapes[0]} and {shapes[1]}; expected equal shapes,"
                " check the model's shapes"
            )
        wanted, got = _weighted_inputs(node.operation, shapes[0])
        if wanted != got:
            raise ModelError(
                f"node {node.name} has weights for {wanted} inputs, but {node.inputs[0]} has"
                f" {got}; check the model's shapes"
            )
        if isinstance(node.operation, Dense) and shapes[0][:2] != (1, 1):
            raise ModelError(
                f"node {node.name} is dense and reads {node.inputs[0]} of shape {shapes[0]},"
                f" expected (1, 1, {got}); put a Reshape before it"
            )

    def _check_shape(self, node: Node) -> None:
        shape = self.tensors[node.inputs[0]].shape
        expected = node.operation.output_shape(shape)
        got = self.tensors[node.output].shape
        if got != expected or min(expected) < 1:
            raise ModelError(
                f"node {node.name} turns {shape} into {expected}, but {node.output} is {got};"
                " check the model's shapes"
            )

    @property
    def weights_bytes(self) -> int:
        """Bytes of all weights, one byte each (half a byte for int4)."""
        return sum(
            node.operation.weights.size * node.operation.weight_bits // 8
            for node in self.nodes
            if isinstance(node.operation, (Convolution, Depthwise, Dense))
        )

    @property
    def multiplications(self) -> int:
        """Multiply-accumulates of one image in convolutions and dense layers."""
        total = 0
        for node in self.nodes:
            rows, columns, channels = self.tensors[node.output].shape
            if isinstance(node.operation, (Convolution, Dense)):
                total += rows * columns * node.operation.weights.size
            elif isinstance(node.operation, Depthwise):
                total += rows * columns * channels * int(np.prod(node.operation.kernel))
        return total

    def consumers(self, tensor: str) -> tuple[Node, ...]:
        """Return the nodes that read a tensor."""
        return tuple(node for node in self.nodes if tensor in node.inputs)

    def encode_input(self, values: NDArray[np.generic]) -> NDArray[np.int8]:
        """Turn a batch in the model file's layout and type into codes (N, H, W, C).

        int8 (and uint8, where the model's input is uint8) is taken as codes, floats are real
        values. A missing batch axis is added.

        Raises:
            ExecutionError: wrong shape or type, or a value is not finite.
        """
        tensor = self.tensors[self.input]
        images = self._to_nhwc(np.asarray(values), tensor.shape)
        if images.dtype == np.int8:
            return np.ascontiguousarray(images)
        if images.dtype == np.uint8 and self.input_unsigned:
            return (images.astype(np.int16) - 128).astype(np.int8)
        if not np.issubdtype(images.dtype, np.floating):
            accepted = "uint8 codes, " if self.input_unsigned else ""
            raise ExecutionError(
                f"input of {self.name} has type {images.dtype}, expected int8 codes, {accepted}"
                "or floating-point values; convert it"
            )
        if not np.isfinite(images).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(images))[0])
            raise ExecutionError(
                f"input of {self.name} is not finite at {where} (image, row, column, channel);"
                " expected real numbers, clean the data"
            )
        return tensor.quantise(images.astype(np.float64))

    def _to_nhwc(self, values: NDArray[np.generic], shape: Shape) -> NDArray[np.generic]:
        height, width, channels = shape
        file_shape: tuple[int, ...] = (channels, height, width) if self.layout == "NCHW" else shape
        if self.input_rank < len(file_shape) + 1:
            file_shape = tuple(n for n in file_shape if n != 1) or (1,)
        if values.shape == file_shape:
            values = values[None]
        if values.shape[1:] != file_shape and values.shape[1:] != (int(np.prod(file_shape)),):
            raise ExecutionError(
                f"input of {self.name} has shape {values.shape}, expected"
                f" (images, {', '.join(map(str, file_shape))}); reshape it"
            )
        if self.layout == "NCHW":
            images: NDArray[np.generic] = values.reshape(-1, channels, height, width)
            images = images.transpose(0, 2, 3, 1)
            return images
        return values.reshape(-1, *shape)

    def decode_output(self, codes: NDArray[np.int8]) -> NDArray[np.int8]:
        """Turn codes (N, H, W, C) into the model file's layout; a vector becomes (N, C)."""
        height, width, _ = self.tensors[self.output].shape
        if height == width == 1:
            return codes.reshape(len(codes), -1)
        return codes.transpose(0, 3, 1, 2) if self.layout == "NCHW" else codes


def _weighted_inputs(operation: Operation, shape: Shape) -> tuple[int, int]:
    """Return the inputs that an operation's weights are for, and those that a shape has."""
    if isinstance(operation, Dense):
        return int(operation.weights.shape[1]), int(np.prod(shape))
    if isinstance(operation, (Convolution, Depthwise)):
        return int(operation.weights.shape[-1]), shape[2]
    return shape[2], shape[2]
