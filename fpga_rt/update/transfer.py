"""A package on its way to a device: what has come stays, so an interrupted transfer goes on."""

from __future__ import annotations

import hashlib

from fpga_rt.errors import UpdateError
from fpga_rt.update.files import Files, writing

INCOMING = "incoming"


class Transfer:
    """One package, known by its SHA-256 and length before its first byte has come."""

    def __init__(self, files: Files, sha256: str, size_bytes: int) -> None:
        """Go on behind what is there already; `Store.transfer` makes these.

        Raises:
            UpdateError: the digest is none, or the length is out of range.
        """
        if len(sha256) != 64 or set(sha256) - set("0123456789abcdef") or size_bytes < 1:
            raise UpdateError(
                f"a transfer of {size_bytes} bytes with SHA-256 {sha256[:64]!r}, expected at least"
                " one byte and 64 hexadecimal digits in lower case",
                "damaged",
            )
        self.sha256 = sha256
        self.size_bytes = size_bytes
        self._files = files
        self._path = f"{INCOMING}/{sha256}"
        self.offset = files.size(self._path) or 0
        """Where the next bytes belong."""
        self._lasts = False
        if self.offset > size_bytes:
            self._restart()

    @property
    def missing_bytes(self) -> int:
        """What has not come yet."""
        return self.size_bytes - self.offset

    def write(self, data: bytes) -> None:
        """Take the bytes at `offset`; they last when it returns.

        Raises:
            UpdateError: there are more than the package has, and nothing is taken; or the disk
                cannot take them, and `offset` says how far it came.
        """
        if len(data) > self.missing_bytes:
            raise UpdateError(
                f"{len(data)} bytes at {self.offset} of a package of {self.size_bytes}, expected at"
                f" most {self.missing_bytes}; send the package that was announced",
                "damaged",
            )
        try:
            with writing(self._files, len(data)):
                self._files.append(self._path, data)
                self._files.sync(self._path)
                if not self._lasts:  # a process that was killed may have made the file
                    self._files.sync_folder(INCOMING)
        finally:
            self.offset = self._files.size(self._path) or 0
        self._lasts = True

    def finish(self) -> bytes:
        """Return the package once all of it has come.

        Raises:
            UpdateError: bytes are missing, or it is another one; then it is removed, to begin anew.
        """
        if self.missing_bytes:
            raise UpdateError(
                f"the package is not complete: {self.offset} bytes of {self.size_bytes} have come;"
                f" send it on from byte {self.offset}",
                "damaged",
            )
        data = self._files.read(self._path)
        got = hashlib.sha256(data).hexdigest()
        if got != self.sha256:
            self._restart()
            raise UpdateError(
                f"the package that came has SHA-256 {got}, expected {self.sha256}; send it again"
                " from its start",
                "damaged",
            )
        return data

    def discard(self) -> None:
        """Remove what has come."""
        self._restart()

    def _restart(self) -> None:
        self._files.remove(self._path)
        self.offset, self._lasts = 0, False
