"""Writes QDQ graphs for the tests, a node at a time, and runs them with ONNX Runtime.

ONNX Runtime runs without graph optimisation: its fused int8 kernels saturate at 16 bits on x86
processors without VNNI, the plain float operators between Q and DQ do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from fpga_rt import frontend
from fpga_rt.network import golden

Shape = tuple[int, ...]
Attribute = int | float | str | list[int]


class Graph:
    """A QDQ graph under construction; every method returns the name that it wrote."""

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        """Start with a float input (N, *shape), quantised."""
        self.shape = shape
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.count = 0

    def name(self) -> str:
        """Return a fresh name."""
        self.count += 1
        return f"v{self.count}"

    def constant(self, array: ArrayLike, kind: int | None = None) -> str:
        """Add an initialiser."""
        name = self.name()
        values = np.asarray(array)
        if kind is None:
            self.constants.append(numpy_helper.from_array(values, name))
        else:
            self.constants.append(helper.make_tensor(name, kind, values.shape, values.ravel()))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Add a node, named the_<operator> where it is the first of its kind."""
        name = self.name()
        title = f"the_{operator.lower()}"
        if any(node.name == title for node in self.nodes):
            title = f"{title}_{name}"
        node = helper.make_node(operator, inputs, [name], title)
        node.attribute.extend(helper.make_attribute(*item) for item in attributes.items())
        self.nodes.append(node)
        return name

    def pair(
        self, value: str, scale: float = 0.05, zero: int = 3, dtype: type[Any] = np.int8
    ) -> str:
        """Quantise and dequantise an activation."""
        parameters = self.constant(np.float32(scale)), self.constant(dtype(zero))
        codes = self.add("QuantizeLinear", value, *parameters)
        return self.add("DequantizeLinear", codes, *parameters)

    def weights(self, *shape: int, axis: int = 0, low: int = -127, high: int = 127) -> str:
        """Add int8 weights with one scale for each channel of `axis`."""
        codes = self.random.integers(low, high + 1, shape).astype(np.int8)
        scales = (self.random.random(shape[axis]) * 0.01 + 0.002).astype(np.float32)
        zeros = np.zeros(shape[axis], np.int8)
        names = (self.constant(a) for a in (codes, scales, zeros))
        return self.add("DequantizeLinear", *names, axis=axis)

    def bias(self, channels: int) -> str:
        """Add a float bias."""
        return self.constant(self.random.normal(size=channels).astype(np.float32))

    def save(
        self,
        path: Path,
        output: str,
        batch: int | str = "N",
        kind: int = TensorProto.FLOAT,
    ) -> Path:
        """Write the model."""
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info("x", kind, (batch, *self.shape))],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.constants,
        )
        opset = [helper.make_opsetid("", 21)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
        return path


def run(path: Path, images: NDArray[np.generic]) -> NDArray[np.float32]:
    """Run a model with ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    result: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: images})[0]
    return result


def steps_apart(path: Path, images: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the difference of golden execution and ONNX Runtime in steps of the output."""
    network = frontend.load(path)
    codes = golden.run(network, network.encode_input(images))
    tensor = network.tensors[network.output]
    real = tensor.dequantise(network.decode_output(codes))
    expected = run(path, images)
    assert len(real) == len(expected)
    difference = real.reshape(expected.shape).astype(np.float64) - expected
    steps: NDArray[np.float64] = np.abs(difference) / tensor.scale
    return steps
