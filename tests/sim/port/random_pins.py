"""Random pins for a configuration port: good streams, broken ones, reads, aborts and pauses."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board
from fpga_rt.arch.packets import NOP, SYNC, Command, Opcode, Register, type1, type2
from fpga_rt.arch.partials import Cell
from fpga_rt.bitstream.build import Form, build, simulation_bitstream
from fpga_rt.bitstream.expand import frame_order
from fpga_rt.bitstream.read import Frames
from tests.sim.port.harness import swap_words
from tests.sim.port.streams import Words, contents, desync, read_request, words_of

Pins = NDArray[np.uint32]
"""(n, 4) uint32: csib, rdwrb, i, pcap_owns."""

READABLE = tuple(Register)
_POWER_UP = 130


@cache
def good_streams(board_name: str) -> tuple[Words, ...]:
    """Return streams that load something: of every partition, and of every form that is short."""
    board = boards.board(board_name)
    found = [
        words_of(simulation_bitstream(board.device, partition, 0x1234 + partition.index))
        for partition in board.partitions
    ]
    for form in (Form.PLAIN, Form.COMPRESSED):
        frames = _few_frames(board, len(board.partitions) - 1, form)
        found.append(words_of(build(board.device, frames, form)))
    return tuple(found)


@cache
def reset_stream(board_name: str) -> Words:
    """Return a stream that resets the first unit of partition 0; it is long."""
    board = boards.board(board_name)
    device, rectangle = board.device, board.partitions[0].rectangles[0]
    unit = next(unit for unit in device.units if unit[0] == rectangle.columns[0])
    row = device.row_of[rectangle.rows[0]]
    columns = range(unit[0], unit[1] + 1)
    fars = [device.address(row, c, m) for c in columns for m in range(device.column_frames[c])]
    frames = Frames(np.array(fars), contents(device, len(fars), (0x77, 0)))
    region = {Cell(row, column) for column in columns}
    return words_of(build(device, frames, Form.RESET, region=region))


def _few_frames(board: Board, index: int, form: Form) -> Frames:
    """Return some frames of a partition; a compressed stream repeats most of them."""
    order = frame_order(board.device).partition(board.partitions[index])
    chosen = order[[0, 1, 2, 5, 6, 7, 8, 20, 21]]
    words = contents(board.device, len(chosen), (0xABC, index))
    if form is Form.COMPRESSED:
        words[2:] = words[2]
    return Frames(chosen, words)


class RandomPins:
    """Makes pins; the same seed makes the same."""

    def __init__(self, board: Board, seed: int) -> None:
        self._board = board
        self._random = np.random.default_rng(seed)

    def make(self, pieces: int) -> Pins:
        """Return the pins of a port from power-up on, with so many streams."""
        return np.concatenate([self._power_up(), *(self._piece() for _ in range(pieces))])

    def segments(self) -> Pins:
        """Return the pins for a stream that resets its region, twice; segments may be broken."""
        every = np.split(reset_stream(self._board.name), _syncs(reset_stream(self._board.name))[1:])
        chosen = [every[n] for n in self._order(len(every))]
        again = [*chosen, every[-1], *every] if len(every) > 1 else chosen
        return np.concatenate([self._power_up(), *(self._pinned(words) for words in again)])

    def _order(self, count: int) -> list[int]:
        """Return segments in order, mostly all of them."""
        order = list(range(count))
        for _ in range(int(self._random.choice([0, 1, 2]))):
            at = int(self._random.integers(len(order)))
            if self._random.random() < 0.5 and len(order) > 1:
                del order[at]
            else:
                order.insert(at, int(self._random.integers(count)))
        return order

    def _pinned(self, words: Words) -> Pins:
        if self._random.random() < 0.2:
            words = self._mutated(words)
        pins = np.concatenate([_written(words), self._between(1)])
        return self._with_abort(pins) if self._random.random() < 0.05 else pins

    def _power_up(self) -> Pins:
        return np.array([[1, 1, 0, 0]] * _POWER_UP, np.uint32)

    def _piece(self) -> Pins:
        kind = self._random.choice(
            ["good", "broken", "packets", "read", "noise"], p=[0.25, 0.35, 0.2, 0.15, 0.05]
        )
        pins = np.concatenate([getattr(self, f"_{kind}")(), self._between(1)])
        if self._random.random() < 0.3:
            pins = self._with_pauses(pins)
        if self._random.random() < 0.25:
            pins = self._with_abort(pins)
        if self._random.random() < 0.1:
            pins = self._owned(pins)
        return np.concatenate([pins, self._between()])

    def _good(self) -> Pins:
        streams = good_streams(self._board.name)
        return _written(streams[self._random.integers(len(streams))])

    def _broken(self) -> Pins:
        streams = good_streams(self._board.name)
        words = streams[self._random.integers(len(streams))].copy()
        for _ in range(self._random.integers(1, 4)):
            words = self._mutated(words)
        return _written(words)

    def _mutated(self, words: Words) -> Words:
        """Change a stream in one of six ways, half of the times near its ends, among packets."""
        random, edge = self._random, min(60, len(words))
        if not edge:
            return words
        at = int(random.integers(len(words)))
        if random.random() < 0.5:
            at = int(random.choice([random.integers(edge), len(words) - 1 - random.integers(edge)]))
        length = int(random.choice([1, 1, 2, 5, 101, 93]))
        other = int(random.integers(len(words)))
        changed = words.copy()
        changed[[at, other]] = words[[other, at]]
        flipped = words.copy()
        flipped[at] ^= np.uint32(1 << int(random.integers(32)))
        ways = (
            flipped,
            changed,
            np.delete(words, slice(at, at + length)),
            np.insert(words, at, words[at : at + length]),
            np.insert(words, at, self._packets_words(2)),
            words[:at],
        )
        return ways[random.integers(len(ways))]

    def _packets(self) -> Pins:
        words = [SYNC] if self._random.random() < 0.9 else []
        if self._random.random() < 0.7:
            idcode = self._board.device.idcode
            words += [type1(Register.IDCODE, 1), idcode ^ (self._random.random() < 0.1)]
        words += self._packets_words(int(self._random.integers(1, 30))).tolist()
        return _written(np.array(words, np.uint32))

    def _packets_words(self, count: int) -> Words:
        words: list[int] = []
        for _ in range(count):
            words += self._packet()
        return np.array(words, np.uint32)

    def _packet(self) -> list[int]:
        random = self._random
        register = int(random.choice([*Register, random.integers(32)]))
        payload = random.integers(0, 1 << 32, random.integers(5), np.uint64).tolist()
        ways = (
            [NOP] * int(random.integers(1, 4)),
            [type1(Register.CMD, 1), int(random.integers(20))],
            [type1(Register.FAR, 1), self._address()],
            [type1(Register.CMD, 1), Command.WCFG, type1(Register.FDRI, 0), *self._frames()],
            [int(random.integers(1 << 32))],
            [type1(register, 0), type2(len(payload)), *payload],
            [type1(Register.MASK, 1), 0xFFFFFFFF >> int(random.integers(32))],
            [type1(register, len(payload)), *payload],
        )
        return ways[random.integers(len(ways))]

    def _frames(self) -> list[int]:
        size = self._board.device.family.frame_words * int(self._random.integers(1, 4))
        size += int(self._random.choice([0, 0, 0, 1, -1]))
        return [type2(size), *self._random.integers(0, 1 << 32, size, np.uint64).tolist()]

    def _address(self) -> int:
        random = self._random
        partition = self._board.partitions[random.integers(len(self._board.partitions))]
        frames = frame_order(self._board.device).partition(partition)
        if random.random() < 0.7:
            return int(frames[random.integers(len(frames))])
        if random.random() < 0.5:
            return _row_end(self._board, int(random.integers(4)))
        return int(random.integers(1 << 32))

    def _read(self) -> Pins:
        """Read some registers; mostly after an abort, without which the port may not listen."""
        aborted = np.array(
            [[0, 0, 0, 0], *[[0, 1, 0, 0]] * 5, [1, 1, 0, 0], [1, 0, 0, 0]], np.uint32
        )
        parts = [aborted] if self._random.random() < 0.8 else []
        parts += [_written([SYNC]), self._asked(), self._asked(), self._asked(), _written(desync())]
        return np.concatenate(parts)

    def _asked(self) -> Pins:
        """Write packets to a register and read it."""
        random = self._random
        register, count = int(random.choice(READABLE)), int(random.integers(1, 4))
        words = read_request(register, count)[1:]
        if random.random() < 0.3:
            words[1:2] = [type1(register, 0, Opcode.READ), type2(count, Opcode.READ)]
        before = [NOP]
        if random.random() < 0.5 and register != Register.IDCODE:
            before = [type1(register, 1), int(random.integers(1 << 32))]
        edges = [(1, 0), (1, 1), *[(0, 1)] * int(random.integers(1, 9)), (1, 1), (1, 0)]
        turned = np.array([(csib, rdwrb, 0, 0) for csib, rdwrb in edges], np.uint32)
        return np.concatenate([_written(before), _written(words), turned])

    def _noise(self) -> Pins:
        count = int(self._random.integers(2, 40))
        pins = self._random.integers(0, 2, (count, 4)).astype(np.uint32)
        words = self._random.choice([SYNC, NOP, type1(Register.STAT, 1, Opcode.READ)], count)
        pins[:, 2] = swap_words(words.astype(np.uint32))
        pins[:, 3] &= self._random.integers(0, 2, count, np.uint32)
        return pins

    def _with_pauses(self, pins: Pins) -> Pins:
        places = np.sort(self._random.integers(0, len(pins), 20))
        return np.insert(pins, places, np.array([1, 0, swap_words(pins[:1, 2])[0], 0]), axis=0)

    def _with_abort(self, pins: Pins) -> Pins:
        at, length = int(self._random.integers(len(pins))), int(self._random.integers(1, 8))
        turn = np.array([[0, 1 - pins[at, 1], NOP, 0]] * length, np.uint32)
        quiet = np.array([[1, 1, 0, 0], [1, 0, 0, 0]] * int(self._random.integers(0, 2)), np.uint32)
        rest = pins[at + 1 :] if self._random.random() < 0.5 else pins[:0]
        return np.concatenate([pins[: at + 1], turn, quiet.reshape(-1, 4), rest])

    def _owned(self, pins: Pins) -> Pins:
        at, length = int(self._random.integers(len(pins))), int(self._random.integers(1, 30))
        pins = pins.copy()
        if self._random.random() < 0.5:
            pins[at : at + length, 3] = 1
            return pins
        return np.insert(pins, [at] * length, np.array([0, 0, SYNC, 1]), axis=0)

    def _between(self, least: int = 0) -> Pins:
        """Deselect the port for a while, or not."""
        count = least + int(self._random.choice([0, 1, 2, 5]))
        return np.array([[1, 1, 0, 0]] * count, np.uint32).reshape(-1, 4)


def _syncs(words: Words) -> list[int]:
    """Return where each segment of a stream starts: the dummy words before its sync word."""
    found = np.flatnonzero(words == SYNC).tolist()
    starts = []
    for sync in found:
        start = sync
        while start and words[start - 1] != NOP:
            start -= 1
        starts.append(start)
    return starts


def _row_end(board: Board, back: int) -> int:
    """Return the FAR of one of the last frames of a row, behind which pads follow."""
    device = board.device
    column = max(c for c, frames in enumerate(device.column_frames) if frames)
    return device.address(device.rows[0], column, device.column_frames[column] - 1 - back)


def _written(words: Words | list[int]) -> Pins:
    array = np.asarray(words, np.uint32)
    pins = np.zeros((len(array), 4), np.uint32)
    pins[:, 2] = swap_words(array)
    return pins
