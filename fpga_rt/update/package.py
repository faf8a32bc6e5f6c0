"""The update package: one file that leads a device from one deployment to the next.

    header      24 bytes: magic (8), format version (4), length of the body as it stands (4) and
                expanded (4), length of the signature (4); little-endian
    body        a zlib stream (RFC 1950) of: length of the manifest (4); the manifest, `Package` in
                JSON with sorted keys and no spaces; the bytes of its changes
    key         what the signing key is called (8 bytes; zero when it is not signed)
    signature   over `DOMAIN`, header, body and key; empty when it is not signed

The signature is checked before anything behind the header is read, and nothing is expanded beyond
what the header says, nor beyond `LARGEST_BYTES`. A manifest has one form: what would be written
differently is refused, so two packages that mean the same are the same but for their compression.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import category

from fpga_rt.errors import ArtifactError, UpdateError
from fpga_rt.network import serialise
from fpga_rt.update.changes import Changes
from fpga_rt.update.documents import dump
from fpga_rt.update.signature import DOMAIN, KEY_ID_BYTES, PublicKey, Signer, check_signature

SUFFIX = ".fru"
MAGIC = b"\x89FRU\r\n\x1a\n"
FORMAT_VERSION = 1
HEADER = struct.Struct("<8sIIII")
LARGEST_BYTES = 64 << 20
"""Of a package, and of its body when it is expanded."""
LONGEST_NOTE = 200
LARGEST_VERSION = (1 << 63) - 1
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of Unicode that begin lines, reorder them or drive a terminal."""
_MANIFEST_LENGTH = struct.Struct("<I")
_AGAIN = "send it again, or make it again"


@dataclass(frozen=True)
class Package:
    """What a package says.

    Attributes:
        network: name of the network.
        board: board that it is compiled for.
        map_id: register map of the gateware that runs it.
        archive_version: format version of the archives that `base` and `target` stand for.
        version: of the network after the update; it only grows.
        base: SHA-256 trailer of the archive that the device must run, in hex.
        target: the same of the archive that it runs afterwards.
        vectors: SHA-256 of the test vectors' codes.
        outputs: SHA-256 of what the partitions must give for them.
        note: a line for people.
        changes: from base to target.
    """

    network: str
    board: str
    map_id: int
    archive_version: int
    version: int
    base: str
    target: str
    vectors: str
    outputs: str
    note: str
    changes: Changes


@dataclass(frozen=True, eq=False)
class Sealed:
    """A package whose lengths are right and of which nothing else is known."""

    message: bytes
    key_id: bytes
    signature: bytes

    def open(self, trusted: Sequence[PublicKey]) -> tuple[Package, bytes]:
        """Return the package and the bytes of its changes, once a trusted key has signed it.

        Raises:
            UpdateError: it is not signed, not by a trusted key, was changed, or is no package.
            ToolchainError: what verifies signatures is not installed.
        """
        check_signature(self.message, self.key_id, self.signature, trusted)
        return self.peek()

    def peek(self) -> tuple[Package, bytes]:
        """Return what the package says without checking who says it; for people to look at.

        Raises:
            UpdateError: it is no package.
        """
        _, _, _, expanded_bytes, _ = HEADER.unpack_from(self.message)
        content = _expand(self.message[HEADER.size : -KEY_ID_BYTES], expanded_bytes)
        (manifest_bytes,) = _MANIFEST_LENGTH.unpack_from(content)
        end = _MANIFEST_LENGTH.size + manifest_bytes
        manifest = content[_MANIFEST_LENGTH.size : end]
        if len(manifest) != manifest_bytes:
            raise _damaged(f"a manifest of {len(manifest)} bytes, expected {manifest_bytes}")
        return _decode(manifest), content[end:]


def encode(package: Package, data: bytes, signer: Signer) -> bytes:
    """Return a signed package.

    Raises:
        UpdateError: it would be too large, its note is too long, a text is not printable, or its
            version is out of range.
    """
    if not 0 < package.version <= LARGEST_VERSION:
        raise UpdateError(
            f"version {package.version}, expected one of 1 to {LARGEST_VERSION}; count on from what"
            " the device has: fpga-rt update status",
            "version",
        )
    problem = _unfit_text(package)
    if problem:
        raise UpdateError(f"{problem}; change the text and make the package again", "text")
    manifest = dump(serialise.encode(package)[0]).encode()
    content = _MANIFEST_LENGTH.pack(len(manifest)) + manifest + data
    body = zlib.compress(content, 9)
    if max(len(body), len(content)) > LARGEST_BYTES:
        raise UpdateError(
            f"the package would have {len(content)} bytes, expected at most {LARGEST_BYTES};"
            " install the new archive instead",
            "damaged",
        )
    return seal(body, len(content), signer)


def seal(body: bytes, expanded_bytes: int, signer: Signer) -> bytes:
    """Return a package with a body, signed as it is."""
    key = signer.public_key.identity
    signature_bytes = len(signer.sign(b""))
    header = HEADER.pack(MAGIC, FORMAT_VERSION, len(body), expanded_bytes, signature_bytes)
    message = header + body + key
    return message + signer.sign(DOMAIN + message)


def sealed(data: bytes) -> Sealed:
    """Take a package apart as far as its lengths go.

    Raises:
        UpdateError: it is no package, of another version, too large, truncated or too long.
    """
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise _damaged(
            f"it starts with {data[:8].hex(' ') or 'nothing'}, not with a package's magic"
        )
    if len(data) < HEADER.size:
        raise _damaged(f"it is truncated: {len(data)} bytes, expected a header of {HEADER.size}")
    _, version, body_bytes, expanded_bytes, signature_bytes = HEADER.unpack_from(data)
    if version != FORMAT_VERSION:
        raise UpdateError(
            f"the package has format version {version}, expected {FORMAT_VERSION}; make it with"
            " the version of fpga-rt that the device has",
            "contract",
        )
    if max(body_bytes, expanded_bytes, signature_bytes) > LARGEST_BYTES:
        raise _damaged(
            f"it says that it holds {body_bytes} bytes and {expanded_bytes} when expanded, at most"
            f" {LARGEST_BYTES} are taken"
        )
    end = HEADER.size + body_bytes + KEY_ID_BYTES
    if len(data) != end + signature_bytes:
        problem = "is truncated" if len(data) < end + signature_bytes else "goes on after its end"
        raise _damaged(f"it {problem}: {len(data)} bytes, expected {end + signature_bytes}")
    return Sealed(data[:end], data[end - KEY_ID_BYTES : end], data[end:])


def _expand(body: bytes, expanded_bytes: int) -> bytes:
    if expanded_bytes < _MANIFEST_LENGTH.size:
        raise _damaged(f"a body of {expanded_bytes} bytes when expanded")
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(body, expanded_bytes)
        # The end of the stream may lie behind its last byte: ask for one more.
        excess = stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error as error:
        raise _damaged(f"its body does not expand ({error})") from error
    if excess or not stream.eof or stream.unused_data or len(content) != expanded_bytes:
        raise _damaged(f"its body does not expand to {expanded_bytes} bytes exactly")
    return content


def _decode(manifest: bytes) -> Package:
    try:
        document = json.loads(manifest)
        package = serialise.decode(Package, document)
    except (ArtifactError, ValueError, RecursionError) as error:
        raise _damaged(f"its manifest is none ({error})") from error
    if dump(document).encode() != manifest:
        raise _damaged("its manifest is not in the form that packages are written in")
    if not 0 < package.version <= LARGEST_VERSION:
        raise _damaged(f"a version of {package.version}, expected one of 1 to {LARGEST_VERSION}")
    problem = _unfit_text(package)
    if problem:
        raise _damaged(problem)
    return package


def _unfit_text(package: Package) -> str:
    """Return what is wrong with the texts that people are shown; they could fake other lines."""
    if len(package.note) > LONGEST_NOTE:
        return f"a note of {len(package.note)} characters, expected at most {LONGEST_NOTE}"
    for name in ("note", "network", "board"):
        text: str = getattr(package, name)
        if any(category(letter) in _UNSHOWN for letter in text):
            return f"the {name} {text!a} has control characters, expected one printable line"
    return ""


def _damaged(problem: str) -> UpdateError:
    return UpdateError(
        f"this is no update package, or a damaged one: {problem}; {_AGAIN}", "damaged"
    )
