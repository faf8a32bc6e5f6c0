"""Fuzz the bitstream verifier: mutate real and built streams and see that none is let through.

    python -m benchmarks.bitstream_mutations --count 1000000 [--start N] [--processes 2]
    python -m benchmarks.bitstream_mutations --structure --count 100000

Mutation number N is the same in every run, so a run may be cut anywhere and go on with `--start`.
With `--structure` whole packets are edited and every CRC is made right after; these mutations are
numbered by themselves.

What counts. A mutated file is *refused* when `verify_partial` or `verify` raises ArtifactError. It
is *equivalent* when it is accepted and writes the same values to the same registers in the same
order, segment by segment, as an unmutated stream for the same partition: a changed header text, a
NOP or dummy word more or less, a splice of equal parts. An edit of packets is equivalent when it
does the same steps and writes the same frames, see `bitstream_mutations_structure`. Anything else
that is accepted is *wrongly accepted*; any other exception, more than a second of processor time,
or more than 1 GB is a failure too.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks import bitstream_mutations_structure as structure
from benchmarks import datasets
from fpga_rt.arch.boards import board
from fpga_rt.arch.devices import Device, device
from fpga_rt.arch.floorplan import Partition, Rectangle, cells, place
from fpga_rt.arch.packets import DUMMY, NOP, SYNC, Command, Register, type1, type2
from fpga_rt.bitstream.build import Form, bit_file, build, simulation_bitstream
from fpga_rt.bitstream.expand import Frames, frame_order
from fpga_rt.bitstream.placement import device_addresses
from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.sequence import PAD
from fpga_rt.bitstream.verify import verify, verify_partial
from fpga_rt.errors import ArtifactError, ModelError

LONGEST_S = 1.0
LARGEST_BYTES = 1 << 30
_BATCH = 2_000
_CLB_PAIR = [Rectangle((26, 27), ("Y1",))]

Words = NDArray[np.uint32]
Mutation = Callable[[random.Random, "Subject", "Subject"], bytes]


@dataclass(frozen=True, eq=False)
class Subject:
    """A good stream, and what it is verified for: a partition, or a device for a full stream.

    `packets` are the words of its headers; `effect` is a digest of its register writes.
    """

    name: str
    data: bytes = field(repr=False)
    device: Device = field(repr=False)
    partition: Partition | None = field(repr=False)
    weight: int
    effect: bytes = field(repr=False)
    packets: tuple[int, ...] = field(repr=False)
    crcs: tuple[int, ...] = field(repr=False)
    commands: tuple[int, ...] = field(repr=False)
    origin_bytes: int
    order: str

    def accepts(self, data: bytes) -> bool:
        """Tell whether the verifier accepts `data` in the place of this stream."""
        try:
            if self.partition is None:
                verify(data, self.device)
            else:
                verify_partial(data, self.device, self.partition)
        except ArtifactError:
            return False
        return True

    def words(self) -> Words:
        """Return a copy of its words in stream order."""
        return np.frombuffer(self.data, self.order, offset=self.origin_bytes).astype(np.uint32)

    def file(self, words: Words | Sequence[int]) -> bytes:
        """Return the file that has other words, with its header corrected."""
        stream = np.asarray(words, np.uint32).astype(self.order).tobytes()
        header = self.data[: self.origin_bytes]
        return header[:-4] + len(stream).to_bytes(4, "big") + stream if header else stream


def _subject(
    name: str, data: bytes, target: tuple[Device, Partition | None], weight: int
) -> Subject:
    stream = parse(data)
    packets = [packet for segment in stream.segments for packet in segment.packets]
    return Subject(
        name,
        data,
        *target,
        weight,
        structure.effect(data),
        tuple(packet.at for packet in packets),
        tuple(packet.at for packet in packets if packet.register == Register.CRC),
        tuple(packet.at for packet in packets if packet.register == Register.CMD),
        stream.origin_bytes,
        "<u4" if stream.swapped else ">u4",
    )


def _built() -> Iterable[Subject]:
    """Yield streams of the project's own builder: two of each target, so that they can be mixed."""
    for name, weight in (("pynq-z2", 30), ("kv260", 10)):
        target = board(name)
        rp = target.partitions[0]
        for module in (1, 2):
            data = simulation_bitstream(target.device, rp, module)
            yield _subject(f"simulation {name}", data, (target.device, rp), weight)
    z020 = device("xc7z020")
    rp = place(z020, "pair", 0, _CLB_PAIR)
    addresses = frame_order(z020).partition(rp)
    for seed in (1, 2):
        chance = np.random.default_rng(seed)
        contents = chance.integers(0, 1 << 32, (len(addresses), 101), dtype=np.uint32)
        contents[chance.random(len(addresses)) < 0.7] = seed
        frames = Frames(addresses, contents)
        for form, weight in ((Form.PLAIN, 15), (Form.COMPRESSED, 20), (Form.RESET, 3)):
            region = cells(z020, rp)
            data = build(z020, frames, form, region=region)
            yield _subject(f"built {form.value}", data, (z020, rp), weight)
        data = bit_file(build(z020, frames, Form.COMPRESSED), "top", "7z020clg400", True)
        yield _subject("built .bit", data, (z020, rp), 5)
    yield from _built_full()


def _built_full() -> Iterable[Subject]:
    """Yield full streams, of which most frames are equal: plain, and with multi-frame writes."""
    z010 = device("xc7z010")
    addresses = device_addresses(z010)
    addresses = addresses[addresses != PAD]
    for seed, form in ((1, Form.FULL), (2, Form.FULL_COMPRESSED)):
        chance = np.random.default_rng(seed)
        contents = np.full((len(addresses), z010.family.frame_words), seed, np.uint32)
        some = np.flatnonzero(chance.random(len(addresses)) < 0.05)
        contents[some] = chance.integers(0, 1 << 32, (len(some), 101), dtype=np.uint32)
        data = build(z010, Frames(addresses, contents), form)
        yield _subject(f"built {form.value}", data, (z010, None), 1)


def _real() -> Iterable[Subject]:
    """Yield real partials, in both word orders, and a full stream."""
    folder = datasets.folder() / "bitstreams"
    z020, zu7ev = device("xc7z020"), device("xczu7ev")
    prio = "byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio__partial__pr_0_"
    yunqu = "yunqu-partial_reconfig_example/boards__ZCU104__gpio_pr__led_"
    pair = place(z020, "pair", 0, _CLB_PAIR)
    plus = place(zu7ev, "plus", 0, [Rectangle((129, 146), ("Y3",))])
    for module in ("gpio", "uart"):
        data = (folder / f"{prio}{module}.bit").read_bytes()
        stream = parse(data)
        yield _subject(f"pr_0_{module}.bit", data, (z020, pair), 3)
        swapped = stream.words.astype("<u4").tobytes()
        yield _subject(f"pr_0_{module}, swapped", swapped, (z020, pair), 3)
    for module in ("0", "5"):
        data = (folder / f"{yunqu}{module}.bit").read_bytes()
        yield _subject(f"ZCU104 led_{module}.bit", data, (zu7ev, plus), 1)


@cache
def subjects() -> tuple[Subject, ...]:
    """Return the streams to mutate; without the folder of real data only those that are built."""
    try:
        return (*_built(), *_real())
    except ModelError:
        return tuple(_built())


def _index(chance: random.Random, data: Sequence[int] | bytes | Words) -> int:
    return chance.randrange(len(data))


def _flip_bits(chance: random.Random, one: Subject, _: Subject) -> bytes:
    data = bytearray(one.data)
    for _count in range(chance.choice((1, 1, 1, 2, 3))):
        data[_index(chance, data)] ^= 1 << chance.randrange(8)
    return bytes(data)


def _flip_burst(chance: random.Random, one: Subject, _: Subject) -> bytes:
    data = bytearray(one.data)
    at = chance.randrange(len(data) - 4)
    burst = int.from_bytes(data[at : at + 4], "big") ^ chance.getrandbits(32)
    data[at : at + 4] = burst.to_bytes(4, "big")
    return bytes(data)


def _replace_word(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words = one.words()
    values = (0, NOP, DUMMY, SYNC, type2(1), type1(Register.CMD, 1), chance.getrandbits(32))
    words[_index(chance, words)] = chance.choice(values)
    return one.file(words)


def _truncate(chance: random.Random, one: Subject, _: Subject) -> bytes:
    if chance.random() < 0.5:
        return one.data[: _index(chance, one.data)]
    words = one.words()
    return one.file(words[: _index(chance, words)])


def _extend(chance: random.Random, one: Subject, other: Subject) -> bytes:
    words, more = one.words(), other.words()
    tail = (more, more[: _index(chance, more)], np.array([chance.getrandbits(32)], np.uint32))
    return one.file(np.concatenate([words, chance.choice(tail)]))


def _splice(chance: random.Random, one: Subject, other: Subject) -> bytes:
    first, second = one.words(), other.words()
    at = chance.choice(one.packets) if chance.random() < 0.5 else _index(chance, first)
    cut = at if chance.random() < 0.7 else _index(chance, second)
    return one.file(np.concatenate([first[:at], second[cut:]]))


def _transplant(chance: random.Random, one: Subject, other: Subject) -> bytes:
    words, source = one.words(), other.words()
    start = min(_index(chance, words), _index(chance, source))
    stop = start + chance.choice((1, 16, 101, 1000))
    part = source[start:stop][: len(words) - start]
    words[start : start + len(part)] = part
    return one.file(words)


def _delete(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words = one.words()
    start = chance.choice(one.packets) if chance.random() < 0.5 else _index(chance, words)
    return one.file(np.delete(words, slice(start, start + chance.choice((1, 2, 5, 101)))))


def _repeat(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words = one.words()
    start = chance.choice(one.packets) if chance.random() < 0.5 else _index(chance, words)
    part = words[start : start + chance.choice((1, 2, 5, 101))]
    return one.file(np.concatenate([words[:start], part, words[start:]]))


def _swap(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words = one.words()
    first, second = _index(chance, words), _index(chance, words)
    words[[first, second]] = words[[second, first]]
    return one.file(words)


def _stray_word(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words = one.words()
    value = chance.choice((0, DUMMY, SYNC, 0x60000000, 1 << 31 | chance.getrandbits(31)))
    stray = [NOP] * chance.choice((1, 1, 2, 12)) + [value] * chance.choice((1, 9))
    at = _behind_packets(chance, one)
    return one.file(np.concatenate([words[:at], np.array(stray, np.uint32), words[at:]]))


def _nop_and_zero(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words, at = one.words(), _behind_packets(chance, one)
    pattern = np.array([NOP, 0] * chance.choice((1, 1, 40)), np.uint32)
    rest = words[at:] if chance.random() < 0.5 else words[:0]
    return one.file(np.concatenate([words[:at], pattern, rest]))


def _behind_packets(chance: random.Random, one: Subject) -> int:
    """Return the word of a header: in half of all cases of number 32, 64 ... of the stream.

    There the reader may change from one way of looking for packets to the other.
    """
    some = one.packets[32::32] if chance.random() < 0.5 else ()
    return chance.choice(some or one.packets)


def _lie_about_length(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words = one.words()
    at = chance.choice(one.packets)
    header, bits = int(words[at]), 27 if int(words[at]) >> 29 == 2 else 11
    count = chance.choice((0, 1, header + 1, header - 1, (1 << bits) - 1, chance.getrandbits(bits)))
    words[at] = header >> bits << bits | count & ((1 << bits) - 1)
    return one.file(words)


def _drop_crc(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words = one.words()
    at = chance.choice(one.crcs)
    words[at] = NOP
    if chance.random() < 0.5:
        words[at + 1] = NOP
    return one.file(words)


def _other_command(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words = one.words()
    words[chance.choice(one.commands) + 1] = chance.choice((*Command, chance.getrandbits(5)))
    return one.file(words)


def _other_register(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words = one.words()
    at = chance.choice(one.packets)
    words[at] = int(words[at]) & ~(31 << 13) | chance.getrandbits(5) << 13
    return one.file(words)


def _other_header(chance: random.Random, one: Subject, _: Subject) -> bytes:
    size = max(one.origin_bytes, 64)
    data = bytearray(one.data)
    data[chance.randrange(size)] = chance.getrandbits(8)
    return bytes(data)


def _bomb(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words = one.words()[:4096].tolist()
    for _depth in range(chance.randrange(1, 40)):
        packet = [SYNC, NOP, type1(Register.NESTED, 0), type2(len(words))]
        words = [*packet, *words, type1(Register.CMD, 1), int(Command.DESYNC), *[NOP] * 16]
    return one.file(words)


def _many_segments(chance: random.Random, one: Subject, _: Subject) -> bytes:
    segment = [SYNC, type1(Register.CMD, 1), int(Command.DESYNC)]
    words = [DUMMY, *segment * chance.randrange(1, 2_000), *one.words()[:1024].tolist()]
    return one.file(words)


def _many_zeros(chance: random.Random, one: Subject, _: Subject) -> bytes:
    words = one.words()
    at = chance.choice(one.packets)
    return one.file(np.concatenate([words[:at], np.zeros(chance.randrange(20_000), np.uint32)]))


MUTATIONS: dict[str, Mutation] = {
    "flipped bits": _flip_bits,
    "flipped burst": _flip_burst,
    "replaced word": _replace_word,
    "truncated": _truncate,
    "extended": _extend,
    "spliced": _splice,
    "transplanted": _transplant,
    "deleted": _delete,
    "repeated": _repeat,
    "swapped": _swap,
    "stray word": _stray_word,
    "NOP and zero": _nop_and_zero,
    "length lie": _lie_about_length,
    "dropped CRC": _drop_crc,
    "other command": _other_command,
    "other register": _other_register,
    "other header": _other_header,
    "recursion bomb": _bomb,
    "many segments": _many_segments,
    "many zeros": _many_zeros,
}


_COSTLY = {"recursion bomb", "many segments", "many zeros"}
_MUTATION_WEIGHTS = [1 if kind in _COSTLY else 6 for kind in MUTATIONS]


@dataclass
class Outcome:
    """What became of mutations: counts by (kind, verdict), and what is not as it has to be."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    largest_bytes: int = 0

    def add(self, other: Outcome) -> None:
        """Take in the outcome of other mutations."""
        self.counts += other.counts
        self.failures += other.failures
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.largest_bytes = max(self.largest_bytes, other.largest_bytes)

    def total(self, verdict: str) -> int:
        """Return how many mutations got a verdict."""
        return sum(count for (_, found), count in self.counts.items() if found == verdict)


def mutation(number: int, of_structure: bool = False) -> tuple[str, Subject, bytes]:
    """Return mutation `number`: its kind, the stream it was made of, and the mutated file.

    The file always differs from the stream.
    """
    chance = random.Random(f"structure {number}" if of_structure else number)
    while True:
        kind, one, data = _drawn(chance, of_structure)
        if data != one.data:
            return kind, one, data


def _drawn(chance: random.Random, of_structure: bool) -> tuple[str, Subject, bytes]:
    everyone = subjects()
    (one,) = chance.choices(everyone, [subject.weight for subject in everyone])
    other = chance.choice(_kin(one) if chance.random() < 0.9 else everyone)
    if of_structure:
        kind = chance.choice(tuple(structure.EDITS))
        edit = structure.EDITS[kind]
        words = edit(chance, one.words(), other.words(), one.device.family.frame_words)
        return kind, one, one.file(words)
    (kind,) = chance.choices(tuple(MUTATIONS), _MUTATION_WEIGHTS)
    return kind, one, MUTATIONS[kind](chance, one, other)


def _kin(one: Subject) -> tuple[Subject, ...]:
    """Return the streams for the same target: each may be loaded in the place of the others."""
    target = (one.device, one.partition)
    return tuple(s for s in subjects() if (s.device, s.partition) == target)


def run_mutations(start: int, count: int, of_structure: bool = False) -> Outcome:
    """Verify the mutations from `start` on."""
    outcome = Outcome()
    for number in range(start, start + count):
        kind, one, data = mutation(number, of_structure)
        began = time.process_time()
        try:
            verdict = _verdict(kind, one, data)
        except Exception as error:  # noqa: BLE001  # every other exception is what is looked for
            verdict = f"raised {error!r}"
        outcome.slowest_s = max(outcome.slowest_s, time.process_time() - began)
        if verdict not in ("refused", "equivalent"):
            outcome.failures.append(f"mutation {number} ({kind} of {one.name}): {verdict}")
        outcome.counts[kind, verdict] += 1
    outcome.largest_bytes = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return outcome


def _verdict(kind: str, one: Subject, data: bytes) -> str:
    if not one.accepts(data):
        return "refused"
    if kind in MUTATIONS:
        same = structure.effect(data) in {s.effect for s in _kin(one)}
    else:
        contents = structure.EDITS[kind] is structure.edited
        same = structure.meaning(data, one.device, contents) in _meanings(one, contents)
    return "equivalent" if same else "wrongly accepted"


@cache
def _meanings(one: Subject, contents: bool) -> set[bytes]:
    """Return what the streams for the target of `one` do."""
    return {structure.meaning(s.data, s.device, contents) for s in _kin(one)}


def _progress(outcome: Outcome, done: int, count: int) -> None:
    print(
        f"{done:,} of {count:,}: {outcome.total('refused'):,} refused, "
        f"{outcome.total('equivalent'):,} equivalent, {len(outcome.failures)} failures, "
        f"slowest {outcome.slowest_s * 1e3:.0f} ms, "
        f"{outcome.largest_bytes / 1e6:.0f} MB at most",
        flush=True,
    )


def main() -> int:
    """Run the command line; 1 when a mutation is not refused as it has to be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bitstream_mutations")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--start", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--structure", action="store_true", help="edit packets, CRCs made right")
    arguments = parser.parse_args()
    stop = arguments.start + arguments.count
    starts = range(arguments.start, stop, _BATCH)
    sizes = [min(_BATCH, stop - start) for start in starts]
    outcome, done = Outcome(), 0
    with ProcessPoolExecutor(arguments.processes) as pool:
        parts = pool.map(run_mutations, starts, sizes, [arguments.structure] * len(sizes))
        for size, part in zip(sizes, parts, strict=True):
            outcome.add(part)
            for failure in part.failures:
                print(failure, flush=True)
            done += size
            if done % (10 * _BATCH) == 0 or done == arguments.count:
                _progress(outcome, done, arguments.count)
    for kind in structure.EDITS if arguments.structure else MUTATIONS:
        verdicts = {v: n for (k, v), n in sorted(outcome.counts.items()) if k == kind}
        print(f"{kind:<16} {verdicts}")
    slow, large = outcome.slowest_s > LONGEST_S, outcome.largest_bytes > LARGEST_BYTES
    return int(bool(outcome.failures) or slow or large)


if __name__ == "__main__":
    sys.exit(main())
