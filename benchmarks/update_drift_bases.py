"""The networks that drift, and the images they see: ResNet8 on CIFAR-10, a small one on MNIST.

Images are divided once: those that a base is trained on, those that a device's samples come from,
and those that accuracy is reported on, which are test images of the data sets. ResNet8 is MLPerf
Tiny's, which has seen all training images of CIFAR-10, so a device's samples are test images, too;
it is trained on as a whole for JPEG images. The network for MNIST is trained and quantised here.
Data, bases and their archives are kept in a folder of the caller's.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks import datasets
from fpga_rt import api
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.deployment.model import Deployment
from fpga_rt.frontend import load, torch_export
from fpga_rt.network.graph import Network
from fpga_rt.update.adapt.adaptation import reference_moments
from fpga_rt.update.adapt.fit import fit
from fpga_rt.update.adapt.fold import fold
from fpga_rt.update.adapt.graph import Graph
from fpga_rt.update.adapt.policies import plan
from fpga_rt.update.adapt.recipe import Recipe
from fpga_rt.update.adapt.samples import Samples

BOARD = "pynq-z2"


@dataclass(frozen=True, eq=False)
class Base:
    """A network as it is deployed, and images as codes (8-bit values less 128).

    Attributes:
        deployment: of the network.
        digest: of its archive.
        trained_on: what the base has seen.
        field: images that devices' samples are drawn from.
        report: images that accuracy is reported on, mixed evenly by class.
    """

    deployment: Deployment
    digest: str
    trained_on: Samples
    field: Samples
    report: Samples


def base(name: str, folder: Path) -> Base:
    """Return a base, made the first time and read from a folder afterwards."""
    images, train, count = _BASES[name]
    training, report = images("train", folder), images("test", folder)
    order = np.random.default_rng(0).permutation(len(training))
    seen, field = training.take(order[:count]), training.take(order[count:])
    path = folder / f"{name}.frt"
    if not path.exists():
        torch.manual_seed(0)
        api.save(api.compile(train(seen), BOARD), path)
    mixed = np.random.default_rng(1).permutation(len(report))
    if name == "resnet8":
        mixed, others = np.split(mixed, 2)
        field = report.take(others)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Base(api.load(path), digest, seen, field, report.take(mixed))


def _cifar10(part: str, folder: Path) -> Samples:
    """Return all images of CIFAR-10 as JPEG, sorted by class and number."""
    path = folder / f"cifar10-{part}.npz"
    if not path.exists():
        from PIL import Image

        found: dict[str, NDArray[np.uint8]] = {}
        source = datasets.folder() / "cifar10-jpeg" / f"{part}.tar.xz"
        with tarfile.open(source) as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is not None and member.name.endswith(".jpg"):
                    found[member.name] = np.asarray(Image.open(io.BytesIO(file.read())))
        names = sorted(found)
        classes = sorted({name.split("/")[1] for name in names})
        labels = [classes.index(name.split("/")[1]) for name in names]
        data = io.BytesIO()
        np.savez(data, x=np.stack([found[name] for name in names]), y=np.array(labels))
        write_atomically(path, [data.getvalue()])
    with np.load(path) as arrays:
        return Samples(_shifted(arrays["x"]), arrays["y"])


def _mnist(part: str, folder: Path) -> Samples:
    """Return all images of MNIST (28, 28, 1)."""
    prefix = datasets.folder() / "mnist" / ("train" if part == "train" else "t10k")
    pixels = gzip.decompress(Path(f"{prefix}-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress(Path(f"{prefix}-labels-idx1-ubyte.gz").read_bytes())[8:]
    images = np.frombuffer(pixels, np.uint8).reshape(-1, 28, 28, 1)
    return Samples(_shifted(images), np.frombuffer(labels, np.uint8).astype(np.int64))


def _shifted(images: NDArray[np.uint8]) -> NDArray[np.int8]:
    return (images.astype(np.int16) - 128).astype(np.int8)


def _resnet8(seen: Samples) -> Network:
    """Train MLPerf Tiny's int8 ResNet8 on, all of it, on JPEG images."""
    network = load(datasets.model_path("resnet8"))
    graph = Graph(network, reference_moments(network, seen.codes))
    recipe = Recipe(epochs=2, batch=128, affine_rate=3e-3, weight_rate=1e-3)
    fit(graph, seen, plan("full", network, None, {}), recipe)
    return fold(graph)


def _ds_cnn(seen: Samples) -> Network:
    """Train a depthwise separable network of 12,608 weights, and quantise it after training."""
    module = nn.Sequential(
        *_norm(nn.Conv2d(1, 32, 3, 2, 1, bias=False)),
        *_separable(32, 64, 1),
        *_separable(64, 64, 2),
        *_separable(64, 64, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    images = torch.from_numpy(seen.codes.astype(np.float32).transpose(0, 3, 1, 2) + 128) / 255
    assert seen.labels is not None
    labels = torch.from_numpy(seen.labels)
    epochs, batch = 3, 128
    optimizer = torch.optim.Adam(module.parameters(), 5e-3)
    steps = epochs * -(-len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for _ in range(epochs):
        for which in torch.randperm(len(images)).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(images[which]), labels[which]).backward()
            optimizer.step()
            schedule.step()
    calibration = [batch.numpy() for batch in images[:512].split(64)]
    return torch_export.quantise(module.eval(), calibration)


def _norm(convolution: nn.Conv2d) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()]


def _separable(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        *_norm(nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)),
        *_norm(nn.Conv2d(inputs, outputs, 1, bias=False)),
    ]


_BASES: dict[str, tuple[Callable[[str, Path], Samples], Callable[[Samples], Network], int]] = {
    "resnet8": (_cifar10, _resnet8, 20_000),
    "mnist": (_mnist, _ds_cnn, 20_000),
}
NETWORKS = tuple(_BASES)
