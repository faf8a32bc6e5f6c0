"""Streams of every form through the model: which frames it writes, what it finds in them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board
from fpga_rt.arch.packets import Command, Register
from fpga_rt.arch.partials import Cell
from fpga_rt.bitstream.build import Form, build, simulation_bitstream
from fpga_rt.bitstream.expand import frame_order
from fpga_rt.bitstream.read import Frames
from fpga_rt.bitstream.standin import stand_in
from fpga_rt.bitstream.writer import StreamWriter
from tests.bitstream.interpreter import play
from tests.sim.port.harness import Outputs, Port
from tests.sim.port.streams import contents, load, stream, words_of, write

MODULE = 0x0123_4567_89AB_CDEF
ZYNQ, KRIA = boards.board("pynq-z2"), boards.board("kv260")
PARTIAL = (Form.PLAIN, Form.COMPRESSED, Form.RESET)


def _two_columns(board: Board, index: int, equal: bool) -> tuple[Frames, set[Cell]]:
    """Return frames of the first programmable unit of a partition, and the unit.

    `equal`: all but the first are the same, so that a compressed stream repeats one.
    """
    device, partition = board.device, board.partitions[index]
    rectangle = partition.rectangles[0]
    unit = next(u for u in device.units if u[0] == rectangle.columns[0])
    row = device.row_of[rectangle.rows[0]]
    region = {Cell(row, column) for column in range(unit[0], unit[1] + 1)}
    fars = [
        device.address(row, c, minor)
        for c in range(unit[0], unit[1] + 1)
        for minor in range(device.column_frames[c])
    ]
    words = contents(device, len(fars), (MODULE, index))
    if equal:
        words[1:] = words[1]
    return Frames(np.array(fars), words), region


def _loads(outputs: list[Outputs]) -> list[tuple[int, int]]:
    return [(out.loaded_partition, out.loaded_id) for out in outputs if out.loaded]


@pytest.mark.parametrize("form", PARTIAL)
@pytest.mark.parametrize("board", [ZYNQ, KRIA], ids=lambda board: str(board.name))
def test_every_partial_form(make_port: Callable[[str], Port], board: Board, form: Form) -> None:
    frames, region = _two_columns(board, 1, equal=form is Form.COMPRESSED)
    data = build(board.device, frames, form, region=region if form is Form.RESET else None)
    outputs = make_port(board.name).write(words_of(data))
    expected = play(data, board.device)
    written = [out.frame_address for out in outputs if out.frame_written]
    assert sorted(set(written)) == sorted(expected.frames)
    if form is not Form.COMPRESSED:
        assert len(written) >= len(expected.frames)
    assert _loads(outputs) == [(1, MODULE)]
    end = outputs[-1]
    assert (end.garbage, end.crc_error, end.id_error, end.far_error, end.synced) == (0,) * 5
    first = next(n for n, out in enumerate(outputs) if out.frame_written)
    ended = next(n for n, out in enumerate(outputs) if out.loaded)
    assert [out.garbage for out in outputs] == (
        [0] * first + [2] * (ended - first) + [0] * (len(outputs) - ended)
    )


@pytest.mark.parametrize("board", [ZYNQ, KRIA], ids=lambda board: str(board.name))
def test_simulation_bitstreams(make_port: Callable[[str], Port], board: Board) -> None:
    port = make_port(board.name)
    for partition in board.partitions:
        data = simulation_bitstream(board.device, partition, MODULE + partition.index)
        outputs = port.write(words_of(data))
        assert _loads(outputs) == [(partition.index, MODULE + partition.index)]
        assert {out.garbage for out in outputs} == {0, 1 << partition.index}


def test_simulation_bitstreams_where_geometry_is_unknown(make_port: Callable[[str], Port]) -> None:
    board = boards.board("alveo-u200")
    port = make_port(board.name)
    for partition in board.partitions:
        outputs = port.write(words_of(simulation_bitstream(board.device, partition, MODULE)))
        assert _loads(outputs) == [(partition.index, MODULE)]


@pytest.mark.parametrize("board", [ZYNQ, KRIA], ids=lambda board: str(board.name))
def test_streams_of_real_size(make_port: Callable[[str], Port], board: Board) -> None:
    """Of an L-shaped partition on the 7-series, with its block RAM."""
    data = stand_in(board.device, board.partitions[1], MODULE)
    outputs = make_port(board.name).write(words_of(data))
    written = {out.frame_address for out in outputs if out.frame_written}
    assert written == set(play(data, board.device).frames)
    assert _loads(outputs) == [(1, MODULE)]
    assert outputs[-1].far_error == 0


def test_a_stream_of_several_segments_ends_with_the_last(plus_port: Port) -> None:
    frames, region = _two_columns(KRIA, 0, equal=False)
    outputs = plus_port.write(words_of(build(KRIA.device, frames, Form.RESET, region=region)))
    ends = [n for n in range(1, len(outputs)) if outputs[n - 1].synced > outputs[n].synced]
    assert len(ends) == 4
    assert [outputs[n].loaded for n in ends] == [0, 0, 0, 1]
    assert [outputs[n].garbage for n in ends] == [1, 1, 1, 0]


def test_a_broken_segment_leaves_the_partition_broken(plus_port: Port) -> None:
    frames, region = _two_columns(KRIA, 0, equal=False)
    words = words_of(build(KRIA.device, frames, Form.RESET, region=region))
    broken = words.copy()
    broken[int(np.flatnonzero(words == frames.words[3, 40])[0])] ^= 1  # in the third segment
    outputs = plus_port.write(broken)
    assert _loads(outputs) == []
    assert outputs[-1].garbage == 1
    assert _loads(plus_port.write(words)) == [(0, MODULE)]


def test_the_last_write_of_a_frame_counts(port: Port) -> None:
    address = int(frame_order(ZYNQ.device).partition(ZYNQ.partitions[0])[0])

    def twice(writer: StreamWriter) -> None:
        write(writer, address, contents(ZYNQ.device, 2, (1, 0)))
        write(writer, address, contents(ZYNQ.device, 2, (2, 0)))
        writer.crc()

    assert _loads(port.write(stream(ZYNQ.device, twice))) == [(0, 2)]


def test_the_identity_is_in_the_lowest_frame(port: Port) -> None:
    address = int(frame_order(ZYNQ.device).partition(ZYNQ.partitions[0])[0])

    def backwards(writer: StreamWriter) -> None:
        write(writer, address + 2, contents(ZYNQ.device, 2, (1, 0)))
        write(writer, address, contents(ZYNQ.device, 2, (2, 0)))
        write(writer, address + 4, contents(ZYNQ.device, 2, (3, 0)))
        writer.crc()

    assert _loads(port.write(stream(ZYNQ.device, backwards))) == [(0, 2)]


@pytest.mark.parametrize("identity", [None, (MODULE, 1)], ids=["none", "of another partition"])
def test_frames_without_the_partitions_identity(
    port: Port, identity: tuple[int, int] | None
) -> None:
    address = int(frame_order(ZYNQ.device).partition(ZYNQ.partitions[0])[0])
    frames = contents(ZYNQ.device, 3, identity)
    assert _loads(port.write(load(ZYNQ.device, address, frames))) == [(0, 0)]


@pytest.mark.parametrize("word", range(6))
def test_an_identity_with_a_wrong_digest_is_none(port: Port, word: int) -> None:
    address = int(frame_order(ZYNQ.device).partition(ZYNQ.partitions[0])[0])
    frames = contents(ZYNQ.device, 3, (MODULE, 0))
    frames[0, word] ^= 1 << 7
    assert _loads(port.write(load(ZYNQ.device, address, frames))) == [(0, 0)]


def test_a_run_that_ends_a_row_goes_on_in_the_next(port: Port) -> None:
    """After two pad frames; both rows are outside of every partition there."""
    last = ZYNQ.device.address(ZYNQ.device.row_of["Y2"], len(ZYNQ.device.columns) - 1, 0)
    count = ZYNQ.device.column_frames[-1]
    words = load(ZYNQ.device, last, np.zeros((count + 2 + 3, 101), np.uint32))
    written = [out.frame_address for out in port.write(words) if out.frame_written]
    following = ZYNQ.device.address(ZYNQ.device.row_of["Y1"], 0)
    assert written == [*range(last, last + count), following, following + 1, following + 2]


def test_mfwr_wants_mfw_and_a_frame(port: Port) -> None:
    address = int(frame_order(ZYNQ.device).partition(ZYNQ.partitions[0])[0])

    def without_mfw(writer: StreamWriter) -> None:
        write(writer, address, contents(ZYNQ.device, 1, (MODULE, 0)))
        writer.write(Register.FAR, address + 1)
        writer.write(Register.MFWR, 0, 0, 0, 0)
        writer.crc()

    outputs = port.write(stream(ZYNQ.device, without_mfw))
    assert sum(out.frame_written for out in outputs) == 1

    def without_frame(writer: StreamWriter) -> None:
        writer.command(Command.MFW)
        writer.write(Register.FAR, address)
        writer.write(Register.MFWR, 0, 0, 0, 0)
        writer.crc()

    assert not any(out.frame_written for out in port.write(stream(ZYNQ.device, without_frame)))
