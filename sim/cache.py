"""Built files, kept by the hash of everything that they were made from.

An entry is a folder with one file and its SHA-256; it appears by a rename, so a reader sees all of
it or nothing, and an entry whose file has changed is made again. A lock for each entry keeps two
processes from making the same one at the same time.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "FPGA_RT_CACHE"
_DIGEST = "sha256"

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return where built files are kept: $FPGA_RT_CACHE, or `build/sim` of the repository."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen) if chosen else Path(__file__).resolve().parents[1] / "build" / "sim"


def identity(inputs: Iterable[str | bytes]) -> str:
    """Return the hash of a sequence of inputs as 32 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in inputs:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]


def cached(
    name: str, file: str, inputs: Iterable[str | bytes], make: Callable[[Path], None]
) -> Path:
    """Return a built file, making it if the cache does not hold it whole.

    Args:
        name: what people call it; part of the folder's name.
        file: name of the file.
        inputs: everything that it is made from: sources, flags, versions of tools.
        make: makes the file in the folder it is given; what else it leaves there is dropped.

    Raises:
        ToolchainError: `make` raises it.
    """
    entry = cache_folder() / f"{name}-{identity(inputs)}"
    if _whole(entry, file):
        return entry / file
    entry.parent.mkdir(parents=True, exist_ok=True)
    with _locked(entry.with_name(f".{entry.name}.lock")):
        if not _whole(entry, file):
            _make(entry, file, make)
    return entry / file


def _make(entry: Path, file: str, make: Callable[[Path], None]) -> None:
    _log.info("building %s", entry.name)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".making-", dir=entry.parent) as folder:
        work, finished = Path(folder, "work"), Path(folder, "finished")
        work.mkdir()
        finished.mkdir()
        make(work)
        (work / file).rename(finished / file)
        (finished / _DIGEST).write_text(_hash(finished / file), encoding="ascii")
        if entry.exists():
            entry.rename(Path(folder, "damaged"))
        finished.rename(entry)
    _log.info("built %s in %.1f s", entry.name, time.monotonic() - began)


def _whole(entry: Path, file: str) -> bool:
    try:
        return (entry / _DIGEST).read_text(encoding="ascii") == _hash(entry / file)
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # goes with the file, also when the process dies
        yield
