"""The archive: one deployment in one file, in which no flipped byte stays unnoticed.

    header     24 bytes: magic (8), format version (4), length of the manifest (4), length of the
               whole file (8); little-endian
    manifest   JSON in UTF-8, keys sorted, indented: `deployment` holds every dataclass of
               `fpga_rt.deployment.model` (see `fpga_rt.network.serialise`), `contents` says for
               each parameter block, ring, bitstream and array where its bytes lie after the
               manifest (`offset_bytes`, `size_bytes`), their SHA-256, and element type and shape
    contents   one after another; equal contents are there once
    trailer    SHA-256 of everything before it (32 bytes)

The magic's first byte is not ASCII and its end holds both kinds of line ending, so a transfer in
text mode is noticed (the idea is PNG's, RFC 2083 section 3.1).

How the format may grow. Header and trailer stay as they are for ever, so every reader can tell a
damaged file from one of another version. The version grows by one with every change that gives a
deployment other bytes: a key more or less in the manifest, a dataclass's field, the meaning of a
number, an element type. A reader reads the one version that it writes and refuses the others by
name: a deployment is made from a model file in seconds, so converters would be code for nobody.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.deployment.model import FORMAT_VERSION, Deployment, digest
from fpga_rt.errors import ArtifactError
from fpga_rt.network import serialise
from fpga_rt.network.serialise import Content, Json

SUFFIX = ".frt"
MAGIC = b"\x89FRT\r\n\x1a\n"
HEADER = struct.Struct("<8sIIQ")
TRAILER_BYTES = 32

_BYTES = "bytes"
"""Element type of a content that is no array."""
_ELEMENT_TYPES: dict[str, np.dtype[np.generic]] = {
    _BYTES: np.dtype("u1"),
    "int8": np.dtype("i1"),
    "int32": np.dtype("<i4"),
}
_MANIFEST_KEYS = {"contents", "deployment", "format_version"}
_COMPILE = "fpga-rt compile MODEL --board BOARD -o DEPLOYMENT.frt"
_RENEW = "copy it again, or compile the model again"
_FOREIGN = (
    (b"PK\x03\x04", "looks like a zip file (PyTorch and NumPy write such)"),
    (b"\x93NUMPY", "looks like a NumPy array"),
    (MAGIC[:4], "looks like an archive that a transfer in text mode changed"),
    (b"{", "looks like JSON"),
)
"""First bytes of other files that may be mixed up with an archive, and what to call them."""


@dataclass(frozen=True)
class Entry:
    """Where a content lies after the manifest, its SHA-256 in hex, element type and shape."""

    offset_bytes: int
    size_bytes: int
    sha256: str
    element_type: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Contents:
    """The manifest's table of contents, by name."""

    contents: Mapping[str, Entry]


def write(deployment: Deployment, path: str | os.PathLike[str]) -> None:
    """Write an archive: whole, or not at all; a file that was there stays until it is replaced.

    Equal deployments give equal bytes.

    Raises:
        ArtifactError: the file cannot be written, or a block or bitstream that the
            deployment names is missing or not what its digest says.
    """
    write_atomically(path, encode(deployment))


def encode(deployment: Deployment) -> list[bytes]:
    """Return the parts of an archive: header, manifest, every content once, and the trailer.

    Equal deployments give equal parts, so the trailer is a deployment's identity.

    Raises:
        ArtifactError: a block or bitstream that the deployment names is missing or not what its
            digest says.
    """
    _check_references(deployment)
    document, contents = serialise.encode(deployment)
    parts = _parts(document, contents)
    trailer = hashlib.sha256()
    for part in parts:
        trailer.update(part)
    return [*parts, trailer.digest()]


def decode(data: bytes) -> Deployment:
    """Return the deployment that the bytes of an archive hold; see `read`.

    Raises:
        ArtifactError: they are no archive, of another version, or damaged.
    """
    _check_length(data)
    view = memoryview(data)
    _check_trailer(view)
    return _decode(view)


def content_digests(head: bytes) -> list[str]:
    """Return the SHA-256 of every content of an archive in order, from its header and manifest.

    Contents of no bytes are left out.

    Raises:
        ArtifactError: the manifest is damaged.
    """
    manifest, _ = _manifest(memoryview(head))
    table = serialise.decode(Contents, {"contents": manifest["contents"]})
    filled = {e.offset_bytes: e.sha256 for e in table.contents.values() if e.size_bytes}
    return [filled[offset] for offset in sorted(filled)]


def read(path: str | os.PathLike[str]) -> Deployment:
    """Read an archive and check it whole: length, trailer, version, every content's digest.

    Arrays are read-only.

    Raises:
        ArtifactError: there is no such file, it is no archive, of another version, or damaged.
    """
    path = Path(path)
    try:
        return decode(_load(path))
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error


def _check_references(deployment: Deployment) -> None:
    named = {**deployment.blocks, **deployment.bitstreams}
    for name, content in named.items():
        if digest(content) != name:
            _refuse_reference("content", name, f"has digest {digest(content)}")
    for launch in deployment.launches:
        for step in launch.steps:
            for block in (*step.weights, *step.tables):
                got = len(deployment.blocks.get(block.digest, b""))
                if block.digest not in deployment.blocks or got != block.size_bytes:
                    problem = f"has {got} bytes, expected {block.size_bytes}"
                    _refuse_reference(f"a block of layer {step.layer}", block.digest, problem)
    for (partition, module), bitstream in deployment.loads.items():
        if bitstream not in deployment.bitstreams:
            what = f"the bitstream of {module} for partition {partition}"
            _refuse_reference(what, bitstream, "is missing")


def _refuse_reference(what: str, name: str, problem: str) -> NoReturn:
    raise ArtifactError(
        f"deployment: {what}, {name}, {problem}; compile the model again, and report this if it"
        " fails again"
    )


def _parts(document: Json, contents: Iterable[tuple[str, Content]]) -> list[bytes]:
    """Return header, manifest and contents of an archive."""
    entries: dict[str, Entry] = {}
    stored: dict[str, bytes] = {}
    places: dict[str, int] = {}
    end = 0
    for name, content in contents:
        data, element_type, shape = _flatten(content)
        key = digest(data)
        if key not in stored:
            stored[key], places[key] = data, end
            end += len(data)
        entries[name] = Entry(places[key], len(data), key, element_type, shape)
    table, _ = serialise.encode(Contents(entries))
    manifest = _dump({"format_version": FORMAT_VERSION, "deployment": document, **table})
    file_bytes = HEADER.size + len(manifest) + end + TRAILER_BYTES
    header = HEADER.pack(MAGIC, FORMAT_VERSION, len(manifest), file_bytes)
    return [header, manifest, *stored.values()]


def _dump(manifest: Mapping[str, Json]) -> bytes:
    return (json.dumps(manifest, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def _flatten(content: Content) -> tuple[bytes, str, tuple[int, ...]]:
    """Return a content's bytes (little-endian), element type and shape."""
    if isinstance(content, bytes):
        return content, _BYTES, (len(content),)
    data = content.astype(_ELEMENT_TYPES[content.dtype.name]).tobytes()
    return data, content.dtype.name, content.shape


def _load(path: Path) -> bytes:
    """Return the bytes of a file that starts with the magic."""
    try:
        return _load_regular(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(f"no such file; make it first: {_COMPILE}") from error
    except OSError as error:
        raise ArtifactError(f"cannot be read, {error.strerror}; check its permissions") from error


def _load_regular(path: Path) -> bytes:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise ArtifactError(f"is {what}, expected a deployment archive; make it: {_COMPILE}")
    with path.open("rb") as file:
        _check_magic(path, file.read(HEADER.size))
        file.seek(0)
        return file.read()


def _check_magic(path: Path, head: bytes) -> None:
    if not head:
        raise ArtifactError(f"is empty, expected a deployment archive; make it: {_COMPILE}")
    if MAGIC.startswith(head[: len(MAGIC)]):
        return
    model = _model_format(path, head)
    if model:
        likeness = f"looks like {model}"
        advice = f"compile it first: fpga-rt compile {path} --board BOARD -o {path.stem}{SUFFIX}"
    else:
        likeness = next((what for mark, what in _FOREIGN if head.startswith(mark)), "is unknown")
        advice = "name another file, or copy this one again"
    raise ArtifactError(
        f"is not a deployment archive but {likeness} (starts with {head[:8].hex(' ')}, expected"
        f" {MAGIC.hex(' ')}); {advice}"
    )


def _model_format(path: Path, head: bytes) -> str | None:
    """Return which model format a file's first bytes are of.

    The sources are the file identifier in TensorFlow Lite's schema.fbs, and field 1 (the format's
    version) of ModelProto in onnx.proto, which ONNX files start with.
    """
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model"
    if path.suffix == ".onnx" or (head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x3a", b"\x42")):
        return "an ONNX model"
    return None


def _check_length(data: bytes) -> None:
    expected = HEADER.size + TRAILER_BYTES
    if len(data) >= HEADER.size:
        expected = max(expected, HEADER.unpack_from(data)[-1])
    if len(data) != expected:
        problem = "truncated" if len(data) < expected else "corrupt"
        raise ArtifactError(f"is {problem}, got {len(data)} bytes, expected {expected}; {_RENEW}")


def _check_trailer(data: memoryview) -> None:
    """Check the digest of everything; if it is wrong, find out which part is damaged.

    Raises:
        ArtifactError: the digest is wrong.
    """
    if hashlib.sha256(data[:-TRAILER_BYTES]).digest() == data[-TRAILER_BYTES:]:
        return
    manifest, base = _manifest(data)
    _contents(manifest, data, base)
    raise ArtifactError(
        f"is corrupt in its header (bytes 0 to {HEADER.size - 1}), its manifest (to {base - 1}) or"
        f" its trailer (the last {TRAILER_BYTES} bytes); {_RENEW}"
    )


def _check_version(data: memoryview) -> None:
    _, version, _, _ = HEADER.unpack_from(data)
    if version == FORMAT_VERSION:
        return
    advice = "compile the model again with this fpga-rt"
    if version > FORMAT_VERSION:
        advice = f"upgrade (pip install --upgrade fpga-rt), or {advice}"
    raise ArtifactError(f"has format version {version}, expected {FORMAT_VERSION}; {advice}")


def _decode(data: memoryview) -> Deployment:
    _check_version(data)
    manifest, base = _manifest(data)
    contents = _contents(manifest, data, base)
    return serialise.decode(Deployment, manifest["deployment"], contents)


def _manifest(data: memoryview) -> tuple[dict[str, Json], int]:
    """Return the manifest and the offset of its end, where the contents start."""
    _, _, size_bytes, _ = HEADER.unpack_from(data)
    base = HEADER.size + size_bytes
    try:
        manifest = json.loads(bytes(data[HEADER.size : base]))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"is corrupt in its manifest (bytes {HEADER.size} to {base - 1}), {error}; {_RENEW}"
        ) from error
    if not isinstance(manifest, dict) or manifest.keys() != _MANIFEST_KEYS:
        raise ArtifactError(
            f"is corrupt in its manifest (bytes {HEADER.size} to {base - 1}), expected the keys"
            f" {sorted(_MANIFEST_KEYS)}; {_RENEW}"
        )
    return manifest, base


def _contents(manifest: dict[str, Json], data: memoryview, base: int) -> dict[str, Content]:
    """Return every content by name, each checked against its digest."""
    table = serialise.decode(Contents, {"contents": manifest["contents"]})
    return {name: _content(name, entry, data, base) for name, entry in table.contents.items()}


def _content(name: str, entry: Entry, data: memoryview, base: int) -> Content:
    start = base + entry.offset_bytes
    found = bytes(data[start : start + entry.size_bytes])
    if digest(found) != entry.sha256:
        raise ArtifactError(
            f"is corrupt in {name} (bytes {start} to {start + entry.size_bytes - 1}), SHA-256"
            f" {digest(found)}, expected {entry.sha256}; {_RENEW}"
        )
    if entry.element_type == _BYTES:
        return found
    try:
        array = np.frombuffer(found, _ELEMENT_TYPES[entry.element_type]).reshape(entry.shape)
    except (LookupError, ValueError) as error:
        raise ArtifactError(
            f"is corrupt in {name}, {len(found)} bytes are no {entry.element_type} {entry.shape};"
            f" {_RENEW}"
        ) from error
    return array.astype(array.dtype.newbyteorder("="), copy=False)
