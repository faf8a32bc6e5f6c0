"""A disk that loses power: what was not synced is gone, or there in part, or out of order.

It keeps what `Files` promises and nothing more. Bytes of a file last from its `sync` on, names in a
folder from its `sync_folder` on; a rename is one change. What was done since may last or not, and
`survivors` gives disks that show what a real one may look like afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

Names = dict[str, int | None]
"""Files by path; None for a folder."""


class PowerCutError(BaseException):
    """Power is gone; nothing that handles errors may catch it."""


@dataclass
class _Bytes:
    """The bytes of a file: as last synced, and as programs see them."""

    synced: bytes = b""
    seen: bytes = b""


def _half(file: _Bytes) -> bytes:
    return file.seen if file.seen == file.synced else file.seen[: len(file.seen) // 2]


def _zeros(file: _Bytes) -> bytes:
    return file.seen if file.seen == file.synced else bytes(len(file.seen))


_RULES: dict[str, tuple[float, Callable[[_Bytes], bytes]]] = {
    "nothing more": (0.0, lambda file: file.synced),
    "everything": (1.0, lambda file: file.seen),
    "names without bytes": (1.0, lambda file: file.synced),
    "bytes without names": (0.0, lambda file: file.seen),
    "torn bytes": (1.0, _half),
    "zeros": (1.0, _zeros),
}
"""What lasts of what was not synced: the share of names, and the bytes of a file."""


@dataclass
class Disk:
    """Files in memory; the step of number `fails_at` is the last one.

    Attributes:
        fails_at: number of the step (from 0) in which power goes; never if None.
        torn: that step still writes the first half of its bytes.
        steps: how many there were.
    """

    fails_at: int | None = None
    torn: bool = False
    steps: int = 0
    files: dict[int, _Bytes] = field(default_factory=dict)
    named: Names = field(default_factory=dict)
    synced: Names = field(default_factory=dict)
    pending: list[Names] = field(default_factory=list)
    """Changes of names since their folders were synced, in order."""

    def __str__(self) -> str:
        return "disk"

    def copy(self, fails_at: int | None = None, torn: bool = False) -> Disk:
        """Return a disk with the same content, all of it synced."""
        content = {
            path: self.read(path) for path, number in self.named.items() if number is not None
        }
        folders = [path for path, number in self.named.items() if number is None]
        return _disk(content, folders, fails_at, torn)

    def content(self) -> dict[str, bytes]:
        """Return every file."""
        return {path: self.read(path) for path, number in self.named.items() if number is not None}

    def read(self, path: str) -> bytes:
        number = self.named.get(path)
        if number is None:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.files[number].seen

    def size(self, path: str) -> int | None:
        number = self.named.get(path)
        return None if number is None else len(self.files[number].seen)

    def names(self, folder: str) -> list[str]:
        found = (path for path, number in self.named.items() if number is not None)
        return sorted(path.split("/")[-1] for path in found if _folder(path) == folder)

    def make_folder(self, folder: str) -> None:
        self._step()
        if folder and folder not in self.named:
            self._rename({folder: None})

    def write(self, path: str, data: bytes) -> None:
        self._put(path, b"", data)

    def append(self, path: str, data: bytes) -> None:
        self._put(path, self.read(path) if self.named.get(path) is not None else b"", data)

    def sync(self, path: str) -> None:
        self._step()
        number = self.named[path]
        assert number is not None
        self.files[number].synced = self.files[number].seen

    def sync_folder(self, folder: str) -> None:
        self._step()
        for change in self.pending:
            if {_folder(path) for path in change} == {folder}:
                _apply(self.synced, change)
        self.pending = [c for c in self.pending if {_folder(p) for p in c} != {folder}]

    def rename(self, old: str, new: str) -> None:
        self._step()
        self._rename({old: -1, new: self.named[old]})

    def remove(self, path: str) -> None:
        self._step()
        if path in self.named:
            self._rename({path: -1})

    def lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    def survivors(self, seeds: int = 3) -> Iterator[tuple[str, Disk]]:
        """Yield what may be left after power was lost, by name."""
        for name, (share, rule) in _RULES.items():
            kept = {number: rule(file) for number, file in self.files.items()}
            yield name, self._left(share, kept, random.Random(0))
        for seed in range(seeds):
            chance = random.Random(seed)
            kept = {n: chance.choice([f.synced, f.seen]) for n, f in self.files.items()}
            yield f"random {seed}", self._left(0.5, kept, chance)

    def _left(self, share: float, kept: dict[int, bytes], chance: random.Random) -> Disk:
        """Return a disk on which a share of the names' changes, and some bytes, have lasted."""
        names = dict(self.synced)
        for change in self.pending:
            if chance.random() < share:
                _apply(names, change)
        content = {path: kept[number] for path, number in names.items() if number is not None}
        return _disk(content, [path for path, number in names.items() if number is None])

    def _put(self, path: str, before: bytes, data: bytes) -> None:
        number = self.named.get(path)
        if number is None:
            self._step()  # the name and the bytes are two steps
            number = len(self.files)
            self.files[number] = _Bytes()
            self._rename({path: number})
        self.files[number].seen = before
        try:
            self._step()
        except PowerCutError:
            if self.torn:
                self.files[number].seen = before + data[: len(data) // 2]
            raise
        self.files[number].seen = before + data

    def _rename(self, change: Names) -> None:
        _apply(self.named, change)
        self.pending.append(change)

    def _step(self) -> None:
        if self.fails_at is not None and self.steps >= self.fails_at:
            raise PowerCutError
        self.steps += 1


def _apply(names: Names, change: Names) -> None:
    """Set names; -1 removes one."""
    for path, number in change.items():
        if number == -1:
            names.pop(path, None)
        else:
            names[path] = number


def _disk(
    content: dict[str, bytes], folders: list[str], fails_at: int | None = None, torn: bool = False
) -> Disk:
    disk = Disk(fails_at, torn)
    for path, data in content.items():
        disk.files[len(disk.files)] = _Bytes(data, data)
        disk.named[path] = len(disk.files) - 1
    disk.named |= dict.fromkeys(folders)
    disk.synced = dict(disk.named)
    return disk


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
