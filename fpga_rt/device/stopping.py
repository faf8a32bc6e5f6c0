"""Stop what a static region runs: it writes to memory that somebody else may be given next."""

from __future__ import annotations

import time
from typing import Protocol

from fpga_rt.contract.static_region import STATIC_REGION, ConfigurationState, partition_register
from fpga_rt.errors import DeviceError

DRAIN_S = 1.0
"""How long what was aborted may take to end: bursts of some KiB through a memory that is shared."""
_POLL_S = 50e-6
_ABORT = {"program": "doorbell", "load": "configuration_control"}
"""Register with `abort`, by what is stopped."""
_RUNNING = {
    "program": ("sequencer_status", "busy", 1),
    "load": ("configuration_status", "state", int(ConfigurationState.RUNNING)),
}
"""Register, field and value that say that something runs, by its kind."""


class Window(Protocol):
    """The registers of a static region."""

    def read(self, offset: int) -> int:
        """Return the word at a byte offset."""

    def write(self, offset: int, value: int) -> None:
        """Set the word at a byte offset."""


def is_static_region(window: Window) -> bool:
    """Tell whether the registers are those of this version's map: nothing else is to be stopped."""
    return window.read(STATIC_REGION["map_id"].offset) == STATIC_REGION.map_id


def stop(window: Window, *kinds: str) -> None:
    """Abort a `program` or a `load` of the controller, and wait for the end of all.

    Raises:
        DeviceError: it goes on all the same.
    """
    for kind in kinds:
        register = STATIC_REGION[_ABORT[kind]]
        window.write(register.offset, register.pack(abort=1))
    for kind in kinds:
        drain(window, kind)


def drain(window: Window, kind: str) -> None:
    """Wait until the `program` or the `load` that was aborted has ended: bursts go on a while.

    Raises:
        DeviceError: it has not.
    """
    name, field, running = _RUNNING[kind]
    deadline = time.monotonic() + DRAIN_S
    while _fields(window, name)[field] == running:
        if time.monotonic() > deadline:
            raise DeviceError(
                f"the {kind} was aborted and did not end in {DRAIN_S:g} s: {name}.{field} is"
                f" still {running}; load the static region again"
            )
        time.sleep(_POLL_S)


def isolate(window: Window, partition: int) -> None:
    """Decouple a partition and wait for its transactions.

    Raises:
        DeviceError: they do not end.
    """
    control = STATIC_REGION[partition_register(partition, "control")]
    window.write(control.offset, control.pack(decouple=1))
    status = partition_register(partition, "status")
    deadline = time.monotonic() + DRAIN_S
    while not all(_fields(window, status)[name] for name in ("decoupled", "quiescent")):
        if time.monotonic() > deadline:
            raise DeviceError(
                f"partition {partition} was decoupled and is not quiescent after {DRAIN_S:g} s;"
                " load the static region again"
            )
        time.sleep(_POLL_S)


def _fields(window: Window, name: str) -> dict[str, int]:
    register = STATIC_REGION[name]
    return register.unpack(window.read(register.offset))
