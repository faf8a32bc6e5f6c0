"""The versions of a network on a device: what runs, what ran before, and what may come next.

A version is an archive, taken apart into contents that versions share. Its parts are on the disk,
synced, before the state names them, and the state changes by one rename; so whenever power fails,
the device comes back with the version before or with the one after, whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from fpga_rt.deployment import archive
from fpga_rt.deployment.model import Deployment, digest
from fpga_rt.errors import ArtifactError, UpdateError
from fpga_rt.update import state
from fpga_rt.update.admission import Candidate, check, rebuild
from fpga_rt.update.files import DiskFiles, Files, writing
from fpga_rt.update.objects import FOLDER, Objects
from fpga_rt.update.package import LARGEST_BYTES, LARGEST_VERSION, sealed
from fpga_rt.update.signature import PublicKey
from fpga_rt.update.state import State, States, Version
from fpga_rt.update.transfer import INCOMING, Transfer
from fpga_rt.update.vectors import Codes, generated

_log = logging.getLogger(__name__)

QUOTA_ARCHIVES = 4
"""What a store may take unless it is told otherwise, in lengths of the archive it begins with."""


class Store:
    """A folder of versions; every method leaves it whole, wherever it is interrupted.

    What changes it takes no lock of its own: call it within `changing`, which keeps others away.
    """

    def __init__(self, files: Files | Path | str) -> None:
        """Open a store.

        Raises:
            UpdateError: there is none, it is damaged, or of another version.
        """
        self._files = _files(files)
        self._objects = Objects(self._files)
        self._states = States(self._files)
        self._states.read()
        self._decoded: tuple[str, Deployment] | None = None

    @staticmethod
    def install(
        files: Files | Path | str,
        deployment: Deployment,
        trusted: Sequence[PublicKey],
        version: int = 1,
        vectors: Codes | None = None,
        quota_bytes: int | None = None,
    ) -> Store:
        """Make a store that begins with a deployment; this is the one step that takes no signature.

        Args:
            files: an empty folder, or one that does not exist.
            deployment: the first version.
            trusted: keys whose packages the device takes.
            version: its number.
            vectors: input codes (N, H, W, C) that every update is tried with; made up unless given.
            quota_bytes: what all versions may take; `QUOTA_ARCHIVES` archives unless given.

        Raises:
            UpdateError: there is a store, no key is trusted, a number is out of range, or the disk
                cannot take it.
        """
        files = _files(files)
        if States(files).exist():
            raise UpdateError(
                f"{files} holds an update store already; choose another folder, or update it:"
                " fpga-rt update apply",
                "store",
            )
        if not trusted or not 0 < version <= LARGEST_VERSION:
            raise UpdateError(
                f"a store of version {version} that trusts {len(trusted)} keys, expected a version"
                f" of 1 to {LARGEST_VERSION} and at least one key: nothing else could update it",
                "store",
            )
        codes = generated(deployment.network) if vectors is None else vectors
        *contents, trailer = archive.encode(deployment)
        parts = [b"".join(contents[:2]), *contents[2:], codes.tobytes()]
        size_bytes = sum(map(len, parts))
        first = State(
            format_version=state.FORMAT_VERSION,
            sequence=0,
            highest=version,
            active=Version(version, trailer.hex(), digest(parts[0])),
            previous=(),
            trial=(),
            trusted=tuple(trusted),
            vectors=digest(parts[-1]),
            vectors_count=len(codes),
            quota_bytes=quota_bytes or QUOTA_ARCHIVES * size_bytes,
            event=f"version {version} was installed",
        )
        if size_bytes > first.quota_bytes:
            raise UpdateError(
                f"the first version needs {size_bytes} bytes, the store may take"
                f" {first.quota_bytes}; install with a higher --quota",
                "quota",
            )
        _write_first(files, parts, first)
        return Store(files)

    @property
    def state(self) -> State:
        """What the store knows.

        Raises:
            UpdateError: it is damaged.
        """
        return self._states.read()[0]

    @property
    def size_bytes(self) -> int:
        """What versions and transfers take."""
        parts = (self._files.size(f"{INCOMING}/{n}") or 0 for n in self._files.names(INCOMING))
        return self._objects.size_bytes + sum(parts)

    def deployment(self, version: Version | None = None) -> Deployment:
        """Return the deployment of a version, the active one unless given; every byte is checked.

        Raises:
            UpdateError: a part of it is missing or damaged.
        """
        version = version or self.state.active
        if self._decoded is None or self._decoded[0] != version.archive:
            head = self._objects.get(version.head)
            contents = [self._objects.get(name) for name in archive.content_digests(head)]
            whole = b"".join([head, *contents, bytes.fromhex(version.archive)])
            try:
                self._decoded = version.archive, archive.decode(whole)
            except ArtifactError as error:
                raise UpdateError(
                    f"version {version.number} in {self._files} {error}", "store"
                ) from error
        return self._decoded[1]

    @property
    def vectors(self) -> Codes:
        """Input codes (N, H, W, C) that every update is tried with.

        Raises:
            UpdateError: they are missing or damaged.
        """
        found, network = self.state, self.deployment().network
        data = np.frombuffer(self._objects.get(found.vectors), np.int8)
        return data.reshape(found.vectors_count, *network.tensors[network.input].shape)

    def transfer(self, sha256: str, size_bytes: int) -> Transfer:
        """Begin to take a package, or go on where an earlier transfer of it ended.

        What is left of other transfers is removed, so nobody else may change the store meanwhile:
        call it, and send, within `changing`.

        Raises:
            UpdateError: it would be too large for the store.
        """
        if size_bytes > LARGEST_BYTES:
            raise UpdateError(
                f"the package has {size_bytes} bytes, expected at most {LARGEST_BYTES}; install the"
                " new archive in another folder instead",
                "quota",
            )
        for name in self._files.names(INCOMING):
            if name != sha256:
                self._files.remove(f"{INCOMING}/{name}")
        self._find_room("the package", size_bytes, lambda: self._objects.size_bytes)
        return Transfer(self._files, sha256, size_bytes)

    def admit(self, data: bytes) -> Candidate:
        """Return what a package leads to, once it is shown to be an update of what runs here.

        Nothing is written.

        Raises:
            UpdateError: the package is refused; `reason` says why.
            ToolchainError: what verifies signatures is not installed.
        """
        found = self.state
        package, changed = sealed(data).open(found.trusted)
        base = self.deployment(found.active)
        check(package, base, found, self.vectors)
        return rebuild(package, changed, base, len(data))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep other processes from changing the store; what a power cut left over is tidied first.

        Raises:
            UpdateError: another process is at it.
        """
        with self._files.lock():
            found = self.state
            if found.trial:
                self._states.write(
                    replace(
                        found,
                        trial=(),
                        event=f"version {found.trial[0].number} was on trial when the device"
                        f" stopped: version {found.active.number} stays",
                    )
                )
                with suppress(OSError, UpdateError):  # what stays there takes room, no more
                    self._make_room()
            yield

    def stage(self, candidate: Candidate) -> None:
        """Put a candidate on the disk and note that it is on trial; call it within `changing`.

        Raises:
            UpdateError: it is no update of what is active, takes more than the quota, or the disk
                cannot take it.
        """
        found = self.state
        check(candidate.package, self.deployment(found.active), found, self.vectors)
        needed = self._objects.missing_bytes(candidate.parts)
        self._find_room("the new version", needed, lambda: self.size_bytes)
        number = candidate.package.version
        try:
            self._objects.put(candidate.parts)
            self._states.write(
                replace(found, trial=(candidate.version,), event=f"version {number} is on trial")
            )
        except UpdateError:
            self._tidy()
            raise

    def commit(self, candidate: Candidate) -> None:
        """Make a staged candidate the active version; the one before stays for a rollback.

        Call it within the same `changing` as `stage`.

        Raises:
            UpdateError: it is not on trial, or the disk cannot take the state, or cannot sync what
                it has taken: then the state says which version is active.
        """
        found = self.state
        version, number = candidate.version, candidate.package.version
        if found.trial != (version,):
            raise UpdateError(
                f"version {number} is not on trial in {self._files}; stage it first", "store"
            )
        self._states.write(
            replace(
                found,
                active=version,
                previous=(found.active,),
                trial=(),
                highest=max(found.highest, number),
                event=f"version {number} replaced version {found.active.number}",
            )
        )
        self._tidy()

    def abandon(self, why: str) -> None:
        """Give the version on trial up; what was active stays; call it within `changing`.

        Raises:
            UpdateError: the disk fails; the next `changing` gives it up all the same.
        """
        found = self.state
        if not found.trial:
            return
        number = found.trial[0].number
        self._states.write(replace(found, trial=(), event=f"version {number} was refused: {why}"))
        self._make_room()

    def earlier(self) -> Version:
        """Return the version that `rollback` would go back to.

        Raises:
            UpdateError: there is none.
        """
        found = self.state
        if not found.previous:
            raise UpdateError(
                f"version {found.active.number} in {self._files} has none before it to roll back"
                " to; send an update with a higher version",
                "store",
            )
        return found.previous[0]

    def rollback(self) -> Version:
        """Make the version before active again and return it; no number may be used twice.

        Call it within `changing`.

        Raises:
            UpdateError: there is none, or a part of it is missing or damaged.
        """
        found, version = self.state, self.earlier()
        self.deployment(version)
        self._states.write(
            replace(
                found,
                active=version,
                previous=(),
                event=f"version {found.active.number} was rolled back to {version.number}",
            )
        )
        self._tidy()
        return version

    def collect(self) -> int:
        """Remove what no version needs; return the bytes freed.

        Call it within `changing`: what another process is about to stage is garbage until then.
        Nothing is removed while a version's head, which says what it needs, cannot be read or is
        damaged: what a disk once read wrongly may be whole.

        Raises:
            UpdateError: the disk fails, or a head cannot be used; every version is there all the
                same.
        """
        keep: set[str] = set()
        for found in self._states.read():
            keep.add(found.vectors)
            for version in found.versions:
                keep |= self._names(version)
        try:
            return self._objects.keep(keep)
        except OSError as error:
            raise UpdateError(
                f"the store {self._files} cannot remove what no version needs"
                f" ({error.strerror or error}), which takes room until the next change; see that"
                " its disk can be written",
                "store",
            ) from error

    def _tidy(self) -> None:
        """Collect garbage behind a change that lasts: a disk that refuses does not undo it."""
        try:
            self.collect()
        except UpdateError as error:
            _log.warning("%s", error)

    def _find_room(self, what: str, size_bytes: int, taken: Callable[[], int]) -> None:
        """See to it that something fits beside what is taken.

        Raises:
            UpdateError: it takes more than the quota, even after all that can go has gone.
        """
        quota_bytes = self.state.quota_bytes
        if taken() + size_bytes > quota_bytes:
            self._make_room()
        if taken() + size_bytes > quota_bytes:
            raise UpdateError(
                f"{what} needs {size_bytes} bytes beside {taken()}, the store may take"
                f" {quota_bytes}, which is fixed; send a smaller update, or install the network"
                " again in another folder with a higher --quota",
                "quota",
            )

    def _make_room(self) -> None:
        """Remove what the state does not name; the one before it is written over if it does."""
        newest, *before = self._states.read()
        if any(set(older.versions) - set(newest.versions) for older in before):
            self._states.write(newest)
        self.collect()

    def _names(self, version: Version) -> set[str]:
        """Return the objects of a version.

        Raises:
            UpdateError: its head, which names them, cannot be used.
        """
        try:
            head = self._objects.get(version.head)
        except UpdateError as error:
            raise UpdateError(
                f"nothing is removed, for nobody knows what version {version.number} needs:"
                f" {error}",
                "store",
            ) from error
        return {version.head, *archive.content_digests(head)}


def _files(place: Files | Path | str) -> Files:
    """Return the files of a store in a folder, which need not be there.

    Raises:
        UpdateError: it is a file.
    """
    if not isinstance(place, (Path, str)):
        return place
    folder = Path(place)
    if folder.exists() and not folder.is_dir():
        raise UpdateError(
            f"{place} is a file, expected the folder of an update store; name the folder, or make"
            " one: fpga-rt update install STORE BASE.frt --trust OWNER.pub",
            "store",
        )
    return DiskFiles(folder)


def _write_first(files: Files, parts: Sequence[bytes], first: State) -> None:
    """Make the folders and files of a store; it is one once its state is there."""
    with writing(files, sum(map(len, parts))):
        for folder in ("", FOLDER, INCOMING):
            files.make_folder(folder)
        files.sync_folder("")
    Objects(files).put(parts)
    States(files).write(first)
