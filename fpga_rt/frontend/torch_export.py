"""torch modules to integer networks: quantise with ONNX Runtime or torchao PT2E, read the QDQ.

Both are given what the networks of this project need: int8 activations with a zero point, one
scale for each tensor; symmetric weights in [-127, 127], one scale for each output channel.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ModelError, ToolchainError
from fpga_rt.frontend import onnx_qdq
from fpga_rt.network.graph import Network

if TYPE_CHECKING:
    import torch

_OPSET = 21
"""The first with int4 in QuantizeLinear and DequantizeLinear."""
METHODS = ("onnxruntime", "pt2e")


def quantise(
    module: torch.nn.Module,
    calibration: Iterable[torch.Tensor | NDArray[np.float32]],
    path: str | Path | None = None,
    method: str = "onnxruntime",
    weight_bits: int = 8,
) -> Network:
    """Quantise a module after training, write it as ONNX QDQ and load it.

    Args:
        module: takes one float32 tensor (N, C, H, W) or (N, features), returns one.
        calibration: batches of inputs as the module will see them.
        path: where the QDQ model is written; None keeps no file.
        method: "onnxruntime" (quantize_static) or "pt2e" (torchao).
        weight_bits: 8, or 4 with "onnxruntime".

    Raises:
        ModelError: no calibration batch, or the module holds something unsupported.
        ToolchainError: a package is missing, or torch cannot export the module.
        ValueError: an unknown method or number of bits.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r}, expected one of {METHODS}")
    if weight_bits not in ((4, 8) if method == "onnxruntime" else (8,)):
        raise ValueError(f"weight_bits {weight_bits} with {method}, expected 8 (onnxruntime: or 4)")
    batches = [np.asarray(batch, np.float32) for batch in calibration]
    if not batches:
        raise ModelError("calibration has no batch, expected inputs as the model will see them")
    with tempfile.TemporaryDirectory() as folder, _quiet():
        target = Path(folder) / "model.onnx"
        if method == "onnxruntime":
            _with_onnxruntime(module, batches, target, weight_bits)
        else:
            _with_pt2e(module, batches, target)
        network = onnx_qdq.load(target)
        if path is not None:
            _write(Path(path), target.read_bytes())
    return network


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)


def _with_onnxruntime(
    module: torch.nn.Module, batches: Sequence[NDArray[np.float32]], target: Path, weight_bits: int
) -> None:
    try:
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import (
            quant_pre_process,
        )
    except ImportError as error:
        raise _missing("onnxruntime") from error
    exported, prepared = target.with_name("float.onnx"), target.with_name("prepared.onnx")
    _export(module.eval(), batches[0], exported)
    quant_pre_process(str(exported), str(prepared), skip_symbolic_shape=True)

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc] # untyped package
        def __init__(self) -> None:
            self._batches = iter(batches)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            batch = next(self._batches, None)
            return None if batch is None else {_INPUT: batch}

    weight_type = quantization.QuantType.QInt8 if weight_bits == 8 else quantization.QuantType.QInt4
    with _symmetric_int4():
        quantization.quantize_static(
            str(prepared),
            str(target),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=False,
            activation_type=quantization.QuantType.QInt8,
            weight_type=weight_type,
            extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
        )


@contextlib.contextmanager
def _symmetric_int4() -> Iterator[None]:
    """Let ONNX Runtime take [-7, 7] for symmetric int4, as it takes [-127, 127] for int8.

    Its table of symmetric ranges has no entry for int4, so that half the channels would hold -8.
    """
    from onnx import TensorProto
    from onnxruntime.quantization import quant_utils

    table = quant_utils.ONNX_INT_TYPE_SYMMETRIC_RANGE
    before = dict(table)
    table[TensorProto.INT4] = (np.array(-7, np.int8), np.array(7, np.int8))
    try:
        yield
    finally:
        table.clear()
        table.update(before)


def _with_pt2e(
    module: torch.nn.Module, batches: Sequence[NDArray[np.float32]], target: Path
) -> None:
    try:
        import torch
        from torchao.quantization.pt2e import (
            quantize_pt2e,
        )

        from fpga_rt.frontend.pt2e_annotation import quantizer
    except ImportError as error:
        raise _missing("torch and torchao") from error
    example = (_example(torch, batches[0]),)
    shapes = ({0: torch.export.Dim("batch")},)
    graph = torch.export.export(module.eval(), example, dynamic_shapes=shapes).module()
    prepared = quantize_pt2e.prepare_pt2e(graph, quantizer())
    with torch.no_grad():
        for batch in batches:
            prepared(torch.from_numpy(batch))
    converted = quantize_pt2e.convert_pt2e(prepared)
    _export(torch.export.export(converted, example, dynamic_shapes=shapes), batches[0], target)


_INPUT = "input"


def _export(module: Any, batch: NDArray[np.float32], target: Path) -> None:  # noqa: ANN401 - of torch
    """Write a torch module or exported program as ONNX with a symbolic batch."""
    try:
        import onnxscript  # noqa: F401 - torch.onnx needs it
        import torch
    except ImportError as error:
        raise _missing("torch and onnxscript") from error
    try:
        torch.onnx.export(
            module,
            (_example(torch, batch),),
            str(target),
            input_names=[_INPUT],
            output_names=["output"],
            dynamo=True,
            opset_version=_OPSET,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        raise ToolchainError(
            f"torch cannot export the module ({error}); expected traceable code with one input"
            " whose first axis is the batch, see torch.export"
        ) from error


def _example(torch: Any, batch: NDArray[np.float32]) -> Any:  # noqa: ANN401 - the module itself
    """Return two images, since torch.export takes a batch of one for a constant."""
    return torch.from_numpy(np.concatenate([batch[:1], batch[:1]]))


def _missing(packages: str) -> ToolchainError:
    return ToolchainError(
        f"quantising a torch module needs {packages}; pip install 'fpga-rt[torch]'"
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence advice of torch and onnxruntime about their own internals."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
