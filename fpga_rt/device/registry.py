"""Find and open the devices that are installed: this package's own and those of others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from fpga_rt.arch.boards import Board
from fpga_rt.device.interface import Device
from fpga_rt.errors import DeviceError

GROUP = "fpga_rt.devices"
DEFAULT = "emulator"


@dataclass(frozen=True)
class DeviceEntry:
    """A device that is installed.

    Attributes:
        name: what `--device` takes.
        description: one line.
        obstacle: why it cannot be used here, None when it can.
    """

    name: str
    description: str
    obstacle: str | None


def devices() -> tuple[DeviceEntry, ...]:
    """Return every device behind the entry point group, sorted by name."""
    return tuple(_describe(name, entry) for name, entry in sorted(_entries().items()))


def open_device(name: str, board: Board | str, **options: Any) -> Device:  # noqa: ANN401 - the device knows its options
    """Open a device.

    Args:
        name: one of `devices()`.
        board: the board behind it, or its name.
        options: what the device's class takes by keyword.

    Raises:
        DeviceError: no device or board has this name, or the device cannot be used here or lacks
            an option.
    """
    entries = _entries()
    if name not in entries:
        raise DeviceError(
            f"unknown device {name!r}: expected one of {', '.join(sorted(entries)) or 'none'};"
            " `fpga-rt devices` describes them"
        )
    obstacle = _describe(name, entries[name]).obstacle
    if obstacle:
        raise DeviceError(f"device {name} cannot be used here: {obstacle}")
    make: Callable[..., Device] = entries[name].load()
    _check_options(name, make, options)
    device = make(board, **options)
    device.open()
    return device


def _check_options(name: str, make: Callable[..., Device], options: Mapping[str, Any]) -> None:
    parameters = inspect.signature(make).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    offered = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in [p.name for p in parameters]:
            raise DeviceError(
                f"device {name} has no option {option}: it takes {', '.join(offered) or 'none'};"
                " leave it out or use another device"
            )


def _entries() -> Mapping[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise DeviceError(
                f"two packages offer a device {entry.name}: {other.value} and {entry.value};"
                " remove one"
            )
    return found


def _describe(name: str, entry: EntryPoint) -> DeviceEntry:
    try:
        found = entry.load()
    except (ImportError, AttributeError) as error:
        return DeviceEntry(name, entry.value, f"it does not import: {error}")
    description = (inspect.getdoc(found) or name).splitlines()[0]
    obstacle: Callable[[], str | None] | None = getattr(found, "obstacle", None)
    return DeviceEntry(name, description, obstacle() if obstacle else None)
