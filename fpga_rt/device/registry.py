"""Find and open the devices that are installed: this package's own and those of others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from fpga_rt.arch.boards import Board
from fpga_rt.device.diagnosis import Diagnosis, Finding
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
    entry = _entry(name)
    obstacle = _describe(name, entry).obstacle
    if obstacle:
        raise DeviceError(f"device {name} cannot be used here: {obstacle}")
    make: Callable[..., Device] = entry.load()
    _check_options(name, make, options)
    device = make(board, **options)
    device.open()
    return device


def diagnose(name: str, board: Board) -> Diagnosis:
    """Return what a device finds of what it needs, without opening it.

    Args:
        name: one of `devices()`.
        board: that is meant.

    Raises:
        DeviceError: no device has this name.
    """
    entry = _entry(name)
    described = _describe(name, entry)
    found: tuple[Finding, ...] = ()
    try:
        look: Callable[[Board], Iterable[Finding]] | None = getattr(entry.load(), "diagnose", None)
        found = tuple(look(board)) if look else ()
    except (ImportError, AttributeError):
        pass  # the obstacle says so
    except Exception as error:  # noqa: BLE001 - one device's fault must not hide the others
        remedy = "report it to the package that offers the device"
        found = (Finding("diagnosis", f"{type(error).__name__}: {error}", remedy),)
    return Diagnosis(name, described.description, described.obstacle, found)


def _entry(name: str) -> EntryPoint:
    entries = _entries()
    if name not in entries:
        raise DeviceError(
            f"unknown device {name!r}: expected one of {', '.join(sorted(entries)) or 'none'};"
            " `fpga-rt devices` describes them"
        )
    return entries[name]


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
