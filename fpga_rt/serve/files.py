"""The files of the simulated board: some that its kernel answers, the rest in memory.

Nothing of the machine that the server runs on is read or written. As on a board, what one client
has put into /lib/firmware or /tmp is there for the others.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping

from fpga_rt.errors import DeviceError

FOLDERS = ("/lib/firmware/", "/tmp/")
"""Where files can be made."""
MOST_FILE_BYTES = 64 << 20
MOST_BYTES = 256 << 20
MOST_FILES = 1024
_LONGEST_PATH = 1024

Source = Callable[[], bytes]
Sink = Callable[[bytes], None]


class Files:
    """Paths, and what reading and writing them does."""

    def __init__(self, sources: Mapping[str, Source], sinks: Mapping[str, Sink]) -> None:
        """Offer files of the kernel.

        Args:
            sources: what reading such a file returns.
            sinks: what writing such a file does.
        """
        self._sources = dict(sources)
        self._sinks = dict(sinks)
        self._contents: dict[str, bytes] = {}

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or folder."""
        path = _normal(path)
        known = (*self._sources, *self._sinks, *self._contents, *FOLDERS)
        return any(one == path or one.startswith(f"{path.rstrip('/')}/") for one in known)

    def read(self, path: str) -> bytes:
        """Return the content of a file.

        Raises:
            DeviceError: there is none, or it can only be written.
        """
        path = _normal(path)
        if path in self._contents:
            return self._contents[path]
        if path in self._sources:
            return self._sources[path]()
        if path in self._sinks:
            raise DeviceError(f"{path} can only be written (EACCES)")
        raise DeviceError(
            f"the simulated board has no file {path} (ENOENT); it has"
            f" {', '.join(sorted(self._sources))}, and what was put into {' and '.join(FOLDERS)}"
        )

    def write(self, path: str, data: bytes) -> None:
        """Write a whole file.

        Raises:
            DeviceError: it cannot be written, is too large, or the kernel refuses what it says.
        """
        path = _normal(path)
        sink = self._sinks.get(path)
        if sink is not None:
            sink(data)
            return
        if path in self._sources or not path.startswith(FOLDERS):
            raise DeviceError(
                f"{path} cannot be written on the simulated board (EACCES); expected"
                f" {', '.join(sorted(self._sinks))}, or a file in {' or '.join(FOLDERS)}"
            )
        self._check_room(path, len(data))
        self._contents[path] = data

    def _check_room(self, path: str, size_bytes: int) -> None:
        others = {name: len(data) for name, data in self._contents.items() if name != path}
        used = sum(others.values())
        if size_bytes > MOST_FILE_BYTES or used + size_bytes > MOST_BYTES:
            raise DeviceError(
                f"{path}: no room for {size_bytes} bytes (ENOSPC), expected at most"
                f" {min(MOST_FILE_BYTES, MOST_BYTES - used)}; {used} of {MOST_BYTES} bytes are used"
            )
        if len(others) >= MOST_FILES:
            raise DeviceError(f"{path}: {MOST_FILES} files are there, expected fewer (ENOSPC)")


def _normal(path: str) -> str:
    """Return a path without `.`, `..` and double slashes.

    Raises:
        DeviceError: it is not absolute, or too long.
    """
    if not path.startswith("/") or len(path) > _LONGEST_PATH or "\0" in path:
        raise DeviceError(
            f"path {path[:80]!r}: expected an absolute one of at most {_LONGEST_PATH} characters"
        )
    return posixpath.normpath(path).replace("//", "/", 1)
