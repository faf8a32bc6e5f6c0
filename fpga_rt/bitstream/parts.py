"""Tells which device the part in the header of a .bit file is.

Vivado writes the part with its package, and for the 7-series without `xc` or a dash:
`7z020clg400`, `xczu7ev-ffvc1156-2-e`, `xck26-sfvc784-2LV-c`. Automotive and defence parts (`xa`,
`xq`) are the same silicon, and so are the CG, EG and EV variants of a Zynq UltraScale+, which share
an IDCODE.
"""

from __future__ import annotations

import re

from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import SERIES7

_MAKER = re.compile(r"^x[caq]")
_VARIANT = re.compile(r"^(zu\d+)[ce][gv]$")


def names_device(part: str, device: Device) -> bool:
    """Tell whether the part in a header is one of a device."""
    name, stem = _stem(device.name), _stem(part.partition("-")[0])
    if device.family is SERIES7 and stem.startswith(name):
        stem = name if stem[len(name) :][:1].isalpha() else stem
    return stem == name


def _stem(name: str) -> str:
    """Return the name of a device without its maker's prefix, grade and processor variant."""
    return _VARIANT.sub(r"\1", _MAKER.sub("", name.lower()))
