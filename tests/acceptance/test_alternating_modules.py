"""A network whose layers alternate modules, on the RTL and on the emulator: the same bytes.

Three modules take turns in two partitions, so modules are swapped within an inference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fpga_rt
from fpga_rt.arithmetic.operations import MaximumPool
from fpga_rt.cli.main import main
from fpga_rt.contract.command import COMMAND, COMMAND_BYTES
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.interface import Device
from fpga_rt.device.registry import open_device
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.runtime.runtime import Runtime
from sim.toolchain import obstacle
from tests.random_networks import Builder

pytestmark = pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))

MODULES = ("scale_8", "add_8", "clamp_8")
IMAGES = 3
DEVICES = {"emulator": (), "rtl": ("--load-time", "stream")}
Codes = NDArray[np.int8]


def alternating() -> Network:
    """Return a network of three times scale, add and clamp."""
    builder = Builder(np.random.default_rng(2), (6, 5, 24))
    for limit in (90, 70, 50):
        shortcut = builder.current
        builder.average((1, 1), (1, 1))
        builder.addition(builder.current, shortcut)
        builder.add(MaximumPool((1, 1), low=-limit, high=limit))
    return builder.build("alternating")


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return fpga_rt.compile(alternating(), "pynq-z2", 2, MODULES)


@pytest.fixture(scope="module")
def images() -> Codes:
    return np.random.default_rng(7).integers(-128, 128, (IMAGES, 6, 5, 24)).astype(np.int8)


@pytest.fixture(scope="module")
def devices() -> Iterator[dict[str, Device]]:
    with (
        open_device("emulator", "pynq-z2") as emulator,
        open_device("rtl", "pynq-z2", load_time="stream") as rtl,
    ):
        yield {"emulator": emulator, "rtl": rtl}


def report(name: str, archive: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - JSON
    """Run all images in one request on a device; return the report, with outputs in a file."""
    output = archive.with_name(f"{name}.npy")
    files = ("--input", str(data), "--output", str(output), "--codes", "--json")
    options = ("--device", name, "--batch", str(IMAGES), *DEVICES[name])
    assert main(["run", str(archive), *files, *options]) == 0
    return json.loads(capsys.readouterr().out) | {"codes": np.load(output)}


def test_run_gives_the_same_bytes_and_the_swaps_of_the_plan(
    deployment: Deployment, images: Codes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, data = tmp_path / "alternating.frt", tmp_path / "images.npy"
    fpga_rt.save(deployment, archive)
    np.save(data, images)
    expected = golden.run(deployment.network, images)
    assert deployment.module_changes >= 4
    for name in DEVICES:
        found = report(name, archive, data, capsys)
        assert found["device"] == name
        assert (found["codes"] == expected.reshape(found["codes"].shape)).all()
        assert found["swaps"]["count"] == deployment.module_changes
        assert found["swaps"]["initial"] == len(deployment.partitions)
        assert found["origin"] == {"emulator": "modelled", "rtl": "rtl"}[name]


def test_programs_take_as_many_cycles_as_on_the_emulator(
    deployment: Deployment, images: Codes, devices: dict[str, Device]
) -> None:
    """All but the first and the last launch have their tensors on chip only."""
    took = {}
    for name, device in devices.items():
        with Runtime(device) as runtime:
            runtime.run(runtime.load(deployment), images, IMAGES)
            took[name] = [p.ended_ps - p.started_ps for p in runtime.log.programs]
    inner = slice(2, -1)  # the first addition reads the network's input, too
    assert took["rtl"][inner] == took["emulator"][inner]
    assert took["rtl"] == pytest.approx(took["emulator"], rel=0.02)


def altered(deployment: Deployment, launch: int, name: str, distance: int) -> Deployment:
    """Return a deployment in which an address of a launch's first command is another."""
    changed = deployment.launches[launch]
    ((partition, ring),) = changed.rings.items()
    fields = COMMAND.decode(ring[:COMMAND_BYTES])
    fields[name] += distance
    rings = {partition: COMMAND.encode(fields) + ring[COMMAND_BYTES:]}
    launches = list(deployment.launches)
    launches[launch] = replace(changed, rings=rings)
    return replace(deployment, launches=tuple(launches))


def is_wrong_alike(wrong: Deployment, images: Codes, devices: dict[str, Device]) -> None:
    """Check that a deployment gives wrong outputs, and the same ones on both devices."""
    found = {}
    for device_name, device in devices.items():
        with Runtime(device) as runtime:
            found[device_name] = runtime.run(runtime.load(wrong), images, IMAGES)
    right = golden.run(wrong.network, images).reshape(found["rtl"].shape)
    assert (found["rtl"] == found["emulator"]).all()
    assert (found["rtl"] != right).any()


@pytest.mark.parametrize("launch", [1, 4])
@pytest.mark.parametrize(("name", "distance"), [("input", 24), ("residual", 1), ("output", 5)])
def test_a_wrong_address_gives_the_same_wrong_bytes(
    deployment: Deployment,
    images: Codes,
    devices: dict[str, Device],
    launch: int,
    name: str,
    distance: int,
) -> None:
    wrong = altered(deployment, launch, name, distance)
    assert "add_8" in wrong.launches[launch].modules.values()
    is_wrong_alike(wrong, images, devices)


@pytest.mark.parametrize("distance", [8, 64])
def test_a_wrong_table_gives_the_same_wrong_bytes(
    deployment: Deployment, images: Codes, devices: dict[str, Device], distance: int
) -> None:
    wrong = altered(deployment, 3, "table", distance)
    assert "scale_8" in wrong.launches[3].modules.values()
    is_wrong_alike(wrong, images, devices)


@pytest.mark.parametrize("distance", [8, 64])
def test_wrong_weights_give_the_same_wrong_bytes(
    images: Codes, devices: dict[str, Device], distance: int
) -> None:
    builder = Builder(np.random.default_rng(3), images.shape[1:])
    builder.convolution(7, 3)
    deployment = fpga_rt.compile(builder.build("convolution"), "pynq-z2", 1, ("convolution_2x2",))
    is_wrong_alike(altered(deployment, 0, "weights", distance), images, devices)
