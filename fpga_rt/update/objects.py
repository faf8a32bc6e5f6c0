"""Contents on a disk under their SHA-256: each is there once, and whole, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fpga_rt.deployment.model import digest
from fpga_rt.errors import UpdateError
from fpga_rt.update.files import Files, writing

FOLDER = "objects"
_UNFINISHED = "writing-"


class Objects:
    """The contents in a store."""

    def __init__(self, files: Files) -> None:
        """Keep them in a folder of `files`."""
        self._files = files

    @property
    def size_bytes(self) -> int:
        """What all of them take."""
        return sum(self._files.size(_path(name)) or 0 for name in self._files.names(FOLDER))

    def missing_bytes(self, contents: Iterable[bytes]) -> int:
        """Return what `put` would write of contents."""
        new = {digest(data): len(data) for data in contents}
        return sum(n for name, n in new.items() if self._files.size(_path(name)) is None)

    def put(self, contents: Collection[bytes]) -> None:
        """Write those contents that are not there whole; all of them last when it returns.

        Raises:
            UpdateError: the disk cannot take them.
        """
        for data in contents:
            with writing(self._files, len(data)):
                self._put(data)
        with writing(self._files, sum(map(len, contents))):
            self._files.sync_folder(FOLDER)

    def _put(self, data: bytes) -> None:
        name = digest(data)
        path = _path(name)
        if self._files.size(path) == len(data) and self._files.read(path) == data:
            # What a process that was killed has left is seen, and may not last yet.
            self._files.sync(path)
            return
        unfinished = _path(_UNFINISHED + name)
        self._files.write(unfinished, data)
        self._files.sync(unfinished)
        self._files.rename(unfinished, path)

    def get(self, name: str) -> bytes:
        """Return a content.

        Raises:
            UpdateError: it is missing, or not what its name says; or the disk cannot read it, which
                says nothing of what lies there.
        """
        try:
            data = self._files.read(_path(name))
        except FileNotFoundError as error:
            problem = error.strerror or str(error)
        except OSError as error:
            raise UpdateError(
                f"the store {self._files} cannot read object {name} ({error.strerror or error}),"
                " which may be whole; try again, and see that its disk can be read",
                "store",
            ) from error
        else:
            if digest(data) == name:
                return data
            problem = f"its SHA-256 is {digest(data)}"
        raise UpdateError(
            f"the store {self._files} is damaged: object {name} cannot be used ({problem}); roll"
            " back, or install the network again in another folder",
            "store",
        )

    def keep(self, names: Collection[str]) -> int:
        """Remove every other content, and what was left half-written; return the bytes freed."""
        freed = 0
        for name in self._files.names(FOLDER):
            if name not in names:
                freed += self._files.size(_path(name)) or 0
                self._files.remove(_path(name))
        if freed:
            self._files.sync_folder(FOLDER)
        return freed


def _path(name: str) -> str:
    return f"{FOLDER}/{name}"
