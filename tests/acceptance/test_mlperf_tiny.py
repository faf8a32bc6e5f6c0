"""The four MLPerf Tiny models as they are, on PYNQ-Z2's floorplan: accuracy, agreement, bytes.

The oracle is LiteRT. Whole data sets run in golden execution, which the emulator must equal; the
emulator itself runs a part of each.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import datasets
from fpga_rt.arch.boards import board
from fpga_rt.device.emulator import Emulator
from fpga_rt.frontend import load
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.runtime import Request, Runtime

PYNQ = board("pynq-z2")


@pytest.fixture(autouse=True)
def _needs_data(data_dir: Path) -> None:
    pytest.importorskip("tflite")
    pytest.importorskip("PIL")


def _inputs(name: str, network: Network, count: int) -> np.ndarray:
    if name == "resnet8":
        return datasets.cifar10(count)[0]
    if name == "ds-cnn":
        return datasets.keywords(count)[0]
    if name == "vww":
        return datasets.random_images(count)
    tensor = network.tensors[network.input]
    return datasets.machine_sounds(tensor.scale, tensor.zero_point)[:count]


def _litert(name: str, codes: np.ndarray) -> np.ndarray:
    """Return the output codes of LiteRT, (N, C)."""
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = interpreter_module.Interpreter(str(datasets.model_path(name)), num_threads=1)
    entry, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.allocate_tensors()
    outputs = []
    for image in codes:
        interpreter.set_tensor(entry["index"], image.reshape(entry["shape"]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"]).reshape(-1).copy())
    return np.array(outputs)


@pytest.mark.parametrize(("name", "count"), [("resnet8", 500), ("ds-cnn", 1000), ("vww", 200)])
def test_top_1_agrees_with_litert(name: str, count: int) -> None:
    network = load(datasets.model_path(name))
    codes = _inputs(name, network, count)
    ours = golden.run(network, codes).reshape(count, -1)
    agreement = (ours.argmax(1) == _litert(name, codes).argmax(1)).mean()
    assert agreement >= 0.97


def test_anomaly_scores_are_within_two_codes_of_litert() -> None:
    network = load(datasets.model_path("ad"))
    codes = _inputs("ad", network, 196)
    ours = golden.run(network, codes).reshape(len(codes), -1).astype(int)
    difference = np.abs(ours - _litert("ad", codes).astype(int))
    assert (difference <= 2).mean() >= 0.99


def test_keyword_accuracy() -> None:
    codes, labels = datasets.keywords()
    network = load(datasets.model_path("ds-cnn"))
    assert (golden.run(network, codes).reshape(1000, -1).argmax(1) == labels).mean() >= 0.900


def test_image_accuracy_over_all_ten_thousand_images() -> None:
    codes, labels = datasets.cifar10()
    network = load(datasets.model_path("resnet8"))
    accuracy = (golden.run(network, codes).reshape(len(codes), -1).argmax(1) == labels).mean()
    assert len(labels) == 10_000
    assert 0.751 <= accuracy <= 0.757


@pytest.mark.parametrize("partitions", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "count"), [("resnet8", 24), ("ds-cnn", 64), ("vww", 8), ("ad", 64)]
)
def test_the_emulator_equals_golden(name: str, count: int, partitions: int) -> None:
    network = load(datasets.model_path(name))
    codes = _inputs(name, network, count)
    deployment = compile_network(network, PYNQ, partitions)
    with Emulator("pynq-z2") as device, Runtime(device) as runtime:
        outputs = runtime.run(runtime.load(deployment), codes, batch=4)
    np.testing.assert_array_equal(outputs, golden.run(network, codes))


def test_vww_on_one_partition_loads_as_the_plan_says_and_never_when_resident() -> None:
    network = load(datasets.model_path("vww"))
    codes = datasets.random_images(4)
    deployment = compile_network(network, PYNQ, 1)
    with Emulator("pynq-z2") as device, Runtime(device) as runtime:
        outputs = runtime.run(runtime.load(deployment), codes, batch=4)
        swaps = runtime.report().swaps
    np.testing.assert_array_equal(outputs, golden.run(network, codes))
    assert swaps["count"] == deployment.module_changes > 20
    with Emulator("pynq-z2") as device, Runtime(device) as runtime:
        model = runtime.load(compile_network(network, PYNQ, 3))
        runtime.run(model, codes[:1])
        runtime.clear_log()
        outputs = runtime.run(model, codes)
        assert runtime.log.swaps == []
    np.testing.assert_array_equal(outputs, golden.run(network, codes))


def test_requests_of_three_models_alternate_on_one_device() -> None:
    """IC keeps two partitions, KWS shares one with it; AD and half of KWS swap in the third."""
    names, places = ("resnet8", "ds-cnn", "ad"), ((0, 1), (0, 2), (2,))
    networks = [load(datasets.model_path(name)) for name in names]
    inputs = [_inputs(name, n, 24) for name, n in zip(names, networks, strict=True)]
    expected = [golden.run(n, codes) for n, codes in zip(networks, inputs, strict=True)]
    exposed = {}
    for policy in ("none", "aggressive"):
        with Emulator("pynq-z2") as device, Runtime(device, policy) as runtime:
            models = [
                runtime.load(compile_network(n, PYNQ, place))
                for n, place in zip(networks, places, strict=True)
            ]
            requests = [
                Request(models[i % 3], inputs[i % 3][4 * (i // 3) : 4 * (i // 3) + 4])
                for i in range(18)
            ]
            results = runtime.trace(requests)
            report = runtime.report()
        for i, result in enumerate(results):
            first = 4 * (i // 3)
            np.testing.assert_array_equal(result.codes, expected[i % 3][first : first + 4])
        exposed[policy] = report.swaps["exposed_us"]
        assert report.swaps["count"] > 0
        assert report.swaps["reused"] > 0
    assert exposed["aggressive"] < exposed["none"]
