"""Fuzz what a device takes for an update: mutate packages and see that none is let through.

    python -m benchmarks.update_mutations --count 100000 [--start N]

Mutation number N is the same in every run but for the keys, so a run may be cut anywhere and go on
with `--start`. Packages are signed with Ed25519 and given to the store of a device, whose disk
refuses to be written.

What counts. A package is *refused* when `Store.admit` raises UpdateError. What nobody but the owner
can have made (changed after signing, signed by somebody else or not at all), what is older, for
another base, board, network or register map, and what is cut short must be refused. The owner may
sign nonsense, too: then a package may be *accepted* only where it is whole after all, which means
that it leads to exactly the archive that it names, from the one that the device runs. Anything else
that is accepted, any other exception, any write to the disk, more than a second of processor time,
or more than 1 GB is a failure.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.update_networks import BOARD, changed_network, small_network
from fpga_rt.arch.boards import board
from fpga_rt.deployment import archive
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import UpdateError
from fpga_rt.planner.compile import compile_network
from fpga_rt.update.documents import dump
from fpga_rt.update.ed25519 import PrivateKey
from fpga_rt.update.files import DiskFiles
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.package import HEADER, LARGEST_BYTES, seal, sealed
from fpga_rt.update.signature import KEY_ID_BYTES
from fpga_rt.update.store import Store

LONGEST_S = 1.0
LARGEST_MEMORY_BYTES = 1 << 30
_LENGTH_BYTES = 4
_PROGRESS = 10_000


class _ReadOnly(DiskFiles):
    """A disk that nothing may be written to."""

    def _refuse(self, *arguments: object) -> None:
        raise AssertionError(f"the store was written to: {arguments[:1]}")

    make_folder = write = append = sync = sync_folder = rename = remove = _refuse  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Scene:
    """A device, and what its owner and a stranger have."""

    store: Store
    owner: PrivateKey
    stranger: PrivateKey
    base: Deployment
    target: Deployment
    packages: tuple[bytes, ...]
    """The owner's for this device: parameters that changed a little, and throughout."""
    others: tuple[bytes, ...]
    """The owner's that must be refused: older, from another base, for another board or network."""

    @staticmethod
    def make(folder: Path) -> Scene:
        """Return a device that went from version 1 to version 5."""
        owner, stranger = PrivateKey.generate(), PrivateKey.generate()
        first = compile_network(small_network(), board(BOARD), 2)
        base = make_target(first, changed_network(first.network, 1)).deployment
        target = make_target(base, changed_network(base.network, 2)).deployment
        store = Store.install(folder, first, [owner.public_key])
        past = make_package(first, base, 5, owner)
        with store.changing():
            candidate = store.admit(past)
            store.stage(candidate)
            store.commit(candidate)
        named = replace(base.network, name="another")
        other = compile_network(named, board(BOARD), 2)
        kria = compile_network(base.network, board("kv260"), 2)
        old = replace(base, map_id=base.map_id ^ 1)
        return Scene(
            Store(_ReadOnly(folder)),
            owner,
            stranger,
            base,
            target,
            (
                make_package(base, target, 6, owner),
                make_package(base, first, 9, owner, note="back"),
            ),
            (
                past,
                make_package(base, target, 5, owner),
                make_package(first, target, 6, owner),
                make_package(target, first, 6, owner),
                make_package(other, make_target(other, target.network).deployment, 6, owner),
                make_package(kria, make_target(kria, target.network).deployment, 6, owner),
                make_package(old, target, 6, owner),
            ),
        )

    def identity(self) -> str:
        """Return the digest of the archive that the device runs."""
        return archive.encode(self.base)[-1].hex()


Mutation = Callable[[random.Random, Scene], bytes]


def _one(chance: random.Random, scene: Scene) -> bytearray:
    return bytearray(chance.choice(scene.packages))


def _flip(chance: random.Random, scene: Scene) -> bytes:
    data = _one(chance, scene)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _overwrite(chance: random.Random, scene: Scene) -> bytes:
    data = _one(chance, scene)
    start, size = chance.randrange(len(data)), chance.choice((1, 4, 32, 300))
    data[start : start + size] = chance.randbytes(len(data[start : start + size]))
    return bytes(data)


def _header(chance: random.Random, scene: Scene) -> bytes:
    data = _one(chance, scene)
    value = chance.choice((0, 1, LARGEST_BYTES, 0xFFFF_FFFF, chance.getrandbits(32)))
    place = 8 + 4 * chance.randrange(4)
    data[place : place + 4] = value.to_bytes(4, "little")
    return bytes(data)


def _truncate(chance: random.Random, scene: Scene) -> bytes:
    data = _one(chance, scene)
    return bytes(data[: chance.randrange(len(data))])


def _extend(chance: random.Random, scene: Scene) -> bytes:
    data = _one(chance, scene)
    return bytes(data) + chance.choice((b"\0", chance.randbytes(9), bytes(data)))


def _splice(chance: random.Random, scene: Scene) -> bytes:
    first, second = _one(chance, scene), chance.choice((*scene.packages, *scene.others))
    return bytes(first[: chance.randrange(len(first))]) + second[chance.randrange(len(second)) :]


def _move(chance: random.Random, scene: Scene) -> bytes:
    data = _one(chance, scene)
    start, size = chance.randrange(len(data)), chance.choice((1, 4, 40))
    part = data[start : start + size]
    del data[start : start + size]
    place = chance.randrange(len(data))
    data[place:place] = part
    return bytes(data)


def _unsigned(chance: random.Random, scene: Scene) -> bytes:
    data = _one(chance, scene)
    envelope = sealed(bytes(data))
    data = bytearray(envelope.message)
    data[HEADER.size - 4 : HEADER.size] = bytes(4)
    if chance.random() < 0.5:
        data[-KEY_ID_BYTES:] = bytes(KEY_ID_BYTES)
    return bytes(data)


def _by_a_stranger(chance: random.Random, scene: Scene) -> bytes:
    envelope = sealed(bytes(_one(chance, scene)))
    body = envelope.message[HEADER.size : -KEY_ID_BYTES]
    data = seal(body, len(zlib.decompress(body)), scene.stranger)
    if chance.random() < 0.5:  # under the owner's name
        end = HEADER.size + len(body)
        data = data[:end] + envelope.key_id + data[end + KEY_ID_BYTES :]
    return data


def _another_signature(chance: random.Random, scene: Scene) -> bytes:
    first, second = (sealed(data) for data in (bytes(_one(chance, scene)), scene.others[0]))
    return first.message + second.signature


def _not_for_this_device(chance: random.Random, scene: Scene) -> bytes:
    return chance.choice(scene.others)


def _content(chance: random.Random, scene: Scene) -> bytearray:
    message = sealed(bytes(_one(chance, scene))).message
    return bytearray(zlib.decompress(message[HEADER.size : -KEY_ID_BYTES]))


def _sealed_by_owner(scene: Scene, content: bytes) -> bytes:
    return seal(zlib.compress(content, 1), len(content), scene.owner)


def _owner_flips(chance: random.Random, scene: Scene) -> bytes:
    content = _content(chance, scene)
    for _ in range(chance.choice((1, 1, 2, 5))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return _sealed_by_owner(scene, bytes(content))


def _owner_cuts(chance: random.Random, scene: Scene) -> bytes:
    content = _content(chance, scene)
    start = chance.randrange(len(content))
    content[start : start + chance.choice((1, 4, 60, 4000))] = chance.choice(
        (b"", b"0", b"[]", bytes(9))
    )
    return _sealed_by_owner(scene, bytes(content))


def _owner_edits(chance: random.Random, scene: Scene) -> bytes:
    content = bytes(_content(chance, scene))
    size = int.from_bytes(content[:_LENGTH_BYTES], "little")
    document = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + size])
    part = document if chance.random() < 0.5 else document["changes"]
    key = chance.choice(sorted(part))
    values: tuple[object, ...] = (
        0,
        -1,
        1 << 70,
        "",
        "x" * 300,
        [],
        [0],
        [3, 1],
        {},
        None,
        True,
        part[key],
        [{"place": ".name", "json": '"x"'}],
    )
    part[key] = chance.choice(values)
    if chance.random() < 0.1:
        part["more"] = 1
    text = dump(document).encode() if chance.random() < 0.8 else json.dumps(document).encode()
    length = len(text).to_bytes(_LENGTH_BYTES, "little")
    return _sealed_by_owner(scene, length + text + content[_LENGTH_BYTES + size :])


def _owner_body(chance: random.Random, scene: Scene) -> bytes:
    message = sealed(bytes(_one(chance, scene))).message
    body = bytearray(message[HEADER.size : -KEY_ID_BYTES])
    expanded = len(zlib.decompress(body))
    if chance.random() < 0.5:
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    else:
        body += chance.choice((b"\0", zlib.compress(b"more")))
    return seal(
        bytes(body), max(0, expanded + chance.choice((0, 0, 1, -1, -expanded))), scene.owner
    )


def _bomb(chance: random.Random, scene: Scene) -> bytes:
    size = chance.choice((1 << 20, LARGEST_BYTES, LARGEST_BYTES + 1, 4 * LARGEST_BYTES))
    said = chance.choice((size, 4, 1 << 20, LARGEST_BYTES))
    return seal(_zeros(size), min(said, 0xFFFF_FFFF), scene.owner)


_ZEROS: dict[int, bytes] = {}


def _zeros(size: int) -> bytes:
    if size not in _ZEROS:
        _ZEROS[size] = zlib.compress(bytes(size), 1)
    return _ZEROS[size]


MUTATIONS: Mapping[str, tuple[int, Mutation]] = {
    "flipped bits": (12, _flip),
    "overwritten": (8, _overwrite),
    "header": (8, _header),
    "truncated": (8, _truncate),
    "extended": (4, _extend),
    "spliced": (8, _splice),
    "moved bytes": (6, _move),
    "unsigned": (4, _unsigned),
    "signed by a stranger": (6, _by_a_stranger),
    "another's signature": (4, _another_signature),
    "replayed, wrong base or network": (4, _not_for_this_device),
    "owner: flipped bits": (10, _owner_flips),
    "owner: cut": (8, _owner_cuts),
    "owner: edited manifest": (8, _owner_edits),
    "owner: body": (4, _owner_body),
    "owner: bomb": (1, _bomb),
}
"""Weight and mutation by name; what begins with `owner` is signed after it was mutated."""
_WEIGHTS = [weight for weight, _ in MUTATIONS.values()]


@dataclass
class Outcome:
    """What became of mutations: counts by (kind, verdict), and what is not as it has to be."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def total(self, verdict: str) -> int:
        """Return how many mutations got a verdict."""
        return sum(count for (_, found), count in self.counts.items() if found == verdict)


def run(scene: Scene, numbers: range) -> Outcome:
    """Give mutated packages to the device, whose disk must stay as it is."""
    outcome, before = Outcome(), scene.identity()
    for number in numbers:
        if number and number % _PROGRESS == 0:
            print(f"  {number:,}: {len(outcome.failures)} failures so far", file=sys.stderr)
        kind, data = mutation(scene, number)
        started_s = time.process_time()
        try:
            verdict = _verdict(scene, kind, data)
        except Exception as error:  # noqa: BLE001 - every other exception is a finding
            verdict = "failed"
            outcome.failures.append(f"{number} ({kind}): {type(error).__name__}: {error}"[:300])
        took_s = time.process_time() - started_s
        outcome.slowest_s = max(outcome.slowest_s, took_s)
        if took_s > LONGEST_S:
            outcome.failures.append(f"{number} ({kind}): took {took_s:.1f} s")
        outcome.counts[kind, verdict] += 1
    if scene.store.state.active.archive != before:
        outcome.failures.append("the device runs another version")
    return outcome


def mutation(scene: Scene, number: int) -> tuple[str, bytes]:
    """Return mutation `number`: its kind, and a package that differs from the owner's."""
    chance = random.Random(number)
    while True:
        (kind,) = chance.choices(tuple(MUTATIONS), _WEIGHTS)
        data = MUTATIONS[kind][1](chance, scene)
        if data not in scene.packages:
            return kind, data


def _verdict(scene: Scene, kind: str, data: bytes) -> str:
    try:
        candidate = scene.store.admit(data)
    except UpdateError:
        return "refused"
    package, state = candidate.package, scene.store.state
    whole = (
        kind.startswith("owner: ")
        and package.base == state.active.archive
        and package.version > state.highest
        and package.target == archive.encode(candidate.deployment)[-1].hex()
    )
    if not whole:
        raise AssertionError(f"accepted version {package.version}, archive {package.target[:16]}")
    return "accepted, whole"


def main() -> int:
    """Run mutations and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--start", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene.make(Path(folder) / "store")
        files = {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}
        outcome = run(scene, range(arguments.start, arguments.start + arguments.count))
        if files != {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}:
            outcome.failures.append("the store's files are not those of before")
    for (kind, verdict), count in sorted(outcome.counts.items()):
        print(f"{kind:<34} {verdict:<16} {count:>8,}")
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    if peak_bytes > LARGEST_MEMORY_BYTES:
        outcome.failures.append(f"{peak_bytes >> 20} MB of memory")
    print(
        f"{arguments.count:,} mutations: {outcome.total('refused'):,} refused,"
        f" {outcome.total('accepted, whole'):,} of the owner's accepted as whole,"
        f" {len(outcome.failures)} failures; slowest {1000 * outcome.slowest_s:.0f} ms,"
        f" {peak_bytes >> 20} MB at most"
    )
    for failure in outcome.failures[:20]:
        print(f"  {failure}")
    return int(bool(outcome.failures))


if __name__ == "__main__":
    sys.exit(main())
