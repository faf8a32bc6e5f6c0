"""Accesses to mapped registers reach the stand-in: builds and installs `mapped_io.c`."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
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
        library = ctypes.CDLL(str(built), use_errno=True)
    library.mapped_io_add.argtypes = (ctypes.c_char_p, ctypes.c_uint64)
    return library


class MappedIo:
    """While installed, accesses to mappings of some files are accesses to a bus."""

    def __init__(self, bus: Path, mapped: Mapping[Path, int]) -> None:
        """Install it for files, each with the address of its first byte on the bus.

        Raises:
            OSError: a file cannot be opened.
        """
        for path, base in mapped.items():
            _check(_library().mapped_io_add(os.fsencode(path), base), path)
        _check(_library().mapped_io_install(os.fsencode(bus)), bus)

    def remove(self) -> None:
        """Bring back what was there before."""
        _library().mapped_io_remove()


def _check(result: int, path: Path) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(path))
