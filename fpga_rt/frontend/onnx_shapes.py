"""Operators of an ONNX graph that compute nothing: clamps, and other shapes of the same data."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fpga_rt.frontend.lower import add_padding
from fpga_rt.frontend.onnx_reader import Reader, Value
from fpga_rt.frontend.onnx_values import Activation, Constant


def relu(reader: Reader) -> Activation:
    """Relu: a clamp of the layer before it."""
    return reader.activation(0).clamp(0.0, math.inf)


def clip(reader: Reader) -> Activation:
    """Clip with constant limits, as inputs or attributes."""
    limits = []
    for position, name, default in ((1, "min", -math.inf), (2, "max", math.inf)):
        value = reader.node.attributes.get(name, default)
        if len(reader.node.inputs) > position and reader.node.inputs[position]:
            value = reader.constant(position, name).array.reshape(-1)[0]
        limits.append(float(value))
    return reader.activation(0).clamp(limits[0], limits[1])


def same(reader: Reader) -> Value:
    """Identity, and Dropout, which does nothing after training."""
    return reader.value(reader.node.inputs[0])


def flatten(reader: Reader) -> Activation:
    """Flatten all but the batch axis."""
    x = reader.activation(0)
    axis = int(reader.node.attributes.get("axis", 1))
    if axis != 1:
        raise reader.place.refuse(f"flattens from axis {axis}", "expected axis 1")
    return x.reshape((math.prod(x.shape),), reader.place)


def reshape(reader: Reader) -> Activation:
    """Reshape to a constant shape that keeps the batch axis."""
    x = reader.activation(0)
    wanted = [int(n) for n in reader.constant(1, "shape").array.ravel()]
    if not reader.node.attributes.get("allowzero", 0):
        known = (1, *x.shape)
        wanted = [known[i] if n == 0 and i < len(known) else n for i, n in enumerate(wanted)]
    if not wanted or (wanted[0] not in (-1, 1)) or min(wanted) < -1:
        raise reader.place.refuse(f"reshapes to {wanted}", "expected the batch axis first")
    rest = wanted[1:]
    if -1 in rest:
        others = math.prod(n for n in rest if n != -1)
        rest[rest.index(-1)] = math.prod(x.shape) // max(1, others)
    return x.reshape(tuple(rest), reader.place)


def squeeze(reader: Reader) -> Activation:
    """Squeeze axes of size 1."""
    x = reader.activation(0)
    rank = len(x.shape) + 1
    listed = reader.integers("axes", optional=True)
    axes = {int(a) % rank for a in listed} or {i for i in range(1, rank) if x.shape[i - 1] == 1}
    if 0 in axes or any(x.shape[a - 1] != 1 for a in axes):
        raise reader.place.refuse(f"squeezes axes {sorted(axes)}", "expected axes of size 1")
    shape = tuple(n for i, n in enumerate(x.shape, 1) if i not in axes) or (1,)
    return x.reshape(shape, reader.place)


def unsqueeze(reader: Reader) -> Activation:
    """Unsqueeze: new axes of size 1."""
    x = reader.activation(0)
    axes = reader.integers("axes")
    rank = len(x.shape) + 1 + len(axes)
    shape = list(x.shape)
    for axis in sorted(int(a) % rank for a in axes):
        if axis == 0:
            raise reader.place.refuse("adds an axis before the batch", "expected one behind it")
        shape.insert(axis - 1, 1)
    return x.reshape(tuple(shape), reader.place)


def transpose(reader: Reader) -> Value:
    """Transpose of constants, or between NCHW and NHWC."""
    value = reader.value(reader.node.inputs[0])
    if isinstance(value, Constant):
        order = reader.node.attributes.get("perm", list(range(value.array.ndim))[::-1])
        return value.transpose([int(axis) for axis in order])
    order = reader.node.attributes.get("perm", list(range(len(value.shape) + 1))[::-1])
    return value.transpose([int(axis) for axis in order], reader.place)


def pad(reader: Reader) -> Activation:
    """Pad with zeros, merged into the convolution that follows."""
    x = reader.activation(0)
    reader.check_image(x)
    sides = [int(n) for n in np.ravel(reader.integers("pads"))]
    mode = reader.node.attributes.get("mode", b"constant")
    value = reader.node.attributes.get("value", 0.0)
    if len(reader.node.inputs) > 2 and reader.node.inputs[2]:
        value = reader.constant(2, "value").array.reshape(-1)[0]
    outer = [sides[i] for i in (0, 1, 4, 5)] if len(sides) == 8 else [1]
    if mode != b"constant" or value != 0 or any(outer) or min(sides) < 0:
        raise reader.place.refuse(
            f"pads {sides} in mode {mode.decode()} with {value}",
            "expected zeros around height and width",
        )
    padding = sides[2], sides[6], sides[3], sides[7]
    return replace(x, padding=add_padding(x.padding, padding), add_bias=None)


def shape(reader: Reader) -> Constant:
    """Shape: the batch is 1."""
    return Constant(np.array([1, *reader.activation(0).shape]))
