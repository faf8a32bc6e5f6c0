"""Finding and opening devices."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from fpga_rt.device import registry
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.registry import DeviceEntry, devices, open_device
from fpga_rt.errors import DeviceError


class Broken(Emulator):
    """A device that needs what is not here.

    More prose that a list does not show.
    """

    @staticmethod
    def obstacle() -> str:
        """Say what is missing."""
        return "no such board is connected"


def install(monkeypatch: pytest.MonkeyPatch, **entries: str) -> None:
    found = [EntryPoint(name, value, registry.GROUP) for name, value in entries.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)


def test_the_emulator_is_installed_and_usable() -> None:
    entry = next(entry for entry in devices() if entry.name == "emulator")
    assert entry.obstacle is None
    assert entry.description.startswith("Emulator of any board")


def test_an_opened_device_takes_options() -> None:
    with open_device("emulator", "kv260", memory_bytes=4096) as device:
        assert device.capabilities.memory_bytes == 4096
        assert device.capabilities.board.name == "kv260"


def test_an_option_that_a_device_lacks_is_named_with_those_it_has() -> None:
    message = (
        "device emulator has no option speed: it takes memory_bytes, faults, contention_percent;"
        " leave it out or use another device"
    )
    with pytest.raises(DeviceError, match=message):
        open_device("emulator", "pynq-z2", speed=2)


def test_unknown_devices_and_boards_list_the_choices() -> None:
    with pytest.raises(DeviceError, match=r"unknown device 'jtag': expected one of .*emulator"):
        open_device("jtag", "pynq-z2")
    with pytest.raises(DeviceError, match=r"unknown board 'moon': use one of .*pynq-z2"):
        open_device("emulator", "moon")


def test_devices_that_cannot_be_used_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        monkeypatch,
        broken=f"{__name__}:Broken",
        missing="fpga_rt.no_such_module:Device",
    )
    # The class of a test module cannot be imported by name in importlib mode, so give it.
    monkeypatch.setattr(
        EntryPoint, "load", lambda entry: Broken if entry.name == "broken" else _missing()
    )
    assert devices() == (
        DeviceEntry(
            "broken", "A device that needs what is not here.", "no such board is connected"
        ),
        DeviceEntry(
            "missing", "fpga_rt.no_such_module:Device", "it does not import: no such module"
        ),
    )
    with pytest.raises(DeviceError, match="device broken cannot be used here: no such board is"):
        open_device("broken", "pynq-z2")


def _missing() -> None:
    raise ImportError("no such module")


def test_two_packages_with_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [EntryPoint("x", value, registry.GROUP) for value in ("a:A", "b:B")]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)
    with pytest.raises(DeviceError, match="two packages offer a device x: a:A and b:B"):
        devices()
