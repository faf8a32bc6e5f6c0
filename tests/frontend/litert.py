"""Writes small .tflite files with LiteRT's own schema, and runs files with LiteRT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import ArrayLike, DTypeLike, NDArray

DTYPES = {np.dtype(name): getattr(schema.TensorType, name.upper()) for name in
          ("int8", "uint8", "int32", "float32")}  # fmt: skip


class Model:
    """A model under construction; methods return tensor indices. Tensor 0 is the input."""

    def __init__(self, shape: tuple[int, ...], dtype: type[Any] = np.int8, zero: int = -5) -> None:
        """Start with an input of scale 0.05, or in floats."""
        self.random = np.random.default_rng(3)
        self.buffers = [b""]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[int] = []
        scale = None if dtype is np.float32 else 0.05
        self.tensor(shape, dtype, scale, zero)

    def tensor(
        self,
        shape: Sequence[int],
        dtype: DTypeLike = np.int8,
        scale: ArrayLike | None = 0.1,
        zero: int = 3,
        axis: int = 0,
    ) -> int:
        """Add an activation."""
        tensor = schema.TensorT()
        tensor.shape = list(shape)
        tensor.type = DTYPES[np.dtype(dtype)]
        tensor.name = f"t{len(self.tensors)}"
        tensor.buffer = 0
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.atleast_1d(scale).astype(np.float32).tolist()
            tensor.quantization.zeroPoint = [zero] * np.size(scale)
            tensor.quantization.quantizedDimension = axis
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, array: NDArray[Any], scale: ArrayLike | None = None, axis: int = 0) -> int:
        """Add a constant."""
        index = self.tensor(array.shape, array.dtype, scale, 0, axis)
        self.tensors[index].buffer = len(self.buffers)
        self.buffers.append(array.tobytes())
        return index

    def weights(self, *shape: int, axis: int = 0, channels: bool = True) -> tuple[int, int]:
        """Add random int8 weights and an int32 bias for the input's scale."""
        outputs = shape[axis]
        scale = self.random.random(outputs if channels else 1) * 0.01 + 0.004
        codes = self.random.integers(-127, 128, shape).astype(np.int8)
        bias = self.random.integers(-900, 900, outputs).astype(np.int32)
        return self.constant(codes, scale, axis), self.constant(bias, scale * 0.05)

    def operator(
        self, name: str, inputs: Sequence[int], output: int, options: str = "", **values: float
    ) -> int:
        """Add an operator; `options` names its options table."""
        item = schema.OperatorT()
        code = getattr(schema.BuiltinOperator, name)
        if code not in self.codes:
            self.codes.append(code)
        item.opcodeIndex = self.codes.index(code)
        item.inputs, item.outputs = list(inputs), [output]
        if options:
            item.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            item.builtinOptions = getattr(schema, f"{options}T")()
            for key, value in values.items():
                setattr(item.builtinOptions, key, value)
        self.operators.append(item)
        return output

    def save(self, path: Path, output: int) -> Path:
        """Write the model."""
        model, graph = schema.ModelT(), schema.SubGraphT()
        model.version = 3
        model.operatorCodes = []
        for code in self.codes:
            item = schema.OperatorCodeT()
            item.builtinCode, item.deprecatedBuiltinCode, item.version = code, min(code, 127), 1
            model.operatorCodes.append(item)
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [0], [output]
        model.subgraphs = [graph]
        model.buffers = []
        for data in self.buffers:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data, np.uint8) if data else None
            model.buffers.append(buffer)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


def run(
    path: Path, images: NDArray[Any], resolver: OpResolverType = OpResolverType.BUILTIN_REF
) -> NDArray[Any]:
    """Run a file image by image."""
    interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    results = []
    for image in images:
        interpreter.set_tensor(source["index"], image[None])
        interpreter.invoke()
        results.append(interpreter.get_tensor(target["index"])[0].copy())
    return np.array(results)
