"""`fpga-rt doctor`: what it prints, and when it fails."""

from __future__ import annotations

import json

import pytest

from fpga_rt.cli import doctor
from fpga_rt.cli.installed import Requirement
from tests.cli.conftest import Cli


def test_says_what_is_installed_and_what_devices_find(cli: Cli) -> None:
    answer = cli("doctor")
    assert (answer.code, answer.err) == (0, "")
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert lines[0].startswith("fpga-rt 0.1.0, Python 3.")
    assert lines[0].endswith(", board pynq-z2")
    assert any(line.startswith("core numpy ") for line in lines)
    assert "device emulator: can be used" in lines
    assert any(line.startswith("device pynq: board: no device tree; run it on") for line in lines)


def test_one_device_only_and_its_exit_code(cli: Cli) -> None:
    assert cli("doctor", "--device", "emulator").code == 0
    answer = cli("doctor", "--device", "pynq", "--board", "kv260")
    assert answer.code == 6
    assert "device pynq cannot be used here: board: no device tree; run it on" in answer.err
    assert "AMD Kria KV260" in answer.err
    assert "device rtl" not in answer.out
    answer = cli("doctor", "--device", "nothing")
    assert answer.code == 6
    assert "unknown device 'nothing': expected one of emulator, " in answer.err


def test_json_has_every_finding(cli: Cli) -> None:
    found = json.loads(cli("doctor", "--json").out)
    assert {need["package"] for need in found["requirements"]} >= {"numpy", "onnx", "pynq"}
    devices = {device["name"]: device for device in found["devices"]}
    assert devices["emulator"]["usable"]
    pynq = devices["pynq"]
    assert not pynq["usable"]
    assert pynq["findings"][0] == {
        "subject": "board",
        "found": "no device tree",
        "remedy": "run it on the board, TUL PYNQ-Z2",
        "required": True,
        "state": "missing",
    }


def test_an_extra_names_what_is_missing_of_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = [
        Requirement("", "numpy", ">=1.21", "1.20"),
        Requirement("onnx", "onnx", ">=1.16", "1.23"),
        Requirement("onnx", "onnxruntime", ">=1.18", None),
    ]
    monkeypatch.setattr(doctor, "requirements", lambda: needs)
    lines = [" ".join(line.split()) for line in cli("doctor").out.splitlines()]
    assert "core pip install fpga-rt not numpy>=1.21: 1.20" in lines
    assert "onnx pip install 'fpga-rt[onnx]' onnx 1.23; not onnxruntime>=1.18: none" in lines
