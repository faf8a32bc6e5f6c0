"""Reports of a self-check that was never made."""

from __future__ import annotations

import json
from typing import Any

FIGURES = {
    "port.icap.rate": (390_500_000, "bytes/s"),
    "port.icap.setup": (3.5, "us"),
    "dram.latency": (230, "ns"),
    "dram.rate": (800_000_000, "bytes/s"),
    "dram.shared_rate": (1_600_000_000, "bytes/s"),
    "swap.software": (212, "us"),
}


def figure(name: str, value: float, unit: str, **changes: object) -> dict[str, Any]:
    """Return a figure as plain data."""
    texts = {
        "clock": "wall",
        "origin": "measured",
        "command": "fpga-rt selfcheck --device pynq --json",
        "board": "pynq-z2",
    }
    return {"name": name, "value": value, "unit": unit, **texts, **changes}


def report(*names: str, **changes: object) -> dict[str, Any]:
    """Return a report with some of `FIGURES`, all unless named, as plain data."""
    chosen = names or tuple(FIGURES)
    return {
        "format": "fpga-rt selfcheck",
        "version": 1,
        "board": "pynq-z2",
        "device": "pynq",
        "measured": "2026-11-20",
        "figures": [figure(name, *FIGURES[name]) for name in chosen],
        **changes,
    }


def text(*names: str, **changes: object) -> str:
    """Return the same as the text of a file."""
    return json.dumps(report(*names, **changes))
