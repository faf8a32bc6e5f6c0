"""What the monitors of a top module have found."""

from __future__ import annotations

from typing import Any


def fault(dut: Any) -> str:  # noqa: ANN401  # cocotb
    """Return the channels that were unknown or unstable since the last reset, empty if none."""
    flags = (dut.unknown.value, dut.unstable.value)
    if all(flag.is_resolvable and not int(flag) for flag in flags):
        return ""
    return ", ".join(
        f"{watch._name.removeprefix('watch_')} was {flag}"
        for watch in dut
        if watch._name.startswith("watch_")
        for flag in ("unknown", "unstable")
        if getattr(watch, flag).value != 0
    )
