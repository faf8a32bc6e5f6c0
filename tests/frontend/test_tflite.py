"""TensorFlow Lite files against LiteRT: the MLPerf Tiny models, and one operator at a time."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType
from numpy.typing import NDArray
from PIL import Image

from fpga_rt import frontend
from fpga_rt.errors import ModelError
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from tests.frontend.litert import Model, run

# A delegate of LiteRT's own: the kernels that applications run.
FAST = OpResolverType.AUTO
RELU, RELU6, SAME, VALID = 1, 3, 0, 1


def _scores(network: Network, codes: NDArray[np.int8]) -> NDArray[np.int8]:
    return golden.run(network, codes).reshape(len(codes), -1)


def _agreement(a: NDArray[np.int8], b: NDArray[np.int8]) -> float:
    return float((a.argmax(axis=1) == b.argmax(axis=1)).mean())


def _cifar(data_dir: Path, images: int) -> NDArray[np.uint8]:
    """Return images (N, 32, 32, 3) spread over the classes of the test set."""
    found = []
    with tarfile.open(data_dir / "cifar10-jpeg" / "test.tar.xz", "r|xz") as archive:
        for index, member in enumerate(m for m in archive if m.isfile()):
            file = archive.extractfile(member)
            if index % (10_000 // images) == 0 and file is not None:
                found.append(np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")))
    return np.stack(found)


def test_resnet8_agrees_with_litert(data_dir: Path) -> None:
    path = data_dir / "mlperf-tiny" / "pretrainedResnet_quant.tflite"
    network = frontend.load(path)
    assert network.multiplications == 12_501_632
    assert network.weights_bytes == 77_360
    codes = (_cifar(data_dir, 400).astype(np.int16) - 128).astype(np.int8)
    # 98.5 % of all 10,000 images agree; LiteRT's own kernels agree with each other on 95.6 %.
    assert _agreement(_scores(network, codes), run(path, codes, FAST)) >= 0.97


def test_keyword_spotting_accuracy(data_dir: Path) -> None:
    path = data_dir / "mlperf-tiny" / "kws_ref_model.tflite"
    samples = np.load(data_dir / "mlperf-tiny" / "kws_1000_mfcc_int8.npz")
    network = frontend.load(path)
    scores = _scores(network, samples["X"])
    assert (scores.argmax(axis=1) == samples["Y"]).mean() >= 0.90
    assert _agreement(scores[:300], run(path, samples["X"][:300], FAST)) >= 0.97


def test_visual_wake_words_agrees_with_litert(data_dir: Path) -> None:
    path = data_dir / "mlperf-tiny" / "vww_96_int8.tflite"
    network = frontend.load(path)
    assert network.weights_bytes == 208_112
    codes = np.random.default_rng(0).integers(-128, 128, (40, 96, 96, 3)).astype(np.int8)
    scores, expected = _scores(network, codes), run(path, codes, FAST)
    assert _agreement(scores, expected) >= 0.97
    assert np.abs(scores.astype(int) - expected).max() <= 2


def test_anomaly_detection_within_two_codes(data_dir: Path) -> None:
    folder = data_dir / "mlperf-tiny"
    path = folder / "ad01_int8.tflite"
    frames = np.fromfile(folder / "ad_normal_id_01_00000000_hist_librosa.bin", "<f4")
    network = frontend.load(path)
    codes = network.encode_input(frames.reshape(-1, 640))
    expected = run(path, codes.reshape(-1, 640), FAST)
    apart = np.abs(_scores(network, codes).astype(int) - expected)
    assert (apart <= 2).mean() >= 0.99


def _conv(model: Model, out: tuple[int, ...], **values: int) -> int:
    inputs = (0, *model.weights(3, 3, 2, 4))
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, **values}
    return model.operator("CONV_2D", inputs, model.tensor(out), "Conv2DOptions", **options)


def _depthwise(model: Model) -> int:
    inputs = (0, *model.weights(1, 3, 3, 8, axis=3))
    return model.operator(
        "DEPTHWISE_CONV_2D", inputs, model.tensor((1, 7, 6, 8)), "DepthwiseConv2DOptions",
        strideH=1, strideW=1, depthMultiplier=2, padding=SAME,
        dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip


def _pool(model: Model, name: str, out: tuple[int, ...], **values: int) -> int:
    return model.operator(
        name, [0], model.tensor(out, scale=0.05, zero=-5), "Pool2DOptions",
        filterHeight=2, filterWidth=2, strideH=2, strideW=2, **values,
    )  # fmt: skip


def _mean(model: Model) -> int:
    axes = model.constant(np.array([1, 2], np.int32))
    return model.operator("MEAN", [0, axes], model.tensor((1, 4)), "ReducerOptions")


def _dense_on_an_image(model: Model) -> int:
    inputs = (0, *model.weights(5, 168, channels=False))
    return model.operator("FULLY_CONNECTED", inputs, model.tensor((1, 5)), "FullyConnectedOptions")


def _reshaped_softmax(model: Model) -> int:
    shape = model.constant(np.array([1, 168], np.int32))
    flat = model.operator("RESHAPE", [0, shape], model.tensor((1, 168), scale=0.05, zero=-5))
    out = model.tensor((1, 168), scale=1 / 256, zero=-128)
    return model.operator("SOFTMAX", [flat], out, "SoftmaxOptions", beta=1.0)


def _add(model: Model) -> int:
    other = model.operator("RELU", [0], model.tensor((1, 7, 6, 4), scale=0.03, zero=-128))
    out = model.tensor((1, 7, 6, 4))
    return model.operator("ADD", [0, other], out, "AddOptions", fusedActivationFunction=RELU)


def _padded_conv(model: Model) -> int:
    pads = model.constant(np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32))
    padded = model.operator("PAD", [0, pads], model.tensor((1, 10, 7, 4), scale=0.05, zero=-5))
    inputs = (padded, *model.weights(3, 3, 2, 4))
    return model.operator(
        "CONV_2D", inputs, model.tensor((1, 4, 3, 3)), "Conv2DOptions",
        strideH=2, strideW=2, padding=VALID, dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip


CASES: dict[str, Callable[[Model], int]] = {
    "convolution": lambda m: _conv(m, (1, 5, 5, 3), padding=VALID),
    "same, strided, relu6": lambda m: _conv(
        m, (1, 4, 3, 3), padding=SAME, strideH=2, strideW=2, fusedActivationFunction=RELU6
    ),
    "dilated": lambda m: _conv(m, (1, 7, 6, 3), padding=SAME, dilationHFactor=2),
    "depth multiplier": _depthwise,
    "maximum": lambda m: _pool(m, "MAX_POOL_2D", (1, 4, 3, 4), padding=SAME),
    "average": lambda m: _pool(m, "AVERAGE_POOL_2D", (1, 3, 3, 4), padding=VALID),
    "mean": _mean,
    "dense on an image": _dense_on_an_image,
    "reshape and softmax": _reshaped_softmax,
    "relu6 alone": lambda m: m.operator("RELU6", [0], m.tensor((1, 7, 6, 4), scale=0.03, zero=0)),
    "requantised": lambda m: m.operator("QUANTIZE", [0], m.tensor((1, 7, 6, 4), np.int8, 0.07)),
    "addition": _add,
    "padded": _padded_conv,
}


@pytest.mark.parametrize("case", CASES)
def test_operators_equal_litert(case: str, tmp_path: Path) -> None:
    model = Model((1, 7, 6, 4))
    path = model.save(tmp_path / "m.tflite", CASES[case](model))
    codes = np.random.default_rng(1).integers(-128, 128, (8, 7, 6, 4)).astype(np.int8)
    expected = run(path, codes)
    network = frontend.load(path)
    got = network.decode_output(golden.run(network, codes)).reshape(expected.shape)
    apart = np.abs(got.astype(int) - expected)
    assert apart.max() <= 1
    # TensorFlow Lite rounds halves away from zero; a 2x2 average has a half in four.
    assert (apart == 0).mean() > 0.8


def test_float_ends(tmp_path: Path) -> None:
    model = Model((1, 7, 6, 4), np.float32)
    inner = model.operator("QUANTIZE", [0], model.tensor((1, 7, 6, 4), scale=0.05))
    relu = model.operator("RELU", [inner], model.tensor((1, 7, 6, 4), scale=0.03, zero=-128))
    out = model.operator("DEQUANTIZE", [relu], model.tensor((1, 7, 6, 4), np.float32, None))
    path = model.save(tmp_path / "m.tflite", out)
    images = np.random.default_rng(1).normal(size=(4, 7, 6, 4)).astype(np.float32)
    network = frontend.load(path)
    codes = golden.run(network, network.encode_input(images))
    real = network.tensors[network.output].dequantise(codes)
    assert np.abs(real - run(path, images)).max() < 0.031


def test_unsigned_input(tmp_path: Path) -> None:
    model = Model((1, 7, 6, 4), np.uint8, 120)
    out = model.operator("QUANTIZE", [0], model.tensor((1, 7, 6, 4), np.int8, 0.07))
    network = frontend.load(model.save(tmp_path / "m.tflite", out))
    assert network.input_unsigned
    assert network.tensors[network.input].zero_point == -8
    codes = np.random.default_rng(1).integers(0, 256, (4, 7, 6, 4)).astype(np.uint8)
    got = golden.run(network, network.encode_input(codes))
    real = np.clip((codes.astype(float) - 120) * 0.05 / 0.07 + 3, -128, 127)
    assert np.abs(got - real).max() <= 0.51


def _refused(model: Model, output: int, tmp_path: Path) -> str:
    path = model.save(tmp_path / "m.tflite", output)
    with pytest.raises(ModelError) as caught:
        frontend.load(path)
    return str(caught.value)


def test_refuses_an_operator(tmp_path: Path) -> None:
    model = Model((1, 7, 6, 4))
    message = _refused(model, model.operator("TANH", [0], model.tensor((1, 7, 6, 4))), tmp_path)
    assert message.startswith(
        "node t1 (TANH, input shape (1, 7, 6, 4)): this operator is not supported; supported: ADD,"
    )


def test_refuses_an_uncounted_border(tmp_path: Path) -> None:
    model = Model((1, 7, 6, 4))
    output = _pool(model, "AVERAGE_POOL_2D", (1, 4, 3, 4), padding=SAME)
    assert "averages over a padded border (0, 1, 0, 0) without counting it; expected VALID" in (
        _refused(model, output, tmp_path)
    )


def test_refuses_float_weights(tmp_path: Path) -> None:
    model = Model((1, 8))
    weights = model.constant(np.ones((4, 8), np.float32))
    output = model.operator("FULLY_CONNECTED", [0, weights, -1], model.tensor((1, 4)))
    assert "weights of type FLOAT32 with 0 scales; expected quantised INT8 weights" in (
        _refused(model, output, tmp_path)
    )


@pytest.mark.parametrize("scale", [0.0, -0.1, np.nan, np.inf])
def test_refuses_a_scale_that_is_none(tmp_path: Path, scale: float) -> None:
    model = Model((1, 7, 6, 4), zero=-5)
    out = model.operator("RELU", [0], model.tensor((1, 7, 6, 4), scale=scale, zero=-128))
    message = _refused(model, out, tmp_path)
    assert f"has the scale {scale:g}, expected finite numbers above 0; quantise" in message


def test_refuses_a_float_model(tmp_path: Path) -> None:
    model = Model((1, 7, 6, 4), np.float32)
    output = model.operator("RELU", [0], model.tensor((1, 7, 6, 4), np.float32, None))
    assert "expected" in (message := _refused(model, output, tmp_path))
    assert "FLOAT32" in message


def test_refuses_a_batch(tmp_path: Path) -> None:
    model = Model((4, 8))
    output = model.operator("RELU", [0], model.tensor((4, 8)))
    assert "(model input, input shape (4, 8)): batch 4; expected 1; export it with batch 1" in (
        _refused(model, output, tmp_path)
    )


def test_truncated_anywhere(tmp_path: Path) -> None:
    model = Model((1, 7, 6, 4))
    path = model.save(tmp_path / "m.tflite", _padded_conv(model))
    data = path.read_bytes()
    for length in range(8, len(data) - 16, 41):
        path.write_bytes(data[:length])
        with pytest.raises(ModelError):
            frontend.load(path)


def test_flipped_bytes_are_refused_or_read(tmp_path: Path) -> None:
    model = Model((1, 7, 6, 4))
    path = model.save(tmp_path / "m.tflite", _padded_conv(model))
    data = path.read_bytes()
    refused = 0
    for position in range(8, len(data), 23):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
        try:
            frontend.load(path)
        except ModelError:
            refused += 1
    assert refused > 0
