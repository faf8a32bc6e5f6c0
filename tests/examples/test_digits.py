"""The demo network's files agree with each other, with scikit-learn and with ONNX Runtime."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "digits"
MODEL = FOLDER / "digits.onnx"
DATA = FOLDER / "digits.npz"
LARGEST_MODEL_BYTES = 200_000
IMAGES = 1797
OPERATORS = {
    "Add",
    "Conv",
    "DequantizeLinear",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "MaxPool",
    "QuantizeLinear",
}


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    """Read what the card says."""
    loaded: dict[str, Any] = json.loads((FOLDER / "card.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray[Any, Any]]:
    """Read the test images, their labels and the split."""
    with np.load(DATA) as archive:
        return dict(archive)


def run_check(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script's own check on the files in a folder."""
    command = [sys.executable, str(folder / "train.py"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_model_is_small_and_of_the_digest_on_the_card(card: dict[str, Any]) -> None:
    assert MODEL.stat().st_size < LARGEST_MODEL_BYTES
    assert set(card["sha256"]) == {"digits.onnx", "digits.npz"}
    for name, digest in card["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest


def test_goals_are_met(card: dict[str, Any]) -> None:
    accuracy = card["accuracy"]
    assert accuracy["float"] >= 0.98
    assert accuracy["int8"] >= accuracy["float"] - 0.005


def test_split_is_disjoint_and_whole(
    card: dict[str, Any], data: dict[str, np.ndarray[Any, Any]]
) -> None:
    parts = {name: data[name] for name in ("train", "calibration", "test")}
    assert {name: len(indices) for name, indices in parts.items()} == card["split"]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(IMAGES))


def test_data_are_scikit_learns_test_images(data: dict[str, np.ndarray[Any, Any]]) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    expected = np.kron(digits.images[data["test"]] / 16, np.ones((1, 2, 2)))[:, None]
    assert data["x"].dtype == np.float32
    np.testing.assert_array_equal(data["x"], expected)
    np.testing.assert_array_equal(data["y"], digits.target[data["test"]])


def test_no_test_image_is_also_a_training_image(data: dict[str, np.ndarray[Any, Any]]) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    pixels = datasets.load_digits().data
    test = {image.tobytes() for image in pixels[data["test"]]}
    used = pixels[np.concatenate([data["train"], data["calibration"]])]
    assert test.isdisjoint(image.tobytes() for image in used)


def test_operators_weights_and_batch_axis(card: dict[str, Any]) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(MODEL)
    onnx.checker.check_model(model, full_check=True)
    counts = Counter(node.op_type for node in model.graph.node)
    assert set(counts) == OPERATORS
    assert dict(counts) == card["operators"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    weights = [array for name, array in arrays.items() if name.endswith("weight_quantized")]
    assert len(weights) == counts["Conv"] + counts["Gemm"]
    for array in weights:
        assert array.dtype == np.int8
        assert array.min() >= -127


def test_every_layer_has_symmetric_scales_per_channel() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(MODEL)
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    makers = {node.output[0]: node for node in model.graph.node}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            codes, scale, zero_point = (arrays[name] for name in makers[node.input[1]].input)
            assert scale.shape == (codes.shape[0],)
            assert not zero_point.any()


def test_macs_equal_the_sum_over_the_architecture(card: dict[str, Any]) -> None:
    stem = 16 * 16 * 32 * 9
    pair1 = 16 * 16 * (32 * 9 + 32 * 48)
    pair2 = 8 * 8 * (48 * 9 + 48 * 48)
    residual = 2 * 8 * 8 * 48 * 48 * 9
    pair3 = 4 * 4 * (48 * 9 + 48 * 64)
    assert card["macs"] == stem + pair1 + pair2 + residual + pair3 + 64 * 10


def test_int8_accuracy_is_the_cards(
    card: dict[str, Any], data: dict[str, np.ndarray[Any, Any]]
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = 1
    # Fused kernels saturate on some processors; see train.py.
    settings.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(MODEL, settings, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"image": data["x"]})
    correct = int((logits.argmax(1) == data["y"]).sum())
    assert correct == card["correct"]["int8"]
    assert correct / len(data["y"]) == card["accuracy"]["int8"]


def test_check_passes_on_the_committed_files() -> None:
    pytest.importorskip("onnxruntime")
    result = run_check(FOLDER)
    assert (result.returncode, result.stdout, result.stderr) == (
        0,
        "card equals its files\n",
        "",
    )


def test_check_notices_another_accuracy(tmp_path: Path, card: dict[str, Any]) -> None:
    pytest.importorskip("onnxruntime")
    for name in ("train.py", "digits.onnx", "digits.npz"):
        shutil.copy(FOLDER / name, tmp_path)
    changed = {**card, "accuracy": {**card["accuracy"], "int8": 0.5}}
    (tmp_path / "card.json").write_text(json.dumps(changed))
    result = run_check(tmp_path)
    assert result.returncode == 1
    assert "digits.onnx: the card says int8 accuracy 50.0000%, ONNX Runtime finds" in result.stderr
    assert "python examples/digits/train.py" in result.stderr


def test_check_notices_a_missing_file(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "train.py", tmp_path)
    result = run_check(tmp_path)
    assert result.returncode == 1
    assert "digits.onnx, digits.npz, card.json not found" in result.stderr
