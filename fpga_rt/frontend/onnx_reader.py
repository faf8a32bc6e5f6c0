"""The walk over an ONNX graph: what each name stands for, quantisation, operands, refusals.

Between a DequantizeLinear and the next QuantizeLinear stands one operator, with clamps, reshapes
and constant additions behind it. It stays pending until the QuantizeLinear gives its encoding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ModelError
from fpga_rt.frontend.encoding import Encoding, Place, Result, activation_encoding
from fpga_rt.frontend.lower import Builder
from fpga_rt.frontend.onnx_file import FileGraph, FileNode
from fpga_rt.frontend.onnx_values import NCHW, NHWC, Activation, Constant, Write, fold
from fpga_rt.network.graph import Network

Value = Activation | Constant
Handler = Callable[["Reader"], Value]
"""Lowers the reader's current node."""
_PROBABILITIES = Encoding(1 / 256, -128)
"""For a Softmax at the model's output that the file leaves in floats."""
_ADVICE = {
    "BatchNormalization": "fold it into the convolution before quantising (export in eval mode)",
    "QLinearConv": "quantise in QDQ format instead of QOperator",
    "QLinearMatMul": "quantise in QDQ format instead of QOperator",
    "ConvInteger": "quantise statically in QDQ format",
    "MatMulInteger": "quantise statically in QDQ format",
}
_ACTIVATION_TYPES = ("int8", "uint8")
_FOLDED = {"Concat", "Cast", "CastLike", "Identity", "Gather", "Unsqueeze", "Squeeze", "Reshape"}


class Reader:
    """Walks the nodes of one graph and lowers each with its operator's handler."""

    def __init__(self, name: str, graph: FileGraph, handlers: Mapping[str, Handler]) -> None:
        """Start with the graph's constants."""
        self.graph = graph
        self.handlers = handlers
        self.builder = Builder(name)
        self.values: dict[str, Value] = {
            key: Constant(item.array, item.bits) for key, item in graph.constants.items()
        }
        self.input: str | None = None
        self.unsigned = False
        self.node = FileNode("no node yet", "none", (), (), {})

    def network(self) -> Network:
        """Lower every node; return the network."""
        graph = self.graph
        place = Place(graph.input, "model input", graph.input_shape)
        if graph.input_type not in {"FLOAT", "INT8", "UINT8"}:
            raise place.refuse(
                f"the input has type {graph.input_type}", "expected FLOAT, INT8 or UINT8"
            )
        order = _input_order(graph)
        first = Activation(graph.input_shape, order, place)
        self.values[graph.input] = replace(first, write=self._start(first))
        for node in graph.nodes:
            self.node = node
            self._lower(node)
        output = self._output()
        if self.input is None or output.tensor is None:
            raise ModelError(
                f"{self.builder.name}: no QuantizeLinear at the input, expected a quantised model;"
                " quantise it in QDQ format"
            )
        rank = len(graph.input_shape) + 1
        return self.builder.finish(self.input, output.tensor, order, rank, self.unsigned)

    def _lower(self, node: FileNode) -> None:
        operands = [self.value(name) for name in node.inputs if name]
        constants = [v.array for v in operands if isinstance(v, Constant)]
        if operands and len(constants) == len(operands) and node.operator in _FOLDED:
            array = fold(node.operator, dict(node.attributes), constants)
            first = operands[0]
            kept = isinstance(first, Constant) and first.array is array
            self.values[node.outputs[0]] = first if kept else Constant(array)
            return
        handler = self.handlers.get(node.operator)
        if handler is None:
            advice = _ADVICE.get(node.operator, f"supported: {', '.join(sorted(self.handlers))}")
            raise self.place.refuse("this operator is not supported", advice)
        self.values[node.outputs[0]] = handler(self)

    @property
    def place(self) -> Place:
        """The current node, for messages."""
        shape: tuple[int, ...] = ()
        if self.node.inputs:
            first = self.values.get(self.node.inputs[0])
            if first is not None:
                shape = first.shape if isinstance(first, Activation) else first.array.shape
        return Place(self.node.name, self.node.operator, shape)

    def quantise(self) -> Value:
        """QuantizeLinear: gives the pending layer its encoding, or codes to a constant."""
        value = self.value(self.node.inputs[0])
        scale, zero, codes_type = self._parameters()
        if isinstance(value, Constant):
            return _quantised_constant(value, scale, zero, codes_type, self._axis(value))
        encoding = self._encoding(scale, zero, codes_type)
        return self.settle(value, encoding, self.node.inputs[0], codes_type == "uint8")

    def dequantise(self) -> Value:
        """DequantizeLinear: gives real values to codes."""
        value = self.value(self.node.inputs[0])
        scale, zero, codes_type = self._parameters()
        if isinstance(value, Constant):
            return self._real_constant(value, scale, zero)
        if value.tensor is None:
            codes_type = self.graph.input_type.lower()
        encoding = self._encoding(scale, zero, codes_type)
        if value.tensor is None:
            return self.settle(value, encoding, self.node.inputs[0], codes_type == "uint8")
        if self.builder.encoding(value.tensor) != encoding:
            raise self.place.refuse(
                f"reads codes of {self.builder.encoding(value.tensor)} as {encoding}",
                "expected the scale and zero point of the QuantizeLinear before it",
            )
        return value

    def settle(
        self, value: Activation, encoding: Encoding, name: str, unsigned: bool
    ) -> Activation:
        """Write a pending value in an encoding; return it as a tensor."""
        if any(value.padding):
            raise self.place.refuse("quantises a padded value", "expected Pad before a Conv")
        result = Result(self.free(name), encoding, value.low, value.high)
        if value.tensor is None and value.write is not None:
            self.unsigned |= unsigned and self.input is None
            tensor = value.write(result)
        elif value.tensor is None:
            raise self.place.refuse("nothing computes its input", "expected a supported operator")
        elif encoding == self.builder.encoding(value.tensor) and result.limits == (-128, 127):
            tensor = value.tensor
        else:
            tensor = self.builder.rescale(self.place, value.tensor, result)
        tensor = self.builder.reshape(value.place, tensor, value.network_shape)
        settled = replace(value, tensor=tensor, write=None, add_bias=None)
        return replace(settled, low=-math.inf, high=math.inf)

    def _parameters(self) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Return scale, zero point and the type of the codes of a Q or DQ node."""
        if self.node.attributes.get("block_size", 0):
            raise self.place.refuse("quantises in blocks", "expected one scale for each channel")
        scale = self.constant(1, "scale").array
        if len(self.node.inputs) > 2 and self.node.inputs[2]:
            zero = self.constant(2, "zero point")
            return scale, zero.array, "int4" if zero.bits == 4 else str(zero.array.dtype)
        return scale, np.zeros(scale.shape, np.uint8), "uint8"

    def _encoding(self, scale: NDArray[Any], zero: NDArray[Any], codes_type: str) -> Encoding:
        if codes_type not in _ACTIVATION_TYPES:
            raise self.place.refuse(
                f"the activation has {codes_type} codes", "expected int8 or uint8; quantise again"
            )
        return activation_encoding(scale, zero, codes_type == "uint8", self.place)

    def _axis(self, value: Constant) -> int:
        return int(self.node.attributes.get("axis", 1)) % max(1, value.array.ndim)

    def _real_constant(self, value: Constant, scale: NDArray[Any], zero: NDArray[Any]) -> Constant:
        codes = value.array if value.codes is None else value.codes
        axis = self._axis(value)
        if scale.size not in (1, codes.shape[axis] if codes.ndim else 1):
            raise self.place.refuse(
                f"{scale.size} scales for axis {axis} of {codes.shape}",
                "expected one scale, or one for each channel",
            )
        real = (codes.astype(np.float64) - _along(zero, codes.ndim, axis)) * _along(
            scale, codes.ndim, axis
        )
        return Constant(real, value.bits, codes, scale.ravel(), zero.ravel(), axis)

    def value(self, name: str) -> Value:
        """Return what a name stands for."""
        if name not in self.values:
            raise self.place.refuse(
                f"reads {name or 'an absent input'}, which nothing wrote before",
                "expected nodes in topological order; check the model",
            )
        return self.values[name]

    def activation(self, position: int) -> Activation:
        """Return an operand that depends on the input."""
        value = self.value(self.node.inputs[position])
        if isinstance(value, Constant):
            raise self.place.refuse(
                f"operand {position} is constant", "expected an activation; simplify the model"
            )
        return value

    def settled(self, position: int) -> Activation:
        """Return an operand that is a quantised tensor."""
        return self.as_tensor(self.activation(position))

    def as_tensor(self, value: Activation) -> Activation:
        """Check that a value is a quantised tensor; return it."""
        if value.tensor is None or value.clamped:
            source = f"{value.place.node} ({value.place.operator})"
            raise self.place.refuse(
                f"reads the output of {source} in floats",
                "expected a QuantizeLinear and DequantizeLinear between them; quantise the outputs"
                f" of {value.place.operator} too",
            )
        if any(value.padding) and self.node.operator != "Conv":
            raise self.place.refuse("reads a padded value", "expected Pad before a Conv")
        return value

    def image(self, position: int) -> Activation:
        """Return an operand that is a quantised tensor (C, H, W)."""
        value = self.settled(position)
        self.check_image(value)
        return value

    def check_image(self, value: Activation) -> None:
        """Refuse a value that is not (C, H, W) in the file."""
        if len(value.shape) != 3 or value.order != NCHW or value.flattened:
            raise self.place.refuse(
                f"reads {value.order} data of shape {value.shape} for one image",
                "expected (channels, height, width)",
            )

    def constant(self, position: int, what: str) -> Constant:
        """Return an operand that is constant; `what` names it in the refusal."""
        names = self.node.inputs
        value = self.value(names[position]) if position < len(names) else None
        if not isinstance(value, Constant):
            raise self.place.refuse(
                f"its {what} is computed in the model", "expected a constant; simplify the model"
            )
        return value

    def integers(self, name: str, optional: bool = False) -> NDArray[Any]:
        """Return integers that are an attribute in older opsets and input 1 in newer ones."""
        if name in self.node.attributes:
            return np.asarray(self.node.attributes[name])
        if optional and len(self.node.inputs) < 2:
            return np.empty(0, np.int64)
        return self.constant(1, name).array

    def pending(
        self,
        shape: tuple[int, ...],
        order: str,
        write: Write,
        add_bias: Callable[[NDArray[np.float64]], Write] | None = None,
    ) -> Activation:
        """Return what the current node computes, without encoding yet."""
        return Activation(shape, order, self.place, write=write, add_bias=add_bias)

    def _start(self, first: Activation) -> Write:
        """Return what declares the network's input once its encoding is known."""

        def write(result: Result) -> str:
            if self.input is None:
                plain = Result(self.graph.input, result.encoding)
                self.input = self.builder.add_input(plain.name, first.network_shape, plain.encoding)
            same = self.builder.encoding(self.input) == result.encoding
            if same and result.limits == (-128, 127):
                return self.input
            return self.builder.rescale(self.place, self.input, result)

        return write

    def free(self, name: str) -> str:
        """Return a name for a tensor that no other has."""
        if name not in self.builder.tensors:
            return name
        return next(
            free for i in range(1, 1 << 20) if (free := f"{name}/{i}") not in self.builder.tensors
        )

    def _output(self) -> Activation:
        """Return the model's output as a tensor."""
        value = self.values.get(self.graph.output)
        place = Place(self.graph.output, "model output")
        if not isinstance(value, Activation):
            raise place.refuse("it does not depend on the input", "expected a layer's output")
        if value.tensor is None and value.place.operator == "Softmax":
            value = self.settle(value, _PROBABILITIES, self.graph.output, False)
        if value.tensor is None or value.clamped:
            raise value.place.refuse(
                "its result leaves the model in floats, with no scale",
                "expected QuantizeLinear and DequantizeLinear at the model's output; quantise the"
                " output too, for example with fpga_rt.frontend.torch_export.quantise",
            )
        height, width, _ = value.network_shape
        moved = (
            len(value.shape) == 3 and height * width > 1 and value.order != _input_order(self.graph)
        )
        if moved or value.flattened is not None:
            raise value.place.refuse(
                f"the output of shape {value.shape} has another axis order than the input",
                "expected a vector, or the input's order",
            )
        return value


def tensor_of(value: Activation) -> str:
    """Return the tensor of a settled value."""
    if value.tensor is None:
        raise TypeError(f"{value.place.node} has no tensor")
    return value.tensor


def _along(values: NDArray[Any], axes: int, axis: int) -> NDArray[np.float64]:
    """Shape per-channel values for broadcasting along an axis."""
    flat = values.astype(np.float64).ravel()
    return flat.reshape([-1 if i == axis else 1 for i in range(axes)]) if flat.size > 1 else flat


def _quantised_constant(
    value: Constant, scale: NDArray[Any], zero: NDArray[Any], codes_type: str, axis: int
) -> Constant:
    """Quantise a constant as QuantizeLinear does: round half to even, saturate."""
    bits = 4 if codes_type == "int4" else zero.dtype.itemsize * 8
    low = 0 if zero.dtype.kind == "u" else -(1 << (bits - 1))
    high = low + (1 << bits) - 1
    real = value.array.astype(np.float64) / _along(scale, value.array.ndim, axis)
    codes = np.rint(real) + _along(zero, value.array.ndim, axis)
    return Constant(np.clip(codes, low, high).astype(zero.dtype), bits)


def _input_order(graph: FileGraph) -> str:
    """Return the input's axes: NHWC where its first step makes channels first, else NCHW."""
    name = graph.input
    while True:
        readers = [node for node in graph.nodes if name in node.inputs]
        if len(readers) != 1:
            return NCHW
        if readers[0].operator == "Transpose":
            return NHWC if list(readers[0].attributes.get("perm", ())) == [0, 3, 1, 2] else NCHW
        if readers[0].operator not in {"QuantizeLinear", "DequantizeLinear", "Identity"}:
            return NCHW
        name = readers[0].outputs[0]
