"""What modules take of the fabric, as their gateware was synthesised.

The figures are estimates by an open synthesiser, without placement, for 7 series; those for
UltraScale+ are beside them in the file. `python -m hw.synthesis` writes it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from fpga_rt.arch.resources import Resources
from fpga_rt.errors import ToolchainError

FAMILY = "xc7"
"""7 series: the smaller devices, and the one for which the synthesiser fills the DSP slices."""


def synthesised(name: str) -> Resources:
    """Return what the design called `name` takes.

    Raises:
        ToolchainError: it was not synthesised.
    """
    figures = _designs().get(name, {}).get(FAMILY)
    if figures is None:
        raise ToolchainError(
            f"no synthesis figures of {name}; run `python -m hw.synthesis {name}`, or set the"
            " `resources` of a module from elsewhere"
        )
    return Resources(figures["lut"], figures["dsp"], figures["bram36"])


@cache
def _designs() -> dict[str, dict[str, Any]]:
    """Return all figures, by design."""
    file = resources.files("fpga_rt.modules").joinpath("data").joinpath("synthesis.json")
    found: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["designs"]
    return found
