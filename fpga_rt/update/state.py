"""What a store knows: which version runs, which one before, which is on trial, whom it trusts.

The state is written to one of two files in turn, A and B, each time under a higher number. The file
that holds the higher number counts; if it is damaged the other one does, which is the state before.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace

from fpga_rt.deployment.model import digest
from fpga_rt.errors import ArtifactError, UpdateError
from fpga_rt.network import serialise
from fpga_rt.update.documents import dump
from fpga_rt.update.files import Files, writing
from fpga_rt.update.signature import PublicKey

SLOTS = ("state-a", "state-b")
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Version:
    """A version of the network: number, digest of its archive, digest of the archive's head."""

    number: int
    archive: str
    head: str


@dataclass(frozen=True)
class State:
    """The state of a store.

    Attributes:
        format_version: of the store.
        sequence: grows with every change.
        highest: the highest version that ever ran here; it survives rollback.
        active: what runs.
        previous: what ran before, to roll back to; none or one.
        trial: what is being tried; none or one.
        trusted: keys whose packages are taken.
        vectors: object that holds the codes of the test vectors.
        vectors_count: number of test vectors.
        quota_bytes: what objects and transfers may take together.
        event: what happened last, a line for people.
    """

    format_version: int
    sequence: int
    highest: int
    active: Version
    previous: tuple[Version, ...]
    trial: tuple[Version, ...]
    trusted: tuple[PublicKey, ...]
    vectors: str
    vectors_count: int
    quota_bytes: int
    event: str

    @property
    def versions(self) -> tuple[Version, ...]:
        """Every version that must be kept."""
        return (self.active, *self.previous, *self.trial)


class States:
    """The two files that hold the state of a store."""

    def __init__(self, files: Files) -> None:
        """Keep them in `files`."""
        self._files = files

    def exist(self) -> bool:
        """Tell whether there is a state, be it damaged."""
        return any(self._files.size(slot) is not None for slot in SLOTS)

    def read(self) -> tuple[State, ...]:
        """Return the state, and the one before where that is still there.

        Raises:
            UpdateError: there is no store, both files are damaged, or of another version; or the
                disk cannot read one, which may be the one that counts.
        """
        found = [state for slot in SLOTS if (state := self._read(slot)) is not None]
        if not found:
            problem = "both of its state files are damaged" if self.exist() else "it holds none"
            raise UpdateError(
                f"{self._files} is no update store: {problem}; make one: fpga-rt update install"
                " STORE BASE.frt --trust OWNER.pub",
                "store",
            )
        return tuple(sorted(found, key=lambda state: -state.sequence))

    def write(self, state: State) -> State:
        """Make a state the one that counts, under a number one higher; return it.

        Raises:
            UpdateError: the disk cannot take it; the one before counts, unless this one lasts.
        """
        state = replace(state, sequence=state.sequence + 1)
        slot = SLOTS[state.sequence % len(SLOTS)]
        text = dump(serialise.encode(state)[0])
        data = f"{text}\n{digest(text.encode())}\n".encode()
        with writing(self._files, len(data)):
            try:
                self._files.write(f"{slot}.new", data)
                self._files.sync(f"{slot}.new")
                self._files.rename(f"{slot}.new", slot)
                self._files.sync_folder("")
            except OSError:
                with suppress(OSError):
                    self._files.remove(f"{slot}.new")
                raise
        return state

    def _read(self, slot: str) -> State | None:
        """Return what a file holds, None if it is missing or damaged.

        Raises:
            UpdateError: it is of another version, or the disk cannot read it.
        """
        try:
            if self._files.size(slot) is None:
                return None
            data = self._files.read(slot)
        except OSError as error:
            raise UpdateError(
                f"the store {self._files} cannot read {slot} ({error.strerror or error}), which may"
                " say what runs; try again, and see that its disk can be read",
                "store",
            ) from error
        text, _, check = data.decode(errors="replace").partition("\n")
        if check != f"{digest(text.encode())}\n":
            return None
        document = json.loads(text)
        if document["format_version"] != FORMAT_VERSION:
            raise UpdateError(
                f"the store {self._files} has format version {document['format_version']}, expected"
                f" {FORMAT_VERSION}; use the fpga-rt that made it",
                "store",
            )
        try:
            return serialise.decode(State, document)
        except ArtifactError:
            return None
