"""Accesses to mapped registers reach the stand-in: builds and installs `mapped_io.c`."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

_SOURCE = Path(__file__).with_name("mapped_io.c")


def compiler() -> str | None:
    """Return the C compiler there is: `CC` of the environment, else the system's."""
    return shutil.which(os.environ.get("CC", "cc"))


@cache
def _library() -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "mapped_io.so"
        command = [compiler() or "cc", "-O1", "-shared", "-fPIC", "-o", str(built), str(_SOURCE)]
        subprocess.run(command, check=True)
        return ctypes.CDLL(str(built), use_errno=True)


class MappedIo:
    """While installed, accesses to mappings of one file are accesses to another."""

    def __init__(self, mapped: Path, bus: Path) -> None:
        """Install it.

        Raises:
            OSError: a file cannot be opened.
        """
        if _library().mapped_io_install(os.fsencode(mapped), os.fsencode(bus)):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(mapped))

    def remove(self) -> None:
        """Bring back what was there before."""
        _library().mapped_io_remove()
