"""`fpga-rt run --record`, and `--device replay`: the same answers and times, or a refusal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fpga_rt import api
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.faults import LostCompletion
from fpga_rt.device.interface import Completion, Device, Pending
from tests.cli.conftest import Cli


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run_of(archive: Path, data: Path) -> tuple[object, ...]:
    return ("run", archive, "--input", data)


def test_a_run_and_its_replay_are_the_same(cli: Cli, archive: Path, data: Path) -> None:
    arguments = ("run", archive, "--input", data, "--batch", 2, "--json")
    first = json.loads(cli(*arguments, "--record", "s.frr", "--output", "first.npy").out)
    assert "s.frr" in first["files"]
    again = ("--device", "replay", "--recording", "s.frr", "--output", "second.npy")
    second = json.loads(cli(*arguments, *again).out)
    assert np.array_equal(np.load("first.npy"), np.load("second.npy"))
    assert (second["device"], second["origin"]) == ("replay", "replayed")
    for key in ("total_us", "swaps", "clock"):
        assert second[key] == first[key]


def test_another_run_is_refused_at_its_first_other_call(
    cli: Cli, archive: Path, data: Path
) -> None:
    assert cli("run", archive, "--input", data, "--batch", 2, "--record", "s.frr").code == 0
    again = ("run", archive, "--input", data, "--device", "replay", "--recording", "s.frr")
    answer = cli(*again, "--batch", 3)
    assert answer.code == 6
    assert "s.frr: call " in answer.err
    assert f"make the calls that were recorded: fpga-rt run {archive} --input {data}" in answer.err
    assert "--batch 2" in answer.err
    answer = cli("run", archive, "--input", data, "--device", "replay")
    assert answer.code == 6
    assert "device replay needs a recording; give it with --recording FILE" in answer.err
    answer = cli("run", archive, "--input", data, "--recording", "s.frr")
    assert answer.code == 6
    assert "device emulator has no option recording" in answer.err


def test_a_run_that_failed_is_recorded_as_far_as_it_went(
    cli: Cli, archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = api.open_device

    def faulty(name: str, target: object, **options: object) -> Device:
        if name != "emulator":
            return opened(name, target, **options)  # type: ignore[arg-type]  # a board
        device = Emulator("pynq-z2", faults=[LostCompletion("program", 2)])
        device.open()
        return device

    monkeypatch.setattr(api, "open_device", faulty)
    first = cli("run", archive, "--input", data, "--record", "s.frr")
    second = cli("run", archive, "--input", data, "--device", "replay", "--recording", "s.frr")
    assert (first.code, second.code) == (6, 6)
    assert "the program on partitions" in first.err
    assert second.err == first.err


@pytest.mark.parametrize(
    ("surprise", "code", "words"),
    [
        (RuntimeError("the cable fell out"), 1, "RuntimeError: the cable fell out"),
        (KeyboardInterrupt(), 130, "KeyboardInterrupt"),
    ],
)
def test_a_run_that_ended_in_a_surprise_is_recorded_too(
    cli: Cli,
    run_of: tuple[object, ...],
    monkeypatch: pytest.MonkeyPatch,
    surprise: BaseException,
    code: int,
    words: str,
) -> None:
    class Surprising(Emulator):
        """Ends as no device should, when its first program is waited for."""

        def wait(self, *pending: Pending, timeout_s: float | None = None) -> Completion:
            if any(one.kind == "program" for one in pending):
                raise surprise
            return super().wait(*pending, timeout_s=timeout_s)

    def surprising(name: str, target: object, **options: object) -> Device:
        device = Surprising("pynq-z2")
        device.open()
        return device

    with monkeypatch.context() as patched:
        patched.setattr(api, "open_device", surprising)
        assert cli(*run_of, "--record", "s.frr").code == code
    again = cli(*run_of, "--device", "replay", "--recording", "s.frr")
    assert (again.code, again.err) == (6, f"fpga-rt: error: {words}\n")


def test_a_recording_overwrites_no_input(cli: Cli, archive: Path, data: Path) -> None:
    answer = cli("run", archive, "--input", data, "--recording", "s.frr", "--record", "s.frr")
    assert answer.code == 2
    assert "would overwrite an input" in answer.err
    answer = cli("run", archive, "--input", data, "--record", "nowhere/s.frr")
    assert answer.code == 3
    assert "nowhere first" in answer.err
