"""`fpga-rt study swap`: how long a swap takes by each port, and which part of it is whose."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from fpga_rt.arch.boards import Board
from fpga_rt.arch.floorplan import Partition
from fpga_rt.cli.description import CLOCK, Json
from fpga_rt.cli.options import DEFAULT_BOARD, add_calibration, board_of, positive
from fpga_rt.cli.table import indented, table
from fpga_rt.errors import PlanningError
from fpga_rt.study.swap_time import (
    PARTS,
    PUBLISHED,
    PUBLISHED_MS,
    Way,
    full_way,
    ways,
)

_PS_PER_MS = 10**9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--board", default=DEFAULT_BOARD, help=f"board name, {DEFAULT_BOARD} by default"
    )
    parser.add_argument(
        "--partition", metavar="P", help="whose bitstream is loaded; the board's first by default"
    )
    parser.add_argument(
        "--bytes", type=positive, metavar="N",
        help="size of the bitstream in place of a partition's",
    )  # fmt: skip
    add_calibration(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print every way, beside what is published."""
    board = board_of(arguments.board, arguments.calibration)
    if arguments.bytes and arguments.partition:
        raise argparse.ArgumentTypeError(
            "--bytes and --partition both say how long the bitstream is; give one of them"
        )
    what, size_bytes = "a bitstream", arguments.bytes
    if size_bytes is None:
        partition = _partition(board, arguments.partition)
        what, size_bytes = partition.name, partition.bitstream_bytes
    found, full = ways(board, size_bytes), full_way(board)
    if arguments.json:
        print(json.dumps(_data(board, what, size_bytes, found, full), indent=2))
        return
    print(f"{what} of {board.title}: {size_bytes:,} bytes (modelled: sums of the parts)\n")
    print(_table(found))
    print("\nPublished\n" + indented("\n".join(_published(found, full))))
    print("\nWhere the parts come from\n" + indented("\n".join(_sources(found))))


def _partition(board: Board, name: str | None) -> Partition:
    for partition in board.partitions:
        if name in (None, partition.name):
            return partition
    names = ", ".join(partition.name for partition in board.partitions)
    raise PlanningError(f"board {board.name} has no partition {name!r}, expected one of {names}")


def _data(
    board: Board, what: str, size_bytes: int, found: list[Way], full: tuple[int, Way] | None
) -> Json:
    return {
        "board": board.name,
        "clock": CLOCK,
        "bitstream": what,
        "bytes": size_bytes,
        "ways": [_way(way) for way in found],
        "full": {"bytes": full[0], **_way(full[1])} if full else None,
        "published": {"ms": list(PUBLISHED_MS), "source": PUBLISHED},
    }


def _way(way: Way) -> Json:
    return {
        "name": way.name,
        "origin": "modelled",
        "ms": [way.low_ps / _PS_PER_MS, way.high_ps / _PS_PER_MS],
        "parts": {
            part.name: {
                "ms": [part.low_ps / _PS_PER_MS, part.high_ps / _PS_PER_MS],
                "origin": part.origin,
                "source": part.source,
            }
            for part in way.parts
        },
    }


def _table(found: list[Way]) -> str:
    shown = [name for name in PARTS if any(name == p.name for way in found for p in way.parts)]
    rows = []
    for way in found:
        parts = {part.name: part for part in way.parts}
        cells: list[object] = [way.name]
        for name in shown:
            part = parts.get(name)
            cells.append(_range(part.low_ps, part.high_ps) if part else None)
        rows.append([*cells, _range(way.low_ps, way.high_ps), parts["port"].origin])
    heads = ["", *(f"{name}\nms" for name in shown), "swap\nms", "port's rate"]
    return table(heads, "<" + ">" * (len(shown) + 1) + "<", rows)


def _range(low_ps: int, high_ps: int) -> str:
    low, high = _ms(low_ps), _ms(high_ps)
    return low if low == high else f"{low} to {high}"


def _ms(time_ps: int) -> str:
    return f"{time_ps / _PS_PER_MS:.2f}"


def _published(found: list[Way], full: tuple[int, Way] | None) -> Iterator[str]:
    low, high = PUBLISHED_MS
    yield f"{low:g} to {high:g} ms: {PUBLISHED}"
    for way in found:
        if {part.name for part in way.parts} <= {"port", "contention"}:
            first, last = (way.bytes_in(round(ms * _PS_PER_MS)) / 1e6 for ms in PUBLISHED_MS)
            yield f"  {way.name}: {first:.1f} to {last:.1f} MB go through in that time"
    if full is not None:
        size_bytes, way = full
        yield f"  {way.name}: {size_bytes:,} bytes, {_ms(way.low_ps)} ms"


def _sources(found: list[Way]) -> Iterator[str]:
    yield "software, kernel: not counted in a row without them, which is the port alone"
    told = set()
    for way in found:
        for part in way.parts:
            line = f"{part.name}, {part.origin}: {part.source}"
            if line not in told:
                told.add(line)
                yield line
