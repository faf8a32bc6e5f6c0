"""Contents that an update sends whole, or names because the device has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fpga_rt.deployment.model import Deployment, digest
from fpga_rt.network.serialise import Content
from fpga_rt.update.documents import unfit

_BYTES = "bytes"
_TYPES: dict[str, np.dtype[np.generic]] = {
    _BYTES: np.dtype("u1"),
    "int8": np.dtype("i1"),
    "int32": np.dtype("<i4"),
}


@dataclass(frozen=True)
class Sent:
    """A content that is sent whole, or one that the base has, by name.

    `element_type` is `bytes` or that of an array; `sha256` is blank when the bytes are sent.
    """

    name: str
    element_type: str
    shape: tuple[int, ...]
    sha256: str = ""


def known_to(base: Deployment) -> dict[str, bytes]:
    """Return what a base has, by digest: what need not be sent."""
    rings = [ring for launch in base.launches for ring in launch.rings.values()]
    return {**base.bitstreams, **{digest(ring): ring for ring in rings}}


def send(
    contents: Sequence[tuple[str, Content]], known: Mapping[str, bytes]
) -> tuple[tuple[Sent, ...], bytes]:
    """Return a list of contents, and the bytes of those that are not known."""
    sent, parts = [], []
    for name, content in contents:
        if isinstance(content, bytes):
            element_type, shape, data = _BYTES, (len(content),), content
        else:
            element_type, shape = content.dtype.name, content.shape
            data = content.astype(content.dtype.newbyteorder("<")).tobytes()
        has = digest(data) if digest(data) in known else ""
        sent.append(Sent(name, element_type, shape, has))
        parts.append(b"" if has else data)
    return tuple(sent), b"".join(parts)


def receive(
    sent: Sequence[Sent], rest: memoryview, known: Mapping[str, bytes]
) -> tuple[dict[str, Content], memoryview]:
    """Return contents by name, and what is left of the bytes.

    Raises:
        UpdateError: the bytes do not fit the list, or something known is not.
    """
    found: dict[str, Content] = {}
    for entry in sent:
        kind = _TYPES.get(entry.element_type)
        if kind is None or any(n < 0 for n in entry.shape):
            raise unfit(f"{entry.name} of {entry.element_type} {entry.shape}")
        size = int(np.prod(entry.shape, dtype=object)) * kind.itemsize
        data = known.get(entry.sha256, b"") if entry.sha256 else bytes(rest[:size])
        if len(data) != size:
            raise unfit(f"{len(data)} bytes of {entry.name}, expected {size}")
        rest = rest if entry.sha256 else rest[size:]
        if entry.element_type == _BYTES:
            found[entry.name] = data
        else:
            array = np.frombuffer(data, kind).reshape(entry.shape)
            found[entry.name] = array.astype(array.dtype.newbyteorder("="))
    return found, rest
