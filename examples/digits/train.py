"""Make the demo network: train on scikit-learn's digits, quantise by ONNX Runtime, write the card.

`python examples/digits/train.py` writes `digits.onnx`, `digits.npz` and `card.json` beside itself;
`--check` recomputes the card's int8 accuracy from those files and fails when it differs.

The data are the 1,797 images of 8x8 pixels, 0..16, of "Optical Recognition of Handwritten Digits"
(E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998), as scikit-learn ships them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx
    import torch

FOLDER = Path(__file__).resolve().parent
MODEL_FILE = "digits.onnx"
DATA_FILE = "digits.npz"
CARD_FILE = "card.json"
COMMAND = "python examples/digits/train.py"

SEED = 2024
TEST_IMAGES = 450
CALIBRATION_IMAGES = 150
EPOCHS = 40
BATCH = 64
LEARNING_RATE = 4e-3
OPSET = 17
LARGEST_PIXEL = 16

Images = NDArray[np.float32]
Labels = NDArray[np.int64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Digits:
    """All images (1797, 1, 8, 8) in 0..1, their labels, and which image serves what."""

    images: Images
    labels: Labels
    train: Indices
    calibration: Indices
    test: Indices


def load_digits() -> Digits:
    """Read the data set and split it by a seeded permutation into three disjoint parts."""
    from sklearn import datasets

    data = datasets.load_digits()
    images = (data.images[:, np.newaxis] / LARGEST_PIXEL).astype(np.float32)
    order = np.random.default_rng(SEED).permutation(len(images)).astype(np.int64)
    held_out = TEST_IMAGES + CALIBRATION_IMAGES
    return Digits(
        images,
        data.target.astype(np.int64),
        train=np.sort(order[held_out:]),
        calibration=np.sort(order[TEST_IMAGES:held_out]),
        test=np.sort(order[:TEST_IMAGES]),
    )


def network_input(images: Images) -> Images:
    """Double height and width, (N, 1, 8, 8) to (N, 1, 16, 16), by repeating every pixel."""
    return np.repeat(np.repeat(images, 2, axis=2), 2, axis=3)


def shifted(images: Images, generator: np.random.Generator) -> Images:
    """Move every image (N, 1, 8, 8) by -1, 0 or 1 pixels in each direction, filling with zeros."""
    count, _, rows, columns = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    down, right = generator.integers(0, 3, (2, count))
    row = down[:, np.newaxis, np.newaxis] + np.arange(rows)[:, np.newaxis]
    column = right[:, np.newaxis, np.newaxis] + np.arange(columns)
    image = np.arange(count)[:, np.newaxis, np.newaxis]
    moved: Images = padded[image, 0, row, column]
    return moved[:, np.newaxis]


def train(digits: Digits) -> torch.nn.Module:
    """Train the network on the training part; the calibration part shows the progress."""
    import torch
    from digits_network import make_network

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    generator = np.random.default_rng(SEED)
    network: torch.nn.Module = make_network()
    steps = -(-len(digits.train) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, epochs=EPOCHS, steps_per_epoch=steps
    )
    for epoch in range(1, EPOCHS + 1):
        network.train()
        loss_sum = 0.0
        for part in np.array_split(generator.permutation(digits.train), steps):
            x = torch.from_numpy(network_input(shifted(digits.images[part], generator)))
            y = torch.from_numpy(digits.labels[part])
            loss = torch.nn.functional.cross_entropy(network(x), y, label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            loss_sum += loss.item() * len(part)
        correct = correct_float(network, digits, digits.calibration)
        print(
            f"epoch {epoch:2}/{EPOCHS}  loss {loss_sum / len(digits.train):.4f}"
            f"  calibration images {correct}/{len(digits.calibration)}",
            flush=True,
        )
    return network


def correct_float(network: torch.nn.Module, digits: Digits, part: Indices) -> int:
    """Count the images of one part that the float network classifies rightly."""
    import torch

    network.eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(network_input(digits.images[part])))
    return int((logits.argmax(1).numpy() == digits.labels[part]).sum())


def export(network: torch.nn.Module, path: Path) -> None:
    """Write the float network, normalisation folded, as ONNX with a free batch axis."""
    import torch
    from digits_network import fold_normalisation

    fold_normalisation(network)
    with warnings.catch_warnings():
        # The exporter that follows modules keeps their names and GlobalAveragePool; its
        # successor writes ReduceMean and Reshape, and numbered names.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(2, 1, 16, 16),),
            str(path),
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )


def quantise(float_path: Path, path: Path, images: Images) -> None:
    """Quantise by ONNX Runtime: QDQ, int8 activations, symmetric int8 weights per channel."""
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # it has no types
        """Hand out the calibration images one by one."""

        def __init__(self) -> None:
            self.feeds: Iterator[dict[str, Images]] = iter({"image": one[None]} for one in images)

        def get_next(self) -> dict[str, Images] | None:
            return next(self.feeds, None)

    prepared = float_path.with_suffix(".prepared.onnx")
    quantization.quant_pre_process(
        float_path, prepared, skip_optimization=True, skip_symbolic_shape=True
    )
    quantization.quantize_static(
        prepared,
        path,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
        extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
    )


def correct_int8(path: Path, images: Images, labels: Labels) -> int:
    """Count the images (N, 1, 16, 16) that ONNX Runtime classifies rightly.

    Graph optimisation is off, so every node is computed as the file says. The fused int8 kernels
    that it would choose add pairs of products in 16 bits on x86 processors without VNNI, and these
    saturate (ONNX Runtime documentation, "Quantize ONNX Models", FAQ).
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": images})
    return int((logits.argmax(1) == labels).sum())


def layers(model: onnx.ModelProto) -> list[dict[str, Any]]:
    """List convolutions and dense layers with output shape, weights and multiplications."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model)
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim][1:]
        for value in (*inferred.graph.value_info, *inferred.graph.output)
    }
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    rows = []
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            size = int(np.prod(weights[node.input[1]]))
            shape = shapes[node.output[0]]
            macs = size * int(np.prod(shape[1:]))
            name = node.name.strip("/")
            output = "x".join(map(str, shape))
            rows.append({"name": name, "output": output, "weights": size, "macs": macs})
    return rows


def make_card(
    digits: Digits, folder: Path, layer_rows: list[dict[str, Any]], correct: dict[str, int]
) -> dict[str, Any]:
    """Collect what is known about the files in `folder`; `correct` counts by kind of network."""
    import onnx

    model = onnx.load(folder / MODEL_FILE)
    tools = ("numpy", "onnx", "onnxruntime", "scikit-learn", "torch")
    return {
        "data": "scikit-learn load_digits, 0..1, every pixel repeated to 2x2: (1, 16, 16)",
        "quantisation": "onnxruntime quantize_static: QDQ, min-max calibration,"
        " int8 activations, symmetric int8 weights per channel",
        "command": COMMAND,
        "seed": SEED,
        "epochs": EPOCHS,
        "split": {
            "train": len(digits.train),
            "calibration": len(digits.calibration),
            "test": len(digits.test),
        },
        "measured": "float by torch, int8 by onnxruntime without graph optimisation",
        "accuracy": {kind: count / len(digits.test) for kind, count in correct.items()},
        "correct": correct,
        "macs": sum(row["macs"] for row in layer_rows),
        "weights": sum(row["weights"] for row in layer_rows),
        "layers": layer_rows,
        "operators": dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
        "sha256": {name: digest(folder / name) for name in (MODEL_FILE, DATA_FILE)},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in tools},
            "machine": platform.machine(),
        },
    }


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make(folder: Path) -> dict[str, Any]:
    """Train, quantise and measure; move the files into `folder` only when all are complete."""
    import onnx

    digits = load_digits()
    network = train(digits).eval()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".digits-") as name:
        work = Path(name)
        x = network_input(digits.images[digits.test])
        y = digits.labels[digits.test]
        np.savez_compressed(
            work / DATA_FILE,
            x=x,
            y=y,
            train=digits.train,
            calibration=digits.calibration,
            test=digits.test,
        )
        correct = {"float": correct_float(network, digits, digits.test)}
        export(network, work / "float.onnx")
        rows = layers(onnx.load(work / "float.onnx"))
        calibration = network_input(digits.images[digits.calibration])
        quantise(work / "float.onnx", work / MODEL_FILE, calibration)
        correct["int8"] = correct_int8(work / MODEL_FILE, x, y)
        card = make_card(digits, work, rows, correct)
        (work / CARD_FILE).write_text(json.dumps(card, indent=2) + "\n")
        for file in (MODEL_FILE, DATA_FILE, CARD_FILE):
            (work / file).replace(folder / file)
    return card


def problems(folder: Path) -> list[str]:
    """Compare the card in `folder` with its files; say in one line each what differs."""
    missing = [name for name in (MODEL_FILE, DATA_FILE, CARD_FILE) if not (folder / name).is_file()]
    if missing:
        return [f"{folder}: {', '.join(missing)} not found"]
    card = json.loads((folder / CARD_FILE).read_text())
    found = [
        f"{name}: the card says SHA-256 {expected}, the file has {digest(folder / name)}"
        for name, expected in card["sha256"].items()
        if digest(folder / name) != expected
    ]
    with np.load(folder / DATA_FILE) as data:
        x, y = data["x"], data["y"]
    correct = correct_int8(folder / MODEL_FILE, x, y)
    if correct / len(y) != card["accuracy"]["int8"]:
        found.append(
            f"{MODEL_FILE}: the card says int8 accuracy {card['accuracy']['int8']:.4%},"
            f" ONNX Runtime finds {correct / len(y):.4%} ({correct} of {len(y)})"
        )
    return found


def main() -> int:
    """Make the files, or check them; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="recompute the card's int8 accuracy and digests"
    )
    if parser.parse_args().check:
        found = problems(FOLDER)
        for line in found:
            print(f"{line}; run `{COMMAND}` to make the files anew", file=sys.stderr)
        print("card differs from its files" if found else "card equals its files")
        return 1 if found else 0
    card = make(FOLDER)
    for kind, accuracy in card["accuracy"].items():
        print(f"{kind:5} accuracy {accuracy:.2%} ({card['correct'][kind]} of {TEST_IMAGES})")
    size_bytes = (FOLDER / MODEL_FILE).stat().st_size
    print(f"{card['macs'] / 1e6:.2f} million MACs, {MODEL_FILE} {size_bytes:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
