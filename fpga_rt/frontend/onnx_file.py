"""Read an ONNX file into plain data: nodes with attributes, constants, one input, one output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ModelError, ToolchainError
from fpga_rt.frontend.encoding import MALFORMED, Place

_OLDEST_OPSET = 10
"""The first with QuantizeLinear and DequantizeLinear."""
_DOMAINS = {"", "ai.onnx", "com.microsoft"}


@dataclass(frozen=True, eq=False)
class FileNode:
    """A node of the graph; absent inputs are empty names."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class FileConstant:
    """An array and the bits of one element: 4-bit integers are widened to 8."""

    array: NDArray[Any]
    bits: int


@dataclass(frozen=True, eq=False)
class FileGraph:
    """A graph of one input and one output; `input_shape` lacks the batch axis."""

    nodes: tuple[FileNode, ...]
    constants: Mapping[str, FileConstant]
    input: str
    input_shape: tuple[int, ...]
    input_type: str
    output: str


def read(path: Path) -> FileGraph:
    """Read a file.

    Raises:
        ModelError: no ONNX, truncated, an old opset, or more than one input or output.
        ToolchainError: the `onnx` package is missing.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ToolchainError(
            "reading an ONNX file needs the onnx package; pip install 'fpga-rt[onnx]'"
        ) from error
    try:
        model = onnx.load(path)
    except (DecodeError, ValueError, OSError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"{path}: {path.stat().st_size} bytes cannot be read as ONNX ({error});"
            " expected a complete ONNX model, copy or export it again"
        ) from error
    if not model.graph.node:
        raise ModelError(f"{path}: no graph with nodes, expected an ONNX model; export it again")
    opset = max((o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), default=0)
    if opset < _OLDEST_OPSET:
        raise ModelError(
            f"{path}: opset {opset}, expected {_OLDEST_OPSET} or later; export with opset 13..21"
        )
    try:
        return _graph(onnx, path, model.graph)
    except MALFORMED as error:
        raise ModelError(
            f"{path}: malformed graph ({error}); expected a valid ONNX model, export it again"
        ) from error


def _graph(onnx: Any, path: Path, graph: Any) -> FileGraph:  # noqa: ANN401 - protobuf messages
    constants = {item.name: _constant(onnx, item) for item in graph.initializer}
    nodes = []
    for item in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in item.attribute}
        name = item.name or (item.output[0] if item.output else item.op_type)
        if item.domain not in _DOMAINS:
            raise Place(name, f"{item.domain}::{item.op_type}").refuse(
                "this operator set is not supported", f"expected one of {sorted(_DOMAINS)}"
            )
        if item.op_type == "Constant":
            constants[item.output[0]] = _value(onnx, name, attributes)
            continue
        nodes.append(
            FileNode(name, item.op_type, tuple(item.input), tuple(item.output), attributes)
        )
    inputs = [item for item in graph.input if item.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ModelError(
            f"{path}: {len(inputs)} inputs and {len(graph.output)} outputs, expected one of each;"
            " export a model with one input and one output"
        )
    tensor = inputs[0].type.tensor_type
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type)
    shape = _shape(inputs[0].name, tensor)
    return FileGraph(tuple(nodes), constants, inputs[0].name, shape, kind, graph.output[0].name)


def _value(onnx: Any, name: str, attributes: Mapping[str, Any]) -> FileConstant:  # noqa: ANN401 - protobuf
    """Return what a Constant node holds."""
    kind, value = next(iter(attributes.items()), ("nothing", None))
    if kind == "value":
        return _constant(onnx, value)
    if kind in {"value_float", "value_floats", "value_int", "value_ints"}:
        return FileConstant(np.asarray(value), 64)
    raise Place(name, "Constant").refuse(f"holds {kind}", "expected a dense tensor or numbers")


def _constant(onnx: Any, item: Any) -> FileConstant:  # noqa: ANN401 - protobuf messages
    kind = onnx.TensorProto.DataType.Name(item.data_type)
    try:
        array = onnx.numpy_helper.to_array(item)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise ModelError(
            f"constant {item.name} ({kind}, shape {tuple(item.dims)}) cannot be read ({error});"
            " export the model again, with its weights inside the file"
        ) from error
    if kind in {"INT4", "UINT4"}:
        return FileConstant(array.astype(kind.lower().replace("4", "8")), 4)
    return FileConstant(array, array.dtype.itemsize * 8)


def _shape(name: str, tensor: Any) -> tuple[int, ...]:  # noqa: ANN401 - protobuf messages
    dims = [d.dim_value if d.HasField("dim_value") else 0 for d in tensor.shape.dim]
    place = Place(name, "model input", tuple(dims))
    if not 2 <= len(dims) <= 4 or min(dims[1:]) < 1:
        raise place.refuse(
            f"the input has shape {dims} (0: symbolic)",
            "expected (batch, features) or (batch, channels, height, width), only batch symbolic",
        )
    if dims[0] > 1:
        raise place.refuse(
            f"batch {dims[0]}", "expected a symbolic batch or 1; export with a dynamic batch axis"
        )
    return tuple(int(n) for n in dims[1:])
