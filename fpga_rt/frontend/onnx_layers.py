"""Layers of an ONNX graph: each waits, as a pending activation, for its output's encoding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.accumulate import Padding, output_size
from fpga_rt.arithmetic.operations import NO_PADDING, Pair
from fpga_rt.frontend.encoding import Result, Weights, symmetric_weights
from fpga_rt.frontend.lower import Window, add_padding, same_padding
from fpga_rt.frontend.onnx_reader import Reader, Value, tensor_of
from fpga_rt.frontend.onnx_values import NCHW, Activation, Constant, Write


def convolution(reader: Reader) -> Activation:
    """Conv: weights (OC, IC / groups, KH, KW)."""
    x = reader.image(0)
    constant = reader.constant(1, "weights")
    if constant.array.ndim != 4:
        raise reader.place.refuse(
            f"weights of shape {constant.array.shape}", "expected two-dimensional convolution"
        )
    weights = _weights(reader, constant.transpose((0, 2, 3, 1)))
    kernel = constant.array.shape[2], constant.array.shape[3]
    groups = int(reader.node.attributes.get("group", 1))
    window = replace(_window(reader, x, kernel), groups=groups)
    shape = (weights.codes.shape[0], *_size(reader, x, kernel, window))
    place, tensor = reader.place, tensor_of(x)

    def pending(extra: NDArray[np.float64]) -> Write:
        return lambda result: reader.builder.convolution(
            place, tensor, result, _with_bias(weights, extra), window
        )

    return reader.pending(shape, NCHW, pending(np.zeros(1)), pending)


def dense(reader: Reader) -> Activation:
    """Gemm or MatMul with constant weights."""
    x = reader.settled(0)
    if len(x.shape) != 1:
        raise reader.place.refuse(
            f"multiplies one image of shape {x.shape}", "expected a vector; flatten it first"
        )
    attributes = reader.node.attributes
    scaled = attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0
    if scaled or attributes.get("transA", 0):
        raise reader.place.refuse("has alpha, beta or transA", "expected alpha = beta = 1")
    constant = reader.constant(1, "weights")
    if constant.array.ndim != 2:
        raise reader.place.refuse(f"weights of shape {constant.array.shape}", "expected a matrix")
    if not attributes.get("transB", 0):
        constant = constant.transpose((1, 0))
    weights = _weights(reader, constant)
    if x.flattened is not None:
        outputs = len(weights.codes)
        codes = weights.codes.reshape(outputs, *x.flattened).transpose(0, 2, 3, 1)
        weights = replace(weights, codes=np.ascontiguousarray(codes).reshape(outputs, -1))
    place, tensor = reader.place, tensor_of(x)

    def pending(extra: NDArray[np.float64]) -> Write:
        return lambda result: reader.builder.dense(
            place, tensor, result, _with_bias(weights, extra)
        )

    return reader.pending((len(weights.codes),), x.order, pending(np.zeros(1)), pending)


def addition(reader: Reader) -> Activation:
    """Add of two activations, or of an activation and a constant for each channel."""
    a, b = (reader.value(name) for name in reader.node.inputs)
    if isinstance(a, Constant) or isinstance(b, Constant):
        value, constant = (b, a) if isinstance(a, Constant) else (a, b)
        return _add_constant(reader, value, constant)
    first, second = reader.settled(0), reader.settled(1)
    alike = (first.shape, first.order, first.flattened) == (
        second.shape, second.order, second.flattened
    )  # fmt: skip
    if not alike:
        raise reader.place.refuse(
            f"adds shapes {first.shape} and {second.shape}",
            "expected equal shapes and axes, or a constant for each channel",
        )
    place, tensors = reader.place, (tensor_of(first), tensor_of(second))
    pending = reader.pending(
        first.shape, first.order, lambda r: reader.builder.addition(place, *tensors, r)
    )
    return replace(pending, flattened=first.flattened)


def _add_constant(reader: Reader, value: Value, constant: Value) -> Activation:
    if isinstance(value, Constant) or isinstance(constant, Activation):
        raise reader.place.refuse("adds two constants", "expected an activation; simplify it")
    channels = value.network_shape[2]
    array = constant.array
    axes = array.shape[-len(value.shape) :] if value.order == NCHW else (array.size,)
    if array.size not in (1, channels) or (array.size > 1 and axes[0] != array.size):
        raise reader.place.refuse(
            f"adds a constant of shape {array.shape}",
            f"expected one value, or {channels}, one for each channel",
        )
    bias = np.broadcast_to(array.astype(np.float64).ravel(), (channels,))
    if value.flattened is not None:
        bias = bias.reshape(value.flattened).transpose(1, 2, 0).ravel()
    if value.add_bias is not None:
        return replace(value, write=value.add_bias(bias), add_bias=None)
    tensor, place = tensor_of(reader.as_tensor(value)), reader.place
    pending = reader.pending(
        value.shape, value.order, lambda r: reader.builder.rescale(place, tensor, r, bias)
    )
    return replace(pending, flattened=value.flattened)


def average_pool(reader: Reader) -> Activation:
    """AveragePool, with its padding counted or none."""
    x = reader.image(0)
    kernel = _kernel(reader)
    window = _window(reader, x, kernel)
    if any(window.padding) and not reader.node.attributes.get("count_include_pad", 0):
        raise reader.place.refuse(
            f"averages over a padded border {window.padding} without counting it",
            "expected count_include_pad = 1 or no padding",
        )
    return _average(reader, x, kernel, window, (x.shape[0], *_size(reader, x, kernel, window)))


def global_average_pool(reader: Reader) -> Activation:
    """GlobalAveragePool over height and width."""
    x = reader.image(0)
    return _average(reader, x, (x.shape[1], x.shape[2]), Window(), (x.shape[0], 1, 1))


def reduce_mean(reader: Reader) -> Activation:
    """ReduceMean over height and width."""
    x = reader.settled(0)
    rank = len(x.shape) + 1
    wanted = [2, 3] if x.order == NCHW else [1, 2]
    axes = sorted(int(a) % rank for a in np.ravel(reader.integers("axes")))
    if axes != wanted or rank != 4:
        raise reader.place.refuse(
            f"mean over axes {axes} of {x.order} data",
            f"expected axes {wanted} (height, width)",
        )
    height, width, channels = x.network_shape
    shape: tuple[int, ...] = (channels,)
    if reader.node.attributes.get("keepdims", 1):
        shape = (channels, 1, 1) if x.order == NCHW else (1, 1, channels)
    return _average(reader, x, (height, width), Window(), shape)


def _average(
    reader: Reader, x: Activation, kernel: Pair, window: Window, shape: tuple[int, ...]
) -> Activation:
    place, tensor = reader.place, tensor_of(x)
    return reader.pending(
        shape,
        x.order,
        lambda result: reader.builder.average_pool(place, tensor, result, kernel, window),
    )


def maximum_pool(reader: Reader) -> Activation:
    """MaxPool; its input may be pending, since a maximum commutes with quantisation."""
    x = reader.activation(0)
    reader.check_image(x)
    kernel = _kernel(reader)
    window = _window(reader, x, kernel)
    if window.dilation != (1, 1) or len(reader.node.outputs) > 1:
        raise reader.place.refuse("is dilated or returns indices", "expected a plain MaxPool")
    shape = (x.shape[0], *_size(reader, x, kernel, window))
    place = reader.place

    def write(result: Result) -> str:
        source = x
        if x.tensor is None or x.clamped:
            source = reader.settle(x, result.encoding, f"{result.name}/unpooled", False)
        return reader.builder.maximum_pool(place, tensor_of(source), result, kernel, window)

    return reader.pending(shape, NCHW, write)


def softmax(reader: Reader) -> Activation:
    """Softmax over a vector."""
    x = reader.settled(0)
    axis = int(reader.node.attributes.get("axis", -1)) % (len(x.shape) + 1)
    if len(x.shape) != 1 or axis != 1:
        raise reader.place.refuse(
            f"works on axis {axis} of one image of shape {x.shape}",
            "expected the features of a vector",
        )
    place, tensor = reader.place, tensor_of(x)
    return reader.pending(x.shape, x.order, lambda r: reader.builder.softmax(place, tensor, r))


def _weights(reader: Reader, constant: Constant) -> Weights:
    """Return symmetric weights of a constant with the output channels first."""
    if constant.codes is None or constant.scales is None or constant.zero_points is None:
        raise reader.place.refuse(
            f"weights of shape {constant.array.shape} in floats",
            "expected int8 or int4 weights behind a DequantizeLinear; quantise the weights",
        )
    if constant.codes.dtype not in (np.int8, np.uint8):
        raise reader.place.refuse(
            f"weights of type {constant.codes.dtype}", "expected int8 or int4; quantise again"
        )
    if constant.scales.size > 1 and constant.axis != 0:
        raise reader.place.refuse(
            "the weights' scales belong to another axis", "expected one for each output channel"
        )
    codes, zeros = constant.codes, constant.zero_points
    if constant.bits == 4 and codes.dtype == np.uint8:
        codes, zeros = codes.astype(np.int8) - np.int8(8), zeros.astype(np.int8) - np.int8(8)
    weights = symmetric_weights(codes, constant.scales, zeros, constant.bits, reader.place)
    return replace(weights, bias=_bias(reader, len(codes)))


def _bias(reader: Reader, channels: int) -> NDArray[np.float64]:
    if len(reader.node.inputs) < 3 or not reader.node.inputs[2]:
        return np.zeros(channels)
    return reader.constant(2, "bias").array.astype(np.float64).ravel()


def _with_bias(weights: Weights, extra: NDArray[np.float64]) -> Weights:
    """Add constants (OC) to a layer's bias."""
    return replace(weights, bias=extra if weights.bias is None else weights.bias + extra)


def _kernel(reader: Reader) -> Pair:
    kernel = reader.node.attributes.get("kernel_shape", [])
    if len(kernel) != 2:
        raise reader.place.refuse(f"kernel shape {list(kernel)}", "expected height and width")
    return int(kernel[0]), int(kernel[1])


def _window(reader: Reader, x: Activation, kernel: Pair) -> Window:
    """Return stride, dilation and padding, with auto_pad and ceil_mode resolved."""
    attributes = reader.node.attributes
    stride = _pair(attributes.get("strides", (1, 1)))
    dilation = _pair(attributes.get("dilations", (1, 1)))
    padding: Padding = NO_PADDING
    size = (x.shape[1] + sum(x.padding[:2]), x.shape[2] + sum(x.padding[2:]))
    taps = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    mode = attributes.get("auto_pad", b"NOTSET")
    if mode in {b"SAME_UPPER", b"SAME_LOWER"}:
        padding = same_padding(size, (taps[0], taps[1]), stride, mode == b"SAME_LOWER")
    elif mode == b"NOTSET":
        top, left, bottom, right = (int(p) for p in attributes.get("pads", (0, 0, 0, 0)))
        padding = top, bottom, left, right
    padding = add_padding(padding, x.padding)
    if attributes.get("ceil_mode", 0):
        padding = _ceil(reader, x, (taps[0], taps[1]), stride, padding)
    return Window(stride, dilation, padding)


def _ceil(reader: Reader, x: Activation, kernel: Pair, stride: Pair, padding: Padding) -> Padding:
    """Return the padding that gives the outputs that ceil_mode adds."""
    sides = list(padding)
    for axis in range(2):
        over = (x.shape[1 + axis] + sum(padding[2 * axis : 2 * axis + 2]) - kernel[axis]) % (
            stride[axis]
        )
        if over and reader.node.operator != "MaxPool":
            raise reader.place.refuse("ceil_mode adds outputs", "expected ceil_mode = 0")
        sides[2 * axis + 1] += stride[axis] - over if over else 0
    return sides[0], sides[1], sides[2], sides[3]


def _size(reader: Reader, x: Activation, kernel: Pair, window: Window) -> Pair:
    top, bottom, left, right = window.padding
    taps = tuple((k - 1) * d + 1 for k, d in zip(kernel, window.dilation, strict=True))
    padded = (x.shape[1] + top + bottom, x.shape[2] + left + right)
    return output_size(padded, (taps[0], taps[1]), window.stride)


def _pair(numbers: Any) -> Pair:  # noqa: ANN401 - an attribute of any kind
    first, second = numbers
    return int(first), int(second)
