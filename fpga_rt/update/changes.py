"""What changed from one deployment to another: rows of parameters, few numbers, or a program.

A network is a document and its arrays (`fpga_rt.network.serialise`). Where only parameters changed
the document is the same but for single numbers (a scale, a zero point), and every array has its
shape, so rows are sent. Where the structure changed, the whole document and whole arrays are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from fpga_rt.deployment.model import Deployment, digest
from fpga_rt.network import serialise
from fpga_rt.network.graph import Network
from fpga_rt.network.serialise import Content, Json
from fpga_rt.update.contents import Sent, known_to, receive, send
from fpga_rt.update.documents import dump, leaves, load, unfit, with_values
from fpga_rt.update.program import Program, assemble, program_of
from fpga_rt.update.rows import Array, decode_rows, encode_rows


@dataclass(frozen=True)
class Value:
    """A number, text or truth value in a document: its place, and what it is, in JSON."""

    place: str
    json: str


@dataclass(frozen=True)
class Changes:
    """What a package says of the target, besides the bytes.

    Attributes:
        values: numbers of the network's document that differ from the base's.
        rows: positions of the arrays of which rows are sent, among the network's arrays.
        network: the network's document in JSON, where its structure changed; else empty.
        arrays: arrays of a network whose structure changed.
        program: the program's document in JSON, where it changed; else empty.
        contents: rings and bitstreams of a program that changed.
    """

    values: tuple[Value, ...] = ()
    rows: tuple[int, ...] = ()
    network: str = ""
    arrays: tuple[Sent, ...] = ()
    program: str = ""
    contents: tuple[Sent, ...] = ()

    @property
    def parameters_only(self) -> bool:
        """Whether the program stays, so that a parameter bank takes the whole update."""
        return not self.program


def difference(base: Deployment, target: Deployment) -> tuple[Changes, bytes]:
    """Return the changes that lead from one deployment to another, and their bytes."""
    known = known_to(base)
    document, arrays = serialise.encode(target.network)
    old_document, old_arrays = serialise.encode(base.network)
    old_values, values = dict(leaves(old_document)), dict(leaves(document))
    if _shapes(old_arrays) == _shapes(arrays) and old_values.keys() == values.keys():
        changed = [Value(at, value) for at, value in values.items() if old_values[at] != value]
        both = zip(old_arrays, arrays, strict=True)
        pairs = [(cast("Array", a), cast("Array", b)) for (_, a), (_, b) in both]
        differing = [i for i, (a, b) in enumerate(pairs) if not np.array_equal(a, b)]
        changes = Changes(values=tuple(changed), rows=tuple(differing))
        data = b"".join(encode_rows(*pairs[i]) for i in differing)
    else:
        sent, data = send(arrays, known)
        changes = Changes(network=dump(document), arrays=sent)
    program, contents = serialise.encode(program_of(target))
    if _fingerprint(program, contents) == _fingerprint(*serialise.encode(program_of(base))):
        return changes, data
    sent, more = send(contents, known)
    return replace(changes, program=dump(program), contents=sent), data + more


def apply(base: Deployment, changes: Changes, data: bytes) -> Deployment:
    """Return the deployment that changes lead to.

    Raises:
        UpdateError: the bytes do not fit the changes, or the changes do not fit the base.
        FpgaRtError: what they lead to is no deployment.
    """
    rest, known = memoryview(data), known_to(base)
    if changes.network:
        arrays, rest = receive(changes.arrays, rest, known)
        document = load(changes.network)
    else:
        arrays, document, rest = _changed(base.network, changes, rest)
    network = serialise.decode(Network, document, arrays)
    program = program_of(base)
    if changes.program:
        contents, rest = receive(changes.contents, rest, known)
        program = serialise.decode(Program, load(changes.program), contents)
    if rest:
        raise unfit(f"{len(rest)} bytes too many")
    return assemble(program, network)


def _changed(
    base: Network, changes: Changes, rest: memoryview
) -> tuple[dict[str, Content], Json, memoryview]:
    """Return the base's arrays and document with the values and rows that changed."""
    document, contents = serialise.encode(base)
    if list(changes.rows) != sorted(set(changes.rows)) or not all(
        0 <= i < len(contents) for i in changes.rows
    ):
        raise unfit(f"rows of arrays {list(changes.rows)[:9]}, the base has {len(contents)}")
    arrays = dict(contents)
    for index in changes.rows:
        name = contents[index][0]
        arrays[name], used = decode_rows(cast("Array", arrays[name]), rest)
        rest = rest[used:]
    places = dict(leaves(document))
    for value in changes.values:
        if value.place not in places:
            raise unfit(f"a value at {value.place}, which the base does not have")
    new = {value.place: value.json for value in changes.values}
    return arrays, with_values(document, new), rest


def _shapes(arrays: Sequence[tuple[str, Content]]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(n, a.dtype.name, a.shape) for n, a in arrays if not isinstance(a, bytes)]


def _fingerprint(document: Json, contents: Sequence[tuple[str, Content]]) -> str:
    parts = [dump(document), *(digest(bytes(data)) for _, data in contents)]
    return digest("\n".join(parts).encode())
