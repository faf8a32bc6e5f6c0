"""ONNX graphs quantised with QuantizeLinear and DequantizeLinear (QDQ) to an integer network.

Written by onnxruntime.quantization (QDQ format), by torchao PT2E with torch.onnx.export, and by
Brevitas.
"""

from __future__ import annotations

from pathlib import Path

from fpga_rt.frontend import onnx_file, onnx_layers, onnx_shapes
from fpga_rt.frontend.encoding import MALFORMED
from fpga_rt.frontend.onnx_reader import Handler, Reader
from fpga_rt.network.graph import Network

_HANDLERS: dict[str, Handler] = {
    "QuantizeLinear": Reader.quantise,
    "DequantizeLinear": Reader.dequantise,
    "Conv": onnx_layers.convolution,
    "Gemm": onnx_layers.dense,
    "MatMul": onnx_layers.dense,
    "Add": onnx_layers.addition,
    "AveragePool": onnx_layers.average_pool,
    "GlobalAveragePool": onnx_layers.global_average_pool,
    "ReduceMean": onnx_layers.reduce_mean,
    "MaxPool": onnx_layers.maximum_pool,
    "Softmax": onnx_layers.softmax,
    "Relu": onnx_shapes.relu,
    "Clip": onnx_shapes.clip,
    "Identity": onnx_shapes.same,
    "Dropout": onnx_shapes.same,
    "Flatten": onnx_shapes.flatten,
    "Reshape": onnx_shapes.reshape,
    "Squeeze": onnx_shapes.squeeze,
    "Unsqueeze": onnx_shapes.unsqueeze,
    "Transpose": onnx_shapes.transpose,
    "Pad": onnx_shapes.pad,
    "Shape": onnx_shapes.shape,
}


def load(path: Path) -> Network:
    """Load a QDQ model.

    Raises:
        ModelError: the file is malformed or holds something that is not supported.
        ToolchainError: the `onnx` package is missing.
    """
    reader = Reader(path.stem, onnx_file.read(path), _HANDLERS)
    try:
        return reader.network()
    except MALFORMED as error:
        raise reader.place.refuse(
            f"is malformed ({error})", "expected a valid ONNX model; export it again"
        ) from error
