"""Plain files in the place of a board's kernel: nothing happens when they are written.

They lie where the kernel's do, in a mount namespace of the process's own, so that PYNQ finds them
without being changed. What is timed on them is the software in front of the kernel and no more.
"""

from __future__ import annotations

import shutil
from pathlib import Path

ENTER = (
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
    'mount -t tmpfs none /sys && mount -t tmpfs none /lib/firmware && exec "$@"',
    "sh",
)
"""Starts a command in such a namespace."""
MANAGER = Path("/sys/class/fpga_manager/fpga0")
FIRMWARE = Path("/lib/firmware")


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    if shutil.which(ENTER[0]) is None:
        return "unshare is missing: apt-get install util-linux"
    if not FIRMWARE.is_dir():
        return f"no folder {FIRMWARE} to mount over: mkdir {FIRMWARE}"
    return None


def lay_out() -> None:
    """Make the files of an FPGA manager, in the namespace of `ENTER`."""
    MANAGER.mkdir(parents=True)
    for name, content in (("state", "operating\n"), ("flags", "0\n"), ("firmware", "")):
        (MANAGER / name).write_text(content)
    (MANAGER / "name").write_text("plain files\n")


def loaded() -> bytes:
    """Return the content of the file that was asked for last."""
    return (FIRMWARE / (MANAGER / "firmware").read_text()).read_bytes()
