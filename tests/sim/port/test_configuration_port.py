"""What the port itself does: power-up, reads, aborts, errors; and streams that must not load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board
from fpga_rt.arch.packets import NOP, SYNC, Command, Register, type1
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.expand import frame_order
from fpga_rt.bitstream.writer import StreamWriter
from tests.sim.port.harness import (
    Outputs,
    Port,
    icarus_clocks,
    parameters_of,
    swap,
    swap_words,
)
from tests.sim.port.streams import (
    contents,
    desync,
    load,
    read_request,
    stream,
    words_of,
    write,
)

ZYNQ, KRIA = boards.board("pynq-z2"), boards.board("kv260")
FIRST = [int(frame_order(ZYNQ.device).partition(p)[0]) for p in ZYNQ.partitions]
IDLE, ALIGNED, READING = 0xFFFFFF9F, 0xFFFFFFDF, 0xFFFFFFFF
GOOD = words_of(simulation_bitstream(ZYNQ.device, ZYNQ.partitions[0], 5))


def _assert_good(outputs: list[Outputs], partition: int = 0, module: int = 5) -> None:
    loads = [(out.loaded_partition, out.loaded_id) for out in outputs if out.loaded]
    assert loads == [(partition, module)]
    end = outputs[-1]
    flags = (end.garbage, end.crc_error, end.id_error, end.far_error, end.synced)
    assert flags == (0, 0, 0, 0, 0)


def _assert_broken(outputs: list[Outputs], garbage: int) -> None:
    assert not any(out.loaded for out in outputs)
    assert outputs[-1].garbage == garbage


def test_deaf_for_the_first_1_25_us(make_port: Callable[..., Port]) -> None:
    port = make_port("pynq-z2", power_up=False)
    assert [out.synced for out in port.write([SYNC] * 127)] == [0] * 125 + [1, 1]


def test_deaf_while_the_processor_owns_it(port: Port) -> None:
    quiet = port.clock(csib=0, rdwrb=0, i=swap(SYNC), pcap_owns=1)
    assert (quiet.o, quiet.synced) == (0xFFFFFFFF, 0)
    _assert_good(port.write(GOOD))


def test_ownership_keeps_what_was_begun(port: Port) -> None:
    port.write(GOOD[:200])
    for _ in range(3):
        port.clock(csib=0, rdwrb=1, i=0, pcap_owns=1)
    _assert_good(port.write(GOOD[200:]))


@pytest.mark.parametrize("board", [ZYNQ, KRIA], ids=lambda board: str(board.name))
def test_idcode_is_read_on_the_third_clock(make_port: Callable[[str], Port], board: Board) -> None:
    port = make_port(board.name)
    port.write(read_request(Register.IDCODE))
    status = swap(READING)
    assert port.read(5) == [status, status, board.device.idcode, swap(ALIGNED), swap(ALIGNED)]
    port.write(desync())
    assert port.idle(1).o == IDLE


def test_a_read_that_pauses_starts_its_clocks_again(port: Port) -> None:
    port.write(read_request(Register.IDCODE, 2))
    assert port.read(3)[2] == 0x03727093
    assert port.read(2) == [swap(READING)] * 2
    assert port.read(3)[2] == 0x03727093
    assert port.read(3)[2] == swap(ALIGNED)


@pytest.mark.parametrize(
    ("register", "value"),
    [
        (Register.STAT, 0x001078FC),
        (Register.FAR, 0x00400123),
        (Register.MASK, 0x500),
        (Register.CTL0, 0x100),
        (Register.CTL1, 0),
        (Register.CMD, Command.WCFG),
        (Register.COR0, 0x38003FE5),
        (Register.FDRO, 0),
    ],
)
def test_registers_can_be_read(port: Port, register: int, value: int) -> None:
    writer = StreamWriter(ZYNQ.device.family)
    writer.lead_in()
    writer.write(Register.FAR, 0xFC400123)
    writer.write(Register.COR0, 0x38003FE5)
    writer.control(Register.CTL0, 0x500, 0x10F)
    writer.command(Command.WCFG)
    port.write(writer.words())
    port.write(read_request(register)[1:])
    assert port.read(3)[2] == value


def test_status_while_writing(port: Port) -> None:
    assert [out.o for out in port.write([NOP, SYNC, NOP])] == [IDLE, ALIGNED, ALIGNED]
    assert port.write(desync())[-1].o == IDLE


def test_words_wait_while_deselected(port: Port) -> None:
    outputs = []
    for word in GOOD:
        outputs += port.write([int(word)])
        outputs.append(port.clock(csib=1, rdwrb=1, i=swap(SYNC)))
    _assert_good(outputs)


def test_abort_of_a_write(port: Port) -> None:
    outputs = port.write(GOOD[: len(GOOD) // 2])
    assert outputs[-1].garbage == 1
    aborted = [port.clock(csib=0, rdwrb=1) for _ in range(5)]
    assert [out.o & 0xFF for out in aborted] == [0xDF, 0xCF, 0x8F, 0x9F, 0x9F]
    assert [out.synced for out in aborted] == [1, 1, 0, 0, 0]
    port.idle(1)
    _assert_broken(port.write(GOOD[len(GOOD) // 2 :]), garbage=1)
    _assert_good(port.write(GOOD))


def test_abort_of_a_read_ignores_its_words(port: Port) -> None:
    port.write(read_request(Register.IDCODE))
    port.idle(1)
    port.clock(csib=0, rdwrb=1)
    aborted = port.write([SYNC] * 4)
    assert [out.o & 0xFF for out in aborted] == [0xDF, 0xCF, 0x8F, 0x9F]
    assert port.write([SYNC])[0].o == ALIGNED


def test_turning_round_while_deselected_is_no_abort(port: Port) -> None:
    port.write([SYNC])
    port.clock(csib=1, rdwrb=0)
    port.clock(csib=1, rdwrb=1)
    assert port.clock(csib=0, rdwrb=1).o == ALIGNED


def test_a_truncated_stream_swallows_the_next(port: Port) -> None:
    """Unless the port is aborted between them: the words fill the packet that was begun."""
    port.write(GOOD[:300])
    _assert_broken(port.write(GOOD), garbage=1)
    port.clock(csib=0, rdwrb=0)
    for _ in range(4):
        port.clock(csib=0, rdwrb=1)
    port.idle(1)
    _assert_good(port.write(GOOD))


def test_every_flipped_bit_of_a_frame_is_found(port: Port) -> None:
    start = int(np.flatnonzero(GOOD == 0x46524D31)[0])
    for offset, bit in ((0, 0), (3, 31), (100, 7), (403, 16)):
        broken = GOOD.copy()
        broken[start + offset] ^= np.uint32(1 << bit)
        outputs = port.write(broken)
        _assert_broken(outputs, garbage=1)
        assert (outputs[-1].crc_error, outputs[-1].o) == (1, 0xFFFFFF1F)
    _assert_good(port.write(GOOD))


def test_errors_stay_until_rcrc(port: Port) -> None:
    broken = GOOD.copy()
    broken[300] ^= 1
    port.write(broken)
    assert port.write([SYNC])[-1].o == 0xFFFFFF5F
    assert port.write([type1(Register.CMD, 1), Command.RCRC])[-1].o == ALIGNED


def test_stat_tells_the_error(port: Port) -> None:
    broken = GOOD.copy()
    broken[300] ^= 1
    port.write(broken)
    port.write(read_request(Register.STAT))
    assert port.read(3)[2] == 0x001078FD
    port.write([*desync(), SYNC, type1(Register.IDCODE, 1), 1])
    port.write(read_request(Register.STAT))
    assert port.read(3)[2] == 0x001078FD | 1 << 15


def test_a_stream_for_another_device_writes_nothing(port: Port) -> None:
    words = stream(
        ZYNQ.device, lambda writer: write(writer, FIRST[0], contents(ZYNQ.device, 3)), 0x03722093
    )
    outputs = port.write(words)
    _assert_broken(outputs, garbage=0)
    assert (outputs[-1].id_error, outputs[-1].o) == (1, 0xFFFFFF1F)
    assert not any(out.frame_written for out in outputs)


def test_the_revision_of_the_idcode_is_not_compared(port: Port) -> None:
    def body(writer: StreamWriter) -> None:
        write(writer, FIRST[0], contents(ZYNQ.device, 3, (9, 0)))
        writer.crc()

    _assert_good(port.write(stream(ZYNQ.device, body, 0xF3727093)), 0, 9)


def test_frames_want_an_idcode(port: Port) -> None:
    writer = StreamWriter(ZYNQ.device.family)
    writer.lead_in()
    writer.command(Command.RCRC)
    write(writer, FIRST[0], contents(ZYNQ.device, 3))
    writer.finish(4)
    outputs = port.write(writer.words())
    _assert_broken(outputs, garbage=0)
    assert outputs[-1].id_error == 1


def test_frames_want_wcfg(port: Port) -> None:
    def body(writer: StreamWriter) -> None:
        writer.write(Register.FAR, FIRST[0])
        writer.run(contents(ZYNQ.device, 3), 1)
        writer.crc()

    outputs = port.write(stream(ZYNQ.device, body))
    assert not any(out.frame_written for out in outputs)
    _assert_broken(outputs, garbage=0)


def test_the_flush_frame_is_not_written(port: Port) -> None:
    outputs = port.write(load(ZYNQ.device, FIRST[0], contents(ZYNQ.device, 3, (9, 0))))
    written = [out.frame_address for out in outputs if out.frame_written]
    assert written == [FIRST[0] + n for n in range(3)]


def test_frames_that_no_crc_covers(port: Port) -> None:
    frames = contents(ZYNQ.device, 3, (9, 0))
    _assert_broken(port.write(load(ZYNQ.device, FIRST[0], frames, crc=False)), garbage=1)

    def reset_behind_frames(writer: StreamWriter) -> None:
        write(writer, FIRST[0], frames)
        writer.command(Command.RCRC)
        writer.crc()

    _assert_broken(port.write(stream(ZYNQ.device, reset_behind_frames)), garbage=1)
    _assert_good(port.write(GOOD))


def test_frames_of_two_partitions(port: Port) -> None:
    def body(writer: StreamWriter) -> None:
        write(writer, FIRST[0], contents(ZYNQ.device, 3, (9, 0)))
        write(writer, FIRST[2], contents(ZYNQ.device, 3, (9, 2)))
        writer.crc()

    outputs = port.write(stream(ZYNQ.device, body))
    _assert_broken(outputs, garbage=0b101)
    assert outputs[-1].far_error == 1
    third = simulation_bitstream(ZYNQ.device, ZYNQ.partitions[2], 6)
    assert port.write(words_of(third))[-1].garbage == 0b001
    _assert_good(port.write(GOOD))


@pytest.mark.parametrize("far", [0, 0x00400600, 0x0000007F], ids=["static", "no", "between"])
def test_frames_outside_of_every_partition(port: Port, far: int) -> None:
    def body(writer: StreamWriter) -> None:
        write(writer, far, contents(ZYNQ.device, 2))
        write(writer, FIRST[0], contents(ZYNQ.device, 3, (9, 0)))
        writer.crc()

    outputs = port.write(stream(ZYNQ.device, body))
    _assert_broken(outputs, garbage=1)
    assert outputs[-1].far_error == 1
    _assert_good(port.write(GOOD))


def test_only_frames_outside(port: Port) -> None:
    outputs = port.write(load(ZYNQ.device, 0, contents(ZYNQ.device, 2)))
    _assert_broken(outputs, garbage=0)
    assert outputs[-1].far_error == 1


def test_what_a_broken_load_left_names_no_module(port: Port) -> None:
    """Frames beside the first one, loaded clean, do not bring its identity back."""
    _assert_good(port.write(GOOD))
    broken = GOOD.copy()
    broken[-20] ^= 1
    _assert_broken(port.write(broken), garbage=1)
    outputs = port.write(load(ZYNQ.device, FIRST[0] + 6, contents(ZYNQ.device, 2)))
    _assert_good(outputs, 0, 0)


def test_headers_that_are_none_are_passed_over(port: Port) -> None:
    at = int(np.flatnonzero(GOOD == SYNC)[0]) + 1
    odd = [0, SYNC, 0xFFFFFFFF, 0x60000001, type1(Register.CMD, 1, 3), 0x40000003]
    _assert_good(port.write(np.insert(GOOD, at, odd)))


def test_pins_of_icape3(plus_port: Port) -> None:
    device, partition = KRIA.device, KRIA.partitions[0]
    good = words_of(simulation_bitstream(device, partition, 5))
    outputs = plus_port.write(good)
    header = int(np.flatnonzero(good == type1(Register.FDRI, 0))[0])
    ended = next(n for n, out in enumerate(outputs) if out.loaded)
    expected = [1] * header + [0] * (ended - header) + [1] * (len(good) - ended)
    assert [out.prdone for out in outputs] == expected
    assert not any(out.prerror for out in outputs)
    broken = good.copy()
    broken[300] ^= 1
    end = plus_port.write(broken)[-1]
    assert (end.prdone, end.prerror) == (0, 1)
    assert plus_port.clock(pcap_owns=1).avail == 0
    assert plus_port.write(good)[-1].prerror == 0


def test_icape2_has_no_such_pins(port: Port) -> None:
    broken = GOOD.copy()
    broken[300] ^= 1
    end = port.write(broken)[-1]
    assert (end.avail, end.prdone, end.prerror) == (1, 1, 0)


def test_prdone_waits_for_start(plus_port: Port) -> None:
    device = KRIA.device
    address = int(frame_order(device).partition(KRIA.partitions[0])[0])

    def body(writer: StreamWriter, *, start: bool) -> None:
        writer.command(Command.SHUTDOWN)
        write(writer, address, contents(device, 2, (9, 0)))
        if start:
            writer.command(Command.START)
        writer.crc()

    assert plus_port.write(stream(device, lambda w: body(w, start=False)))[-1].prdone == 0
    assert plus_port.write(stream(device, lambda w: body(w, start=True)))[-1].prdone == 1


def test_an_unknown_word_fails_a_load(tmp_path: Path) -> None:
    sent = np.concatenate([np.full(4, NOP, np.uint32), GOOD])
    pins = np.zeros((len(sent), 4), np.uint32)
    pins[:, 2] = swap_words(sent)
    parameters = {**parameters_of(ZYNQ), "POWER_UP_CLOCKS": 0}
    broken = icarus_clocks(tmp_path, parameters, pins, unknown={0, 300})
    _assert_broken(broken, garbage=1)
    assert [broken[n].crc_error for n in (0, 299, 300)] == [0, 0, 1]
    _assert_good(icarus_clocks(tmp_path, parameters, pins, unknown={0, 1}))
