"""Read a .tflite file into plain data: tensors with their quantisation, operators in order.

Source: TensorFlow Lite's schema.fbs, version 3, through the generated readers of the `tflite`
package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ModelError, ToolchainError
from fpga_rt.frontend.encoding import MALFORMED

IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3


@dataclass(frozen=True, eq=False)
class FileTensor:
    """A tensor of the file; `data` is None for activations; int4 data is widened to int8."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: NDArray[np.float64]
    zero_points: NDArray[np.int64]
    axis: int
    data: NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class FileOperator:
    """An operator of the file; absent inputs are -1; `options` is None where it has none."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True, eq=False)
class FileGraph:
    """The only subgraph of a file."""

    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read(path: Path) -> FileGraph:
    """Read a file.

    Raises:
        ModelError: not TensorFlow Lite, of another version, truncated, of several subgraphs, or
            with a scale that is none.
        ToolchainError: the `tflite` package is missing.
    """
    try:
        import tflite
    except ImportError as error:
        raise ToolchainError(
            "reading a .tflite file needs the tflite package; pip install 'fpga-rt[tflite]'"
        ) from error
    data = path.read_bytes()
    if data[4:8] != IDENTIFIER:
        raise ModelError(
            f"{path}: bytes 4..7 are {data[4:8]!r}, expected {IDENTIFIER!r};"
            " give a TensorFlow Lite model"
        )
    try:
        model = tflite.Model.GetRootAs(data, 0)
        version, subgraphs = model.Version(), model.SubgraphsLength()
        graph = _graph(tflite, model) if (version, subgraphs) == (_SCHEMA_VERSION, 1) else None
    except MALFORMED as error:
        raise ModelError(
            f"{path}: {len(data)} bytes with an offset that leads nowhere ({error});"
            " expected a complete TensorFlow Lite file, copy it again"
        ) from error
    if graph is None:
        raise ModelError(
            f"{path}: schema version {version} with {subgraphs} subgraphs, expected version"
            f" {_SCHEMA_VERSION} with 1; convert the model again"
        )
    for tensor in graph.tensors:
        wrong = tensor.scales[~(np.isfinite(tensor.scales) & (tensor.scales > 0))]
        if len(wrong):
            raise ModelError(
                f"{path}: tensor {tensor.name} has the scale {wrong[0]:g}, expected finite numbers"
                " above 0; quantise the model again"
            )
    return graph


def _graph(tflite: ModuleType, model: Any) -> FileGraph:  # noqa: ANN401 - generated readers
    graph = model.Subgraphs(0)
    names = _names(tflite.BuiltinOperator)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    operators = []
    for i in range(graph.OperatorsLength()):
        item = graph.Operators(i)
        code = codes[item.OpcodeIndex()]
        name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        operators.append(
            FileOperator(name, _indices(item, "Inputs"), _indices(item, "Outputs"),
                         _options(tflite, item))
        )  # fmt: skip
    types = _names(tflite.TensorType)
    tensors = [_tensor(model, graph.Tensors(i), types) for i in range(graph.TensorsLength())]
    for operator in operators:
        named = (*operator.inputs, *operator.outputs, 0)
        if max(named) >= len(tensors) or min(named) < -1 or not operator.outputs:
            raise IndexError(f"operator {operator.name} names a tensor that is not there")
    return FileGraph(
        tuple(tensors), tuple(operators), _indices(graph, "Inputs"), _indices(graph, "Outputs")
    )


def _names(enumeration: type) -> dict[int, str]:
    return {code: name for name, code in vars(enumeration).items() if isinstance(code, int)}


def _indices(table: Any, field: str) -> tuple[int, ...]:  # noqa: ANN401 - generated readers
    if getattr(table, f"{field}Length")() == 0:
        return ()
    return tuple(int(i) for i in getattr(table, f"{field}AsNumpy")())


def _options(tflite: ModuleType, operator: Any) -> Any:  # noqa: ANN401 - generated readers
    kind = _names(tflite.BuiltinOptions)[operator.BuiltinOptionsType()]
    table = operator.BuiltinOptions()
    if kind == "NONE" or table is None:
        return None
    options = getattr(tflite, kind)()
    options.Init(table.Bytes, table.Pos)
    return options


def _tensor(model: Any, item: Any, types: dict[int, str]) -> FileTensor:  # noqa: ANN401 - readers
    dtype = types[item.Type()]
    shape = _indices(item, "Shape")
    quantisation = item.Quantization()
    scales, zeros, axis = np.empty(0), np.empty(0, np.int64), 0
    if quantisation is not None and quantisation.ScaleLength():
        scales = np.asarray(quantisation.ScaleAsNumpy(), np.float64)
        if quantisation.ZeroPointLength():
            zeros = np.asarray(quantisation.ZeroPointAsNumpy(), np.int64)
        axis = quantisation.QuantizedDimension()
    buffer = model.Buffers(item.Buffer())
    data = _data(buffer.DataAsNumpy(), dtype, shape) if buffer.DataLength() else None
    return FileTensor(item.Name().decode(), shape, dtype, scales, zeros, axis, data)


def _data(raw: NDArray[np.uint8], dtype: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
    if dtype == "INT4":
        pairs = np.stack([raw & 15, raw >> 4], axis=-1).reshape(-1)[: int(np.prod(shape))]
        return ((pairs.astype(np.int8) ^ 8) - 8).reshape(shape)
    if dtype not in {"INT8", "UINT8", "INT32", "INT64", "FLOAT32"}:
        return None
    values: NDArray[Any] = raw.view(np.dtype(dtype.lower()).newbyteorder("<"))
    return values.reshape(shape)
