"""A full bitstream through PYNQ, which also sets clocks and port widths, by the .hwh beside it.

Ref: PYNQ, pynq.Overlay
Document: pynq/overlay.py, pynq/pl_server/embedded_device.py of 3.0.1 to 4.0.0: `Overlay(file,
device=...)` downloads; `EmbeddedDevice` is the board that it runs on; 4.0 dropped the Zynq-7000
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fpga_rt.errors import DeviceError

_FIRST_WITHOUT_ZYNQ_7000 = 4


def installed() -> str:
    """Return the version of PYNQ that is installed, empty for none."""
    try:
        return version("pynq")
    except PackageNotFoundError:
        return ""


def unable(found: str, family: str) -> str | None:
    """Return why a version of PYNQ, empty for none, drives no board of a family, else None."""
    if not found:
        return "PYNQ is not installed"
    if family == "7-series" and int(found.partition(".")[0]) >= _FIRST_WITHOUT_ZYNQ_7000:
        return f"PYNQ {found} knows no Zynq-7000, 3.1 does"
    return None


def obstacle(bit: Path, family: str) -> str | None:
    """Return why PYNQ cannot load a file into a board of a family, None when it can."""
    if bit.suffix != ".bit" or not bit.with_suffix(".hwh").exists():
        return f"no {bit.with_suffix('.hwh').name} beside {bit.name}"
    return unable(installed(), family)


def load(bit: Path) -> str:
    """Load a .bit with its .hwh into the board that this runs on; return PYNQ's version.

    Raises:
        DeviceError: PYNQ sees no such board, or fails.
    """
    what = f"PYNQ {version('pynq')}"
    try:
        from pynq import Device, Overlay

        here = [one for one in Device.devices if type(one).__name__ == "EmbeddedDevice"]
        if here:
            Overlay(str(bit.resolve()), device=here[0])
    except Exception as error:  # PYNQ raises whatever meets it, bare Exception too
        raise DeviceError(
            f"{what} could not load {bit}: {type(error).__name__}: {error}; load it with PYNQ alone"
            " to see more, or give the device the bitstream's bytes, which PYNQ is not asked for"
        ) from error
    if not here:
        raise DeviceError(
            f"{what} sees no board here to load {bit} into; unset PYNQ_REMOTE_DEVICES, and set up"
            " XRT as the board's image does, or give the device the bitstream's bytes"
        )
    return what
