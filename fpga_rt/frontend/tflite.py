"""TensorFlow Lite int8 models to an integer network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.accumulate import Padding
from fpga_rt.arithmetic.operations import NO_PADDING, Pair, Shape
from fpga_rt.errors import ModelError
from fpga_rt.frontend import tflite_file
from fpga_rt.frontend.encoding import (
    MALFORMED,
    Encoding,
    Place,
    Result,
    Weights,
    activation_encoding,
    symmetric_weights,
)
from fpga_rt.frontend.lower import Builder, Window, add_padding, same_padding
from fpga_rt.frontend.tflite_file import FileGraph, FileOperator, FileTensor
from fpga_rt.network.graph import Network

_CLAMPS = {0: (-math.inf, math.inf), 1: (0.0, math.inf), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
"""ActivationFunctionType of schema.fbs: none, RELU, RELU_N1_TO_1, RELU6."""
_SAME = 0
"""Padding of schema.fbs; VALID is 1."""


def load(path: Path) -> Network:
    """Load an int8 .tflite model.

    Raises:
        ModelError: the file is malformed or holds something that is not supported.
        ToolchainError: the `tflite` package is missing.
    """
    reader = _Reader(path.stem, tflite_file.read(path))
    try:
        return reader.network()
    except MALFORMED as error:
        raise reader.place.refuse(
            f"is malformed ({error})", "expected a valid TensorFlow Lite file; convert it again"
        ) from error


@dataclass(frozen=True)
class _Source:
    """Where a file tensor's codes are: a network tensor, and padding still to be applied."""

    tensor: str
    padding: Padding = NO_PADDING


class _Reader:
    """Walks the operators of one graph and lowers each."""

    def __init__(self, name: str, graph: FileGraph) -> None:
        self.graph = graph
        self.builder = Builder(name)
        self.sources: dict[int, _Source] = {}
        self.input = -1
        self.operator = FileOperator("no operator yet", (), (), None)

    def network(self) -> Network:
        """Lower every operator; return the network."""
        graph = self.graph
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise ModelError(
                f"{self.builder.name}: {len(graph.inputs)} inputs and {len(graph.outputs)}"
                " outputs, expected one of each; export a model with one input and one output"
            )
        self.input = graph.inputs[0]
        if graph.tensors[self.input].dtype != "FLOAT32":
            self._start(self.input)
        for operator in graph.operators:
            self.operator = operator
            handler = _HANDLERS.get(operator.name)
            if handler is None:
                supported = ", ".join(sorted(_HANDLERS))
                raise self.place.refuse("this operator is not supported", f"supported: {supported}")
            handler(self)
        output = self._source(graph.outputs[0])
        first = graph.tensors[self.input]
        return self.builder.finish(
            self._start(self.input),
            output.tensor,
            "NHWC",
            len(first.shape),
            first.dtype == "UINT8",
        )

    @property
    def place(self) -> Place:
        """The current operator, for messages."""
        operator = self.operator
        name = self.graph.tensors[operator.outputs[0]].name if operator.outputs else operator.name
        return Place(name, operator.name, self._tensor(0).shape if operator.inputs else ())

    def convolution(self) -> None:
        """CONV_2D: weights (OC, KH, KW, IC / groups)."""
        weights = self._weights(axis=0)
        channels = self.builder.tensors[self._input().tensor].shape[2]
        self._convolve(weights, channels // max(1, weights.codes.shape[3]))

    def depthwise(self) -> None:
        """DEPTHWISE_CONV_2D: weights (1, KH, KW, C * multiplier)."""
        weights = self._weights(axis=3)
        self._convolve(weights, self.builder.tensors[self._input().tensor].shape[2])

    def dense(self) -> None:
        """FULLY_CONNECTED: weights (OC, IC)."""
        weights = self._weights(axis=0)
        source = self._settled()
        self._write(self.builder.dense(self.place, source, self._result(), weights))

    def addition(self) -> None:
        """ADD of two activations."""
        a, b = self._settled(0), self._settled(1)
        self._write(self.builder.addition(self.place, a, b, self._result()))

    def average_pool(self) -> None:
        """AVERAGE_POOL_2D; the file's padding is not counted, so none may be there."""
        kernel, window = self._pool()
        if any(window.padding):
            raise self.place.refuse(
                f"averages over a padded border {window.padding} without counting it",
                "expected VALID padding or windows that divide the input",
            )
        source = self._settled()
        self._write(self.builder.average_pool(self.place, source, self._result(), kernel, window))

    def maximum_pool(self) -> None:
        """MAX_POOL_2D."""
        kernel, window = self._pool()
        source = self._settled()
        self._write(self.builder.maximum_pool(self.place, source, self._result(), kernel, window))

    def mean(self) -> None:
        """MEAN over height and width."""
        rank = len(self._tensor(0).shape)
        axes = sorted(int(a) % rank for a in np.ravel(self._constant(1)))
        if axes != [1, 2] or rank != 4:
            raise self.place.refuse(f"mean over axes {axes}", "expected axes 1, 2 (height, width)")
        source = self._settled()
        height, width, _ = self.builder.tensors[source].shape
        self._write(
            self.builder.average_pool(self.place, source, self._result(), (height, width), Window())
        )

    def reshape(self) -> None:
        """RESHAPE, SQUEEZE, EXPAND_DIMS: the same codes in another shape."""
        shape = self._shape(self._tensor(0, output=True))
        source = self._settled()
        if int(np.prod(shape)) != int(np.prod(self.builder.tensors[source].shape)):
            raise self.place.refuse(
                f"reshapes to {shape}", "expected as many values for each image; keep the batch"
            )
        name = self._tensor(0, output=True).name
        self._write(self.builder.reshape(self.place, source, shape, name))

    def softmax(self) -> None:
        """SOFTMAX over the last axis."""
        if self.operator.options is not None and self.operator.options.Beta() != 1.0:
            raise self.place.refuse(
                f"beta {self.operator.options.Beta()}", "expected 1.0; scale the logits instead"
            )
        self._write(self.builder.softmax(self.place, self._settled(), self._result()))

    def clamp(self) -> None:
        """RELU, RELU6, RELU_N1_TO_1 as an operator of its own."""
        kind = {"RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}[self.operator.name]
        result = self._result(kind)
        self._write(self.builder.rescale(self.place, self._settled(), result))

    def pad(self) -> None:
        """PAD with zeros, merged into the convolution that follows."""
        pads = self._constant(1).reshape(-1, 2)
        if len(pads) != 4 or pads[[0, 3]].any():
            raise self.place.refuse(
                f"pads {pads.tolist()}", "expected rows and columns of (N, H, W, C) only"
            )
        top, bottom, left, right = (int(p) for p in pads[1:3].ravel())
        source = self._input()
        padding = add_padding(source.padding, (top, bottom, left, right))
        self.sources[self.operator.outputs[0]] = _Source(source.tensor, padding)

    def quantise(self) -> None:
        """QUANTIZE: the model's input, or another scale."""
        output = self.operator.outputs[0]
        if self.operator.inputs[0] == self.input and self.input not in self.sources:
            self.sources[self.input] = self.sources[output] = _Source(self._start(output))
            return
        self._write(self.builder.rescale(self.place, self._settled(), self._result()))

    def dequantise(self) -> None:
        """DEQUANTIZE at the model's end."""
        output = self.operator.outputs[0]
        if output not in self.graph.outputs:
            raise self.place.refuse(
                "turns codes into floats inside the model",
                "expected it at the model's output only; quantise every operator",
            )
        self.sources[output] = _Source(self._settled())

    def _start(self, index: int) -> str:
        """Declare the network's input; `index` is the file's first quantised tensor."""
        if self.input in self.sources:
            return self.sources[self.input].tensor
        tensor = self.graph.tensors[index]
        place = Place(tensor.name, "model input", tensor.shape)
        if len(tensor.shape) > 1 and tensor.shape[0] != 1:
            raise place.refuse(f"batch {tensor.shape[0]}", "expected 1; export it with batch 1")
        name = self.builder.add_input(
            tensor.name, self._shape(tensor, place), self._encoding(tensor, place)
        )
        self.sources[index] = self.sources[self.input] = _Source(name)
        return name

    def _convolve(self, weights: Weights, groups: int) -> None:
        _, rows, columns, _ = weights.codes.shape
        window = replace(self._window((rows, columns)), groups=groups)
        source = self._input().tensor
        self._write(self.builder.convolution(self.place, source, self._result(), weights, window))

    def _weights(self, axis: int) -> Weights:
        """Return symmetric weights and the bias, output channels first."""
        file = self._tensor(1)
        codes = self._constant(1)
        if file.dtype not in {"INT8", "UINT8", "INT4"} or file.scales.size == 0:
            raise self.place.refuse(
                f"weights of type {file.dtype} with {file.scales.size} scales",
                "expected quantised INT8 weights; convert with full-integer quantisation",
            )
        if axis:
            codes = np.moveaxis(codes, axis, 0)
            codes = codes.transpose(0, 2, 3, 1)
        bits = 4 if file.dtype == "INT4" else 8
        weights = symmetric_weights(codes, file.scales, file.zero_points, bits, self.place)
        if len(self.operator.inputs) < 3 or self.operator.inputs[2] < 0:
            return weights
        scale = self._encoding(self._tensor(0), self.place).scale
        bias = self._constant(2) * (scale * np.broadcast_to(file.scales, len(codes)))
        return replace(weights, bias=bias)

    def _pool(self) -> tuple[Pair, Window]:
        options = self._options()
        kernel = options.FilterHeight(), options.FilterWidth()
        return kernel, self._window(kernel)

    def _window(self, kernel: Pair) -> Window:
        options = self._options()
        stride = options.StrideH(), options.StrideW()
        dilation = (1, 1)
        if hasattr(options, "DilationHFactor"):
            dilation = options.DilationHFactor(), options.DilationWFactor()
        source = self._input()
        padding = source.padding
        if options.Padding() == _SAME:
            height, width, _ = self.builder.tensors[source.tensor].shape
            padded = (height + padding[0] + padding[1], width + padding[2] + padding[3])
            taps = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
            padding = add_padding(padding, same_padding(padded, (taps[0], taps[1]), stride))
        return Window(stride, dilation, padding)

    def _options(self) -> Any:  # noqa: ANN401 - generated readers have no types
        if self.operator.options is None:
            raise self.place.refuse("it has no options", "expected them; convert the model again")
        return self.operator.options

    def _result(self, clamp: int | None = None) -> Result:
        """Return name, encoding and fused clamp of the current operator's output."""
        options = self.operator.options
        if clamp is None:
            has = hasattr(options, "FusedActivationFunction")
            clamp = options.FusedActivationFunction() if has else 0
        if clamp not in _CLAMPS:
            raise self.place.refuse(
                f"fused activation {clamp}", "expected NONE, RELU, RELU_N1_TO_1 or RELU6"
            )
        tensor = self._tensor(0, output=True)
        return Result(tensor.name, self._encoding(tensor, self.place), *_CLAMPS[clamp])

    def _encoding(self, tensor: FileTensor, place: Place) -> Encoding:
        if tensor.dtype not in {"INT8", "UINT8"}:
            raise place.refuse(
                f"tensor {tensor.name} has type {tensor.dtype}",
                "expected INT8 or UINT8 activations; convert with full-integer quantisation",
            )
        if tensor.scales.size == 0:
            raise place.refuse(f"tensor {tensor.name} has no scale", "expected a quantised tensor")
        return activation_encoding(
            tensor.scales, tensor.zero_points, tensor.dtype == "UINT8", place
        )

    def _shape(self, tensor: FileTensor, place: Place | None = None) -> Shape:
        """Return (height, width, channels) of a file tensor (1, ...)."""
        shape = tuple(int(n) for n in tensor.shape[1:])
        if len(shape) > 3 or not shape or min(shape) < 1:
            raise (place or self.place).refuse(
                f"tensor {tensor.name} has shape {tensor.shape}", "expected (1, [H, W,] C)"
            )
        height, width, channels = (*(1,) * (3 - len(shape)), *shape)
        return height, width, channels

    def _tensor(self, position: int, output: bool = False) -> FileTensor:
        indices = self.operator.outputs if output else self.operator.inputs
        return self.graph.tensors[indices[position]]

    def _constant(self, position: int) -> NDArray[np.integer]:
        data = self._tensor(position).data if position < len(self.operator.inputs) else None
        if data is None:
            raise self.place.refuse(
                f"operand {position} is computed in the model", "expected a constant"
            )
        return data

    def _input(self, position: int = 0) -> _Source:
        return self._source(self.operator.inputs[position])

    def _settled(self, position: int = 0) -> str:
        """Return an input's network tensor, which no padding may wait for."""
        source = self._input(position)
        if any(source.padding):
            raise self.place.refuse(
                f"reads a tensor padded by {source.padding}", "expected PAD before a convolution"
            )
        return source.tensor

    def _source(self, index: int) -> _Source:
        if index in self.sources:
            return self.sources[index]
        tensor = self.graph.tensors[index]
        kind = "a constant" if tensor.data is not None else f"a {tensor.dtype} tensor"
        raise self.place.refuse(
            f"reads {tensor.name}, {kind}", "expected a quantised activation computed before"
        )

    def _write(self, tensor: str) -> None:
        self.sources[self.operator.outputs[0]] = _Source(tensor)


_HANDLERS: dict[str, Callable[[_Reader], None]] = {
    "CONV_2D": _Reader.convolution,
    "DEPTHWISE_CONV_2D": _Reader.depthwise,
    "FULLY_CONNECTED": _Reader.dense,
    "ADD": _Reader.addition,
    "AVERAGE_POOL_2D": _Reader.average_pool,
    "MAX_POOL_2D": _Reader.maximum_pool,
    "MEAN": _Reader.mean,
    "RESHAPE": _Reader.reshape,
    "SQUEEZE": _Reader.reshape,
    "EXPAND_DIMS": _Reader.reshape,
    "SOFTMAX": _Reader.softmax,
    "RELU": _Reader.clamp,
    "RELU6": _Reader.clamp,
    "RELU_N1_TO_1": _Reader.clamp,
    "PAD": _Reader.pad,
    "QUANTIZE": _Reader.quantise,
    "DEQUANTIZE": _Reader.dequantise,
}
