"""Where a Linux kernel offers what the device needs, and what its refusals mean.

Every path is below one root, `/` on a board.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fpga_rt.errors import DeviceError

MACHINE = {"7-series": "xlnx,zynq-7000", "UltraScale+": "xlnx,zynqmp"}
"""What the device tree of a family of FPGAs says the machine is compatible with."""

_ADVICE = {
    errno.EACCES: "run as root, or give this user the right to it",
    errno.EPERM: "run as root, or give this user the right to it",
    errno.ENOENT: "is its driver loaded, and is this the board's own kernel?",
    errno.ENOSPC: "make room: `rm /lib/firmware/fpgart_*.bin` removes staged bitstreams",
    errno.EROFS: "the file system is read-only: remount it with `mount -o remount,rw /`",
}


@dataclass(frozen=True)
class Kernel:
    """A kernel's interfaces below a root folder."""

    root: Path = Path("/")

    @property
    def fpga_manager(self) -> Path:
        """Folder of the vendor kernel's FPGA manager."""
        return self.root / "sys/class/fpga_manager/fpga0"

    @property
    def firmware(self) -> Path:
        """Folder in which the kernel looks for bitstreams."""
        return self.root / "lib/firmware"

    @property
    def memory(self) -> Path:
        """Physical memory as a file."""
        return self.root / "dev/mem"

    @property
    def lock(self) -> Path:
        """File that whoever has the FPGA locks."""
        return self.root / "run/fpga_rt.fpga0.lock"

    @property
    def firmware_registers(self) -> Path:
        """Registers that only the platform firmware of a Zynq UltraScale+ may write."""
        return self.root / "sys/firmware/zynqmp/config_reg"

    @property
    def compatible(self) -> tuple[str, ...]:
        """What the device tree says this machine is; empty where there is none."""
        file = self.root / "proc/device-tree/compatible"
        return tuple(file.read_text().rstrip("\0").split("\0")) if file.exists() else ()

    def named(self, kind: str, name: str) -> Path | None:
        """Return the device of a class (`uio`) whose file `name` holds a name."""
        for entry in self.listed(kind):
            if (entry / "name").read_text().strip() == name:
                return entry
        return None

    def listed(self, kind: str) -> list[Path]:
        """Return the devices of a class, sorted; none where the class does not exist."""
        folder = self.root / "sys/class" / kind
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def node(self, entry: Path) -> Path:
        """Return the device file of an entry of a class."""
        return self.root / "dev" / entry.name


@contextmanager
def reported(what: str, path: Path) -> Iterator[None]:
    """Raise the kernel's refusals inside as what they mean.

    Raises:
        DeviceError: an operation inside raised OSError.
    """
    try:
        yield
    except OSError as error:
        raise refusal(what, path, error) from error


def refusal(what: str, path: Path, error: OSError) -> DeviceError:
    """Return what a refusal of the kernel means; for where `reported` would take too long."""
    return DeviceError(f"cannot {what} {path}: {described(error)}")


def described(error: OSError) -> str:
    """Return the kernel's words for an error, its number's name, and what to do about it."""
    code = error.errno or 0
    words = f"{error.strerror} ({errno.errorcode.get(code, code)})"
    return f"{words}; {_ADVICE[code]}" if code in _ADVICE else words
