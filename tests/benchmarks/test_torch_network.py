"""Networks in PyTorch: layers give golden's codes, the whole what LiteRT's float model gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import datasets
from benchmarks.torch_network import TorchNetwork, to_images
from fpga_rt.arithmetic.operations import AveragePool, Convolution, Softmax
from fpga_rt.errors import ModelError
from fpga_rt.frontend import load
from fpga_rt.network import golden
from fpga_rt.network.graph import Network

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
FLOAT_MODELS = {"ds-cnn": "kws_ref_model_float32.tflite", "resnet8": "pretrainedResnet.tflite"}


@pytest.fixture(scope="module")
def digits() -> Network:
    pytest.importorskip("onnx")
    return load(ROOT / "examples" / "digits" / "digits.onnx")


def _codes(network: Network, name: str, count: int) -> np.ndarray:
    if name == "ds-cnn":
        return datasets.keywords(count)[0]
    if name == "resnet8":
        pytest.importorskip("PIL")
        return datasets.cifar10(count)[0]
    shape = network.tensors[network.input].shape
    return np.random.default_rng(0).integers(-128, 128, (count, *shape)).astype(np.int8)


@pytest.fixture(scope="module", params=["digits", *datasets.MODELS])
def case(
    request: pytest.FixtureRequest, digits: Network
) -> tuple[Network, TorchNetwork, np.ndarray]:
    name = request.param
    if name != "digits":
        request.getfixturevalue("data_dir")
        pytest.importorskip("tflite")
    network = digits if name == "digits" else load(datasets.model_path(name))
    return network, TorchNetwork(network, CPU, torch.float32), _codes(network, name, 20)


def test_each_layer_gives_goldens_codes(case: tuple[Network, TorchNetwork, np.ndarray]) -> None:
    network, translated, codes = case
    values = golden.run_all(network, codes)
    nodes = [node for node in network.nodes if not isinstance(node.operation, Softmax)]
    assert [step.node for step in translated.steps] == [node.name for node in nodes]
    for step in translated.steps:
        inputs = [
            network.tensors[name].dequantise(values[name]).transpose(0, 3, 1, 2)
            for name in step.inputs
        ]
        with torch.no_grad():
            output = step.layer(*map(torch.from_numpy, inputs)).numpy().transpose(0, 2, 3, 1)
        got = network.tensors[step.output].quantise(output).astype(int)
        difference = np.abs(got - values[step.output].astype(int))
        # Halves are rounded to even here and up there; a code more is impossible.
        assert difference.max() <= 1, step.node
        assert (difference > 0).mean() < 0.02, step.node


def test_it_multiplies_as_often_as_the_network(
    case: tuple[Network, TorchNetwork, np.ndarray],
) -> None:
    network, translated, codes = case
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        translated(to_images(network, codes[:1]))
    assert counter.get_total_flops() == 2 * network.multiplications


def test_all_parameters_lie_where_their_parts_say(
    case: tuple[Network, TorchNetwork, np.ndarray],
) -> None:
    network, translated, codes = case
    images = to_images(network, codes)
    with torch.no_grad():
        before = translated(images)
        for part in translated.parts:
            kept = translated.parameters[part.first : part.last].clone()
            translated.parameters[part.first : part.last] = 0
            assert not torch.equal(translated(images), before), part.node
            translated.parameters[part.first : part.last] = kept
        assert torch.equal(translated(images), before)
    assert translated.parts[0].first == 0
    assert translated.parts[-1].last == len(translated.parameters)
    assert sum(part.int8_bytes for part in translated.parts) >= network.weights_bytes


@pytest.mark.parametrize("name", FLOAT_MODELS)
def test_the_whole_agrees_with_litert_on_the_float_model(name: str, data_dir: Path) -> None:
    """The float models are those that the integer ones were quantised from."""
    pytest.importorskip("tflite")
    module = pytest.importorskip("ai_edge_litert.interpreter")
    network = load(datasets.model_path(name))
    codes = _codes(network, name, 200)
    with torch.no_grad():
        ours = TorchNetwork(network, CPU, torch.float32)(to_images(network, codes)).flatten(1)
    path = data_dir / "mlperf-tiny" / FLOAT_MODELS[name]
    interpreter = module.Interpreter(str(path), num_threads=1)
    entry, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.allocate_tensors()
    values = network.tensors[network.input].dequantise(codes)
    theirs = []
    for image in values:
        interpreter.set_tensor(entry["index"], image.reshape(entry["shape"]))
        interpreter.invoke()
        theirs.append(interpreter.get_tensor(result["index"]).reshape(-1).copy())
    agreement = (ours.numpy().argmax(1) == np.array(theirs).argmax(1)).mean()
    assert agreement >= 0.95


def test_leading_layers_hold_at_most_a_share(digits: Network) -> None:
    translated = TorchNetwork(digits, CPU, torch.float32)
    total = sum(part.int8_bytes for part in translated.parts)
    for share in (0.0, 0.3, 0.6, 1.0):
        parts = translated.leading(share)
        assert parts == translated.parts[: len(parts)]
        assert len(parts) == 1 or sum(part.int8_bytes for part in parts) <= share * total
    assert translated.leading(1.0) == translated.parts


def test_padding_with_another_value_than_zero_is_refused(digits: Network) -> None:
    padded = [
        index
        for index, node in enumerate(digits.nodes)
        if isinstance(node.operation, Convolution) and any(node.operation.padding)
    ]
    nodes = list(digits.nodes)
    node = nodes[padded[0]]
    assert isinstance(node.operation, Convolution)
    other = replace(node.operation, pad_value=node.operation.pad_value + 1)
    nodes[padded[0]] = replace(node, operation=other)
    with pytest.raises(ModelError, match=f"node {node.name} pads with code .*, expected that of 0"):
        TorchNetwork(replace(digits, nodes=tuple(nodes)), CPU, torch.float32)


def test_an_average_that_scales_is_refused(digits: Network) -> None:
    nodes = list(digits.nodes)
    averages = [i for i, node in enumerate(nodes) if isinstance(node.operation, AveragePool)]
    if not averages:
        pytest.skip("the example network has no average")
    node = nodes[averages[0]]
    assert isinstance(node.operation, AveragePool)
    rule = node.operation.requantisation
    other = replace(rule, multiplier=rule.multiplier // 2)
    nodes[averages[0]] = replace(node, operation=replace(node.operation, requantisation=other))
    with pytest.raises(ModelError, match=r"averages and multiplies by 0\.5 to 0\.5, expected 1"):
        TorchNetwork(replace(digits, nodes=tuple(nodes)), CPU, torch.float32)
