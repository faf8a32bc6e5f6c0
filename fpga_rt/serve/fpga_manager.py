"""The kernel's fpga_manager as Xilinx's Linux has it: `flags`, `firmware` and `state`.

Ref: linux-xlnx, drivers/fpga/fpga-mgr.c and zynq-fpga.c
Document: `flags` is hexadecimal and stays until it is written again; a name written to `firmware`
is looked up in /lib/firmware and programmed; `state` says how far that got

The real drivers take what they are given. This one takes only what the device could take: words in
the driver's order, for this FPGA, intact, of the kind that `flags` says, and for a region that
there is.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from fpga_rt.bitstream.convert import check_intact
from fpga_rt.bitstream.read import parse
from fpga_rt.errors import ArtifactError, DeviceError, FpgaRtError

FOLDER = "/sys/class/fpga_manager/fpga0"
FIRMWARE_FOLDER = "/lib/firmware"
PARTIAL_FLAG = 1

Program = Callable[[bytes, bool], None]
"""Programs a .bin file, full or partial; raises what is wrong with it."""


class State(Enum):
    """What `state` reads."""

    UNKNOWN = "unknown"
    OPERATING = "operating"
    NO_FIRMWARE = "firmware request error"
    REFUSED = "write init error"
    FAILED = "write error"


class FpgaManager:
    """`fpga0` of the simulated board."""

    def __init__(self, name: str, lookup: Callable[[str], bytes], program: Program) -> None:
        """Be as after boot: the logic operates, with the design of the boot.

        Args:
            name: of the driver.
            lookup: returns a file by its path, or raises `DeviceError`.
            program: what brings a checked file into the device.
        """
        self.name = name
        self.state = State.OPERATING
        self.flags = 0
        self._lookup = lookup
        self._program = program

    def read_name(self) -> bytes:
        """Return what `name` reads."""
        return f"{self.name}\n".encode()

    def read_state(self) -> bytes:
        """Return what `state` reads."""
        return f"{self.state.value}\n".encode()

    def read_flags(self) -> bytes:
        """Return what `flags` reads: a hexadecimal number."""
        return f"{self.flags:x}\n".encode()

    def write_flags(self, data: bytes) -> None:
        """Take a hexadecimal number.

        Raises:
            DeviceError: it is none, or asks for what is not simulated.
        """
        text = data.decode("ascii", "replace").strip()
        try:
            flags = int(text, 16)
        except ValueError:
            flags = -1
        if flags & ~PARTIAL_FLAG:
            raise DeviceError(
                f"{FOLDER}/flags: got {text[:20]!r}, expected 0 (full) or 1 (partial);"
                " encrypted bitstreams are not simulated"
            )
        self.flags = flags

    def write_firmware(self, data: bytes) -> None:
        """Program the file of that name.

        Raises:
            DeviceError: there is no such file.
            FpgaRtError: it cannot be programmed; `state` says where it ended.
        """
        name = data.decode("utf-8", "replace").strip("\n\0")
        try:
            content = self._lookup(_path(name))
        except DeviceError as error:
            self.state = State.NO_FIRMWARE
            raise DeviceError(f"{FOLDER}/firmware: {error}") from error
        self.program(content, bool(self.flags & PARTIAL_FLAG), name)

    def program(self, content: bytes, partial: bool, name: str) -> None:
        """Program a .bin file.

        Raises:
            FpgaRtError: it cannot be programmed; `state` says where it ended.
        """
        try:
            _check(content, partial)
        except ArtifactError as error:
            self.state = State.REFUSED
            raise ArtifactError(f"fpga_manager refused {name}: {error}") from error
        try:
            self._program(content, partial)
        except FpgaRtError:
            self.state = State.FAILED
            raise
        self.state = State.OPERATING


def _path(name: str) -> str:
    if not name or name.startswith("/") or ".." in name.split("/"):
        raise DeviceError(f"{name[:80]!r} is no name of a file in {FIRMWARE_FOLDER}")
    return f"{FIRMWARE_FOLDER}/{name}"


def _check(content: bytes, partial: bool) -> None:
    """Check what needs no device: words in the driver's order, whole, of the kind asked for."""
    stream = parse(content)
    if stream.origin_bytes or not stream.swapped:
        got = "a .bit file with its header" if stream.origin_bytes else "big-endian words"
        raise ArtifactError(
            f"no sync word 66 55 99 AA: got {got}, expected words with their bytes reversed, as in"
            " a .bin for fpga_manager; `fpga-rt bitstream convert` makes one"
        )
    check_intact(stream)
    kinds = ("partial" if partial else "full", stream.kind)
    if kinds[0] != kinds[1]:
        raise ArtifactError(
            f"`flags` says {kinds[0]}, and the bitstream is {kinds[1]}; write"
            f" {int(stream.kind == 'partial')} to {FOLDER}/flags for this one"
        )
