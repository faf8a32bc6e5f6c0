"""A full bitstream through PYNQ: where that can be, what else, and PYNQ's own code doing it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from benchmarks.pynq_environment import ROOT, environment
from fpga_rt.arch.boards import board
from fpga_rt.device.pynq import overlay
from fpga_rt.device.pynq.device import Pynq
from fpga_rt.errors import DeviceError, ToolchainError
from fpga_rt.serve.designs import write_overlay
from tests.standin.standin import StandIn

TARGET = board("pynq-z2")

Installed = Callable[[str | None], None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Return a function that says which PYNQ is installed, None for none."""

    def say(found: str | None) -> None:
        def version(name: str) -> str:
            assert name == "pynq"
            if found is None:
                raise PackageNotFoundError(name)
            return found

        monkeypatch.setattr(overlay, "version", version)

    return say


@pytest.fixture
def bit(tmp_path: Path) -> Path:
    return write_overlay(TARGET, tmp_path)[0]


@pytest.mark.parametrize(
    ("found", "family", "reason"),
    [
        (None, "7-series", "PYNQ is not installed"),
        ("3.0.1", "7-series", None),
        ("3.1.2", "7-series", None),
        ("4.0.0", "7-series", "PYNQ 4.0.0 knows no Zynq-7000, 3.1 does"),
        ("4.0.0", "UltraScale+", None),
    ],
)
def test_pynq_loads_the_boards_that_it_knows(
    installed: Installed, bit: Path, found: str | None, family: str, reason: str | None
) -> None:
    installed(found)
    assert overlay.obstacle(bit, family) == reason


def test_pynq_needs_the_hwh(installed: Installed, bit: Path) -> None:
    installed("3.1.2")
    bit.with_suffix(".hwh").unlink()
    expected = "no fpga_rt_pynq_z2.hwh beside fpga_rt_pynq_z2.bit"
    assert overlay.obstacle(bit, "7-series") == expected


@pytest.mark.parametrize("found", [None, "4.0.0"])
def test_what_pynq_cannot_load_goes_to_the_kernel_and_says_so(
    installed: Installed, standin: StandIn, bit: Path, found: str | None
) -> None:
    installed(found)
    with Pynq(TARGET, kernel=standin.kernel, base=bit, simulation_bitstreams=True) as device:
        (note,) = (one for one in device.capabilities.assumptions if "was loaded" in one)
    reason = overlay.obstacle(bit, "7-series")
    assert note == (
        "The static region was loaded by the FPGA manager, with clocks and port widths as they"
        f" were ({reason})."
    )
    ((flags, name),) = standin.ask()["loads"]
    assert (flags, name[:7]) == (0, "fpgart_")


class EmbeddedDevice:
    """Of the name of PYNQ's."""


def pretend(monkeypatch: pytest.MonkeyPatch, devices: list[object], load: object) -> None:
    """Put a module in PYNQ's place."""
    module = types.ModuleType("pynq")
    module.Device = types.SimpleNamespace(devices=devices)  # type: ignore[attr-defined]
    module.Overlay = load  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynq", module)


def test_a_board_of_pynqs_that_is_not_this_one_is_not_used(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, standin: StandIn, bit: Path
) -> None:
    installed("3.1.2")
    pretend(monkeypatch, [object()], None)
    with pytest.raises(
        DeviceError, match=r"PYNQ 3\.1\.2 sees no board here to load .*; unset PYNQ_"
    ):
        Pynq(TARGET, kernel=standin.kernel, base=bit).open()
    assert standin.ask()["loads"] == []


def test_what_pynq_raises_is_told_and_the_board_given_back(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, standin: StandIn, bit: Path
) -> None:
    def fail(name: str, device: object) -> None:
        raise TypeError("got 7z020")

    installed("3.1.2")
    pretend(monkeypatch, [EmbeddedDevice()], fail)
    device = Pynq(TARGET, kernel=standin.kernel, base=bit)
    with pytest.raises(DeviceError, match=r"could not load .*pynq_z2\.bit: TypeError: got 7z020; "):
        device.open()
    with Pynq(
        TARGET, kernel=standin.kernel, simulation_bitstreams=True
    ) as other:  # the lock is free
        assert other.identify(0) == 0


def test_pynqs_own_code_loads_it_and_sets_the_clock(standin: StandIn, bit: Path) -> None:
    """PYNQ 3.1.2 on the stand-in: the .hwh asks for 1000 MHz by 7."""
    if importlib.util.find_spec("grpc") is None:
        pytest.skip("PYNQ is tried beside the extra `serve`, which is not installed")
    if not Path("/lib/firmware").is_dir():
        pytest.skip("no folder /lib/firmware to mount over")
    script = str(Path(__file__).with_name("pynq_overlay.py"))
    try:
        with environment() as python:
            command = standin.inside(str(python), "-W", "ignore", script, str(ROOT), str(bit))
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                check=False,
            )
    except ToolchainError as error:
        pytest.skip(str(error))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {
        "divisors": [7, 1],
        "identity": 0,
        "note": "The static region was loaded by PYNQ 3.1.2, with the clocks and port widths of its"
        " .hwh.",
    }
    assert standin.ask()["loads"] == [[0, "fpga_rt_pynq_z2.bin"]]
