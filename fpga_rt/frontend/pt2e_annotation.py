"""Tell torchao PT2E which values to quantise: the inputs and outputs of every layer.

Observers, scales and rounding are torchao's. Imported only where torchao is installed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.observer import HistogramObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.quantizer.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

_ATEN = torch.ops.aten
_WEIGHTED = {_ATEN.conv2d.default, _ATEN.conv2d.padding, _ATEN.linear.default}
_PLAIN = {
    _ATEN.add.Tensor,
    _ATEN.add_.Tensor,
    _ATEN.mean.dim,
    _ATEN.avg_pool2d.default,
    _ATEN.adaptive_avg_pool2d.default,
    _ATEN.softmax.int,
}
_SAME_RANGE = {
    _ATEN.max_pool2d.default,
    _ATEN.flatten.using_ints,
    _ATEN.view.default,
    _ATEN.reshape.default,
    _ATEN.squeeze.dim,
    _ATEN.squeeze.dims,
    _ATEN.unsqueeze.default,
    _ATEN.dropout.default,
}
_CLAMPS = {
    _ATEN.relu.default,
    _ATEN.relu_.default,
    _ATEN.relu6.default,
    _ATEN.relu6_.default,
    _ATEN.hardtanh.default,
    _ATEN.hardtanh_.default,
    _ATEN.clamp.default,
}
_ACTIVATION = QuantizationSpec(
    dtype=torch.int8,
    observer_or_fake_quant_ctr=HistogramObserver.with_args(eps=2**-16),
    quant_min=-128,
    quant_max=127,
    qscheme=torch.per_tensor_affine,
)
_WEIGHT = QuantizationSpec(
    dtype=torch.int8,
    observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(eps=2**-16),
    quant_min=-127,
    quant_max=127,
    qscheme=torch.per_channel_symmetric,
    ch_axis=0,
)


def quantizer() -> Quantizer:
    """Return the annotator of this project's layers."""
    return _LayerQuantizer()


class _LayerQuantizer(Quantizer):  # type: ignore[misc] # torchao is untyped
    def annotate(self, model: GraphModule) -> GraphModule:
        for node in model.graph.nodes:
            if node.op == "call_function" and "quantization_annotation" not in node.meta:
                _annotate(node)
        return model

    def validate(self, model: GraphModule) -> None:
        """Accept every model: the reader of the QDQ file refuses what is not supported."""


def _annotate(node: Node) -> None:
    if node.target in _WEIGHTED:
        source, weight = node.args[:2]
        _mark(node, {source: _ACTIVATION, weight: _WEIGHT}, _fused_clamp(node))
    elif node.target in _PLAIN or node.target in _CLAMPS:
        inputs = [a for a in node.args[:2] if isinstance(a, Node)]
        _mark(node, dict.fromkeys(inputs, _ACTIVATION), _fused_clamp(node))
    elif node.target in _SAME_RANGE:
        source = node.args[0]
        shared = SharedQuantizationSpec((source, node))
        node.meta["quantization_annotation"] = QuantizationAnnotation(
            input_qspec_map={source: _ACTIVATION}, output_qspec=shared, _annotated=True
        )


def _fused_clamp(node: Node) -> Node | None:
    """Return the clamp that alone reads a node, and so takes over its output's encoding."""
    readers = list(node.users)
    fused = len(readers) == 1 and readers[0].target in _CLAMPS and node.target not in _CLAMPS
    return readers[0] if fused else None


def _mark(node: Node, inputs: dict[Any, QuantizationSpec], clamp: Node | None) -> None:
    node.meta["quantization_annotation"] = QuantizationAnnotation(
        input_qspec_map=inputs,
        output_qspec=None if clamp is not None else _ACTIVATION,
        _annotated=True,
    )
    if clamp is not None:
        clamp.meta["quantization_annotation"] = QuantizationAnnotation(
            output_qspec=_ACTIVATION, _annotated=True
        )
