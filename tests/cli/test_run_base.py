"""`fpga-rt run --base`: the static region is loaded first, on devices that take one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fpga_rt import api
from fpga_rt.arch.boards import Board, board
from fpga_rt.device.interface import Device
from fpga_rt.device.pynq.device import Pynq
from fpga_rt.serve.designs import write_overlay
from tests.cli.conftest import Cli
from tests.standin import standin


def test_the_static_region_is_loaded_before_the_modules(
    cli: Cli, archive: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = standin.obstacle()
    if reason:
        pytest.skip(reason)
    base = write_overlay(board("pynq-z2"), tmp_path)[0]
    base.with_suffix(".hwh").unlink()  # so that it goes to the kernel, whichever PYNQ is there
    with standin.installed("pynq-z2") as running:

        def on_the_standin(name: str, target: Board, **options: Any) -> Device:  # noqa: ANN401 - as of `open_device`
            assert name == "pynq"
            device = Pynq(target, kernel=running.kernel, simulation_bitstreams=True, **options)
            device.open()
            return device

        monkeypatch.setattr(api, "open_device", on_the_standin)
        arguments = ("run", archive, "--input", data, "--device", "pynq", "--port", "pcap")
        answer = cli(*arguments, "--base", base, "--json")
        loads = running.ask()["loads"]
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out)["device"] == "pynq"
    first, *others = [flags for flags, _ in loads]
    assert (first, set(others)) == (0, {1})  # of the kernel: a full bitstream, and partial ones


def test_a_device_that_takes_none_says_so(cli: Cli, archive: Path, data: Path) -> None:
    answer = cli("run", archive, "--input", data, "--base", "full.bit")
    assert answer.code == 6
    assert "device emulator has no option base" in answer.err


def test_an_output_does_not_overwrite_it(cli: Cli, archive: Path, data: Path) -> None:
    arguments = ("run", archive, "--input", data, "--base", "s.frr", "--record", "s.frr")
    answer = cli(*arguments)
    assert answer.code == 2
    assert "the output s.frr would overwrite an input" in answer.err
