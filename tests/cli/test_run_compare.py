"""`fpga-rt run --compare golden` and `--layers`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fpga_rt
from fpga_rt.device.interface import Device
from fpga_rt.network.graph import Network
from tests.cli.conftest import IMAGES, Cli
from tests.runtime.faulty import WrongAddress


def test_equal_layers_are_counted(cli: Cli, archive: Path, data: Path, network: Network) -> None:
    arguments = ("run", archive, "--input", data, "--compare", "golden", "--batch", 2)
    values = IMAGES * (8 * 8 * 16 + 8 * 8 * 16 + 4 * 4 * 16 + 7)
    answer = cli(*arguments)
    assert (answer.code, answer.err) == (0, "")
    assert (
        f"  compared   4 layers of 5 images, {values:,} values: all equal golden execution, and so"
        " are the outputs of this run"
    ) in answer.out.splitlines()
    compared = json.loads(cli(*arguments, "--json").out)["compared"]
    assert compared == {"layers": 4, "images": IMAGES, "values": values}


def _faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first command of the first launch miss its place by a pixel."""

    def opened(*_: object, **__: object) -> Device:
        device = WrongAddress(launch=0, partition=0, command=0, by_bytes=16)
        device.open()
        return device

    monkeypatch.setattr("fpga_rt.api.open_device", opened)


def test_a_difference_ends_the_run(
    cli: Cli, archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deployment = fpga_rt.load(archive)
    step = next(s for s in deployment.launches[0].steps if s.partition == 0)
    _faulty(monkeypatch)
    output = tmp_path / "out.npy"
    arguments = ("run", archive, "--input", data, "--compare", "golden", "--output", output)
    answer = cli(*arguments)
    assert (answer.code, answer.out) == (10, "")
    assert answer.err.count("\n") == 1
    assert not output.exists()
    assert (
        f"layer {step.layer} ({step.operation}, number 1) differs at image 0, row 0" in answer.err
    )
    answer = cli(*arguments, "--json")
    assert answer.code == 10
    difference = json.loads(answer.out)["difference"]
    assert (difference["layer"], difference["partition"]) == (step.layer, "rp0")
    assert (difference["launch"], difference["command"]) == (0, 0)
    assert difference["got"] != difference["expected"]


def test_without_compare_nothing_is_compared(
    cli: Cli, archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _faulty(monkeypatch)
    answer = cli("run", archive, "--input", data, "--json")
    assert (answer.code, json.loads(answer.out)["compared"]) == (0, None)


def test_layers_as_tables_and_as_data(
    cli: Cli, archive: Path, data: Path, network: Network
) -> None:
    arguments = ("run", archive, "--input", data, "--batch", 2)
    assert "Cycles" not in cli(*arguments).out
    text = cli(*arguments, "--layers").out
    assert "Cycles of the compute clock, an image (predicted: modelled; counted: modelled)" in text
    assert "Bytes moved, an image" in text
    assert max(map(len, text.split("Cycles")[1].splitlines())) < 160
    layers = json.loads(cli(*arguments, "--json").out)["layers"]
    assert layers["total"]["macs"] == network.multiplications
    assert layers["origins"] == {"predicted": "modelled", "counted": "modelled"}
    for step in layers["steps"]:
        assert step["counted_cycles"] == step["predicted_cycles"]
    convolution = layers["kinds"]["convolution 3x3"]
    assert convolution["macs"] == 8 * 8 * 16 * 9 * 16
    cycles = convolution["counted_cycles"]["computing"]
    lanes = next(s["multipliers"] for s in layers["steps"] if s["kind"] == "convolution 3x3")
    assert convolution["multipliers_busy"] == convolution["macs"] / (lanes * cycles)
