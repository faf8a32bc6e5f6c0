"""The package's own names: quick to import, complete, and the five-line use works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fpga_rt
from fpga_rt.errors import DeviceError, ModelError
from fpga_rt.network import golden
from tests.random_networks import random_network

DIGITS = Path(__file__).parents[1] / "examples" / "digits"


def test_importing_the_package_loads_nothing_else() -> None:
    script = (
        "import sys, fpga_rt; loaded = [m for m in sys.modules if m.startswith('fpga_rt.')];"
        " assert not loaded, loaded; assert 'numpy' not in sys.modules;"
        " fpga_rt.compile; assert 'fpga_rt.api' in sys.modules and 'onnx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_names_are_listed_and_others_are_refused() -> None:
    assert set(fpga_rt.__all__) <= set(dir(fpga_rt))
    for name in fpga_rt.__all__:
        assert getattr(fpga_rt, name) is not None
    with pytest.raises(AttributeError, match="module 'fpga_rt' has no attribute 'complie'"):
        fpga_rt.complie  # type: ignore[attr-defined]  # noqa: B018 - the look-up is the test


def test_five_lines_from_a_model_to_a_report() -> None:
    pytest.importorskip("onnx")
    with np.load(DIGITS / "digits.npz") as data:
        images, labels = data["x"][:20], data["y"][:20]

    deployment = fpga_rt.compile(DIGITS / "digits.onnx", board="pynq-z2")
    with fpga_rt.open_device("emulator", board="pynq-z2") as device:
        runtime = fpga_rt.Runtime(device)
        codes = runtime.run(runtime.load(deployment), deployment.network.encode_input(images))
        text = str(runtime.report())

    assert (codes.reshape(20, -1).argmax(axis=1) == labels).mean() >= 0.9
    assert "digits on emulator (pynq-z2): 20 inferences in 20 requests" in text
    assert "virtual clock, modelled" in text


def test_save_and_load_keep_what_runs(tmp_path: Path) -> None:
    network = random_network(3, layers=3)
    shape = network.tensors[network.input].shape
    codes = np.random.default_rng(0).integers(-128, 128, (3, *shape)).astype(np.int8)
    fpga_rt.save(fpga_rt.compile(network, partitions=2), tmp_path / "n.frt")
    deployment = fpga_rt.load(tmp_path / "n.frt")
    with fpga_rt.open_device(memory_bytes=4 << 20) as device, fpga_rt.Runtime(device) as runtime:
        outputs = runtime.run(runtime.load(deployment), codes, batch=2)
    np.testing.assert_array_equal(outputs, golden.run(network, codes))


def test_networks_compiled_together_take_turns_on_listed_partitions() -> None:
    networks = [random_network(seed, layers=2) for seed in (3, 4)]
    deployments = fpga_rt.compile_together(networks, partitions=[0, 2], batch=2)
    assert fpga_rt.compile(networks[0], partitions=[0, 2]).partitions == (0, 2)
    codes = [np.zeros((2, *network.tensors[network.input].shape), np.int8) for network in networks]
    with fpga_rt.open_device(memory_bytes=8 << 20) as device, fpga_rt.Runtime(device) as runtime:
        models = [runtime.load(deployment) for deployment in deployments]
        requests = [fpga_rt.Request(*pair) for pair in zip(models, codes, strict=True)]
        results = runtime.trace(requests)
    for deployment, result, network, images in zip(
        deployments, results, networks, codes, strict=True
    ):
        assert deployment.partitions == (0, 2)
        np.testing.assert_array_equal(result.codes, golden.run(network, images))


def test_a_deployment_is_no_model(tmp_path: Path) -> None:
    fpga_rt.save(fpga_rt.compile(random_network(1, layers=1)), tmp_path / "renamed.onnx")
    with pytest.raises(ModelError, match="is a compiled deployment, expected a"):
        fpga_rt.load_model(tmp_path / "renamed.onnx")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(DeviceError, match="unknown device 'pynq3'"):
        fpga_rt.open_device("pynq3")
    with pytest.raises(DeviceError, match="unknown board 'z7'"):
        fpga_rt.open_device(board="z7")
    with pytest.raises(DeviceError, match="unknown board 'z7'"):
        fpga_rt.compile(random_network(1), board="z7")
