"""What the simulated kernel programs, and what it refuses, with the state that it ends in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.families import CLB
from fpga_rt.bitstream.build import bit_file, build, simulation_bitstream
from fpga_rt.bitstream.convert import convert
from fpga_rt.bitstream.expand import Frames, frame_order
from fpga_rt.contract.static_region import STATIC_REGION, PartitionState, partition_register
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.faults import CorruptLoad
from fpga_rt.errors import FpgaRtError, ReconfigurationError
from fpga_rt.serve.board import PynqBoard
from fpga_rt.serve.designs import static_region_stream
from tests.serve.caller import MANAGER
from tests.serve.streams import ADD, TARGET, partial

FILE = "/lib/firmware/it.bin"


def program(simulated: PynqBoard, content: bytes, flags: bytes = b"1\n") -> str:
    """Write flags and firmware as a client does; return what was refused, or an empty text."""
    simulated.files.write(FILE, content)
    try:
        simulated.files.write(f"{MANAGER}/flags", flags)
        simulated.files.write(f"{MANAGER}/firmware", b"it.bin\n")
    except FpgaRtError as error:
        return str(error)
    return ""


def state(simulated: PynqBoard) -> str:
    return simulated.files.read(f"{MANAGER}/state").decode()


def partition_state(simulated: PynqBoard, partition: int) -> PartitionState:
    name = partition_register(partition, "status")
    word = simulated.device.read32(STATIC_REGION[name].offset)
    return PartitionState(STATIC_REGION[name].unpack(word)["state"])


def flipped(content: bytes) -> bytes:
    """Return it with a bit of its frame data changed."""
    middle = len(content) // 2 // 4 * 4
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def full() -> bytes:
    return convert(static_region_stream(TARGET)).data


def foreign(kind: str) -> bytes:
    """Return a bitstream for another FPGA."""
    other = board("zybo-z7-10")
    if kind == "full":
        return convert(static_region_stream(other)).data
    return convert(simulation_bitstream(other.device, other.partitions[0], ADD.module_id)).data


REFUSED: list[tuple[str, Callable[[], bytes], bytes, str, str]] = [
    ("no sync", lambda: bytes(4096), b"1", "write init error", "is this a bitstream"),
    (
        "big-endian",
        lambda: convert(partial(), "big").data,
        b"1",
        "write init error",
        "no sync word 66 55 99 AA: got big-endian words",
    ),
    (
        "header",
        lambda: bit_file(convert(partial(), "big").data, "m", "7z020clg400", True),
        b"1",
        "write init error",
        "got a .bit file with its header",
    ),
    ("crc", lambda: flipped(partial()), b"1", "write init error", "CRC at byte"),
    (
        "full as partial",
        full,
        b"1",
        "write init error",
        "`flags` says partial, and the bitstream is full; write 0 to",
    ),
    (
        "partial as full",
        partial,
        b"0",
        "write init error",
        "`flags` says full, and the bitstream is partial; write 1 to",
    ),
    ("full of another", lambda: foreign("full"), b"0", "write error", "IDCODE"),
    ("partial of another", lambda: foreign("partial"), b"1", "write error", "IDCODE"),
]


@pytest.mark.parametrize(
    ("make", "flags", "ends_in", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_what_no_board_should_be_given_is_refused(
    pynq_board: PynqBoard, make: Callable[[], bytes], flags: bytes, ends_in: str, message: str
) -> None:
    assert program(pynq_board, partial(0)) == ""
    assert message in program(pynq_board, make(), flags)
    assert state(pynq_board) == f"{ends_in}\n"
    assert partition_state(pynq_board, 0) is PartitionState.LOADED
    assert pynq_board.device.identify(0) == ADD.module_id
    assert program(pynq_board, partial(0)) == ""
    assert state(pynq_board) == "operating\n"


def test_a_partial_for_frames_of_no_partition_is_refused(pynq_board: PynqBoard) -> None:
    text = program(pynq_board, static_column())
    assert "the partial is for no partition of pynq-z2: " in text
    for partition in TARGET.partitions:
        assert f"{partition.name}: " in text
    assert state(pynq_board) == "write error\n"


def static_column() -> bytes:
    """Return a sound partial for a column that no partition has."""
    chip = TARGET.device
    taken = {int(a) for p in TARGET.partitions for a in frame_order(chip).partition(p)}
    frames = next(
        addresses
        for row in chip.rows
        for column, kind in enumerate(chip.columns)
        if kind == CLB
        and not taken & set(addresses := [chip.address(row, column, m) for m in range(36)])
    )
    words = np.zeros((len(frames), chip.family.frame_words), np.uint32)
    return convert(build(chip, Frames(np.array(frames), words))).data


def test_a_coupled_partition_is_not_loaded(pynq_board: PynqBoard) -> None:
    program(pynq_board, partial(0))
    pynq_board.device.reset(0)
    pynq_board.device.recouple(0)
    assert "rp0) of emulator (pynq-z2) is active and not decoupled" in program(
        pynq_board, partial(0)
    )
    assert state(pynq_board) == "write error\n"
    assert partition_state(pynq_board, 0) is PartitionState.ACTIVE


def test_a_load_that_fails_on_its_way_leaves_the_partition_failed() -> None:
    with Emulator(TARGET, memory_bytes=1 << 20, faults=[CorruptLoad(1)]) as device:
        simulated = PynqBoard(device)
        simulated.files.write(FILE, partial(0))
        simulated.files.write(f"{MANAGER}/flags", b"1")
        with pytest.raises(ReconfigurationError, match="CRC error"):
            simulated.files.write(f"{MANAGER}/firmware", b"it.bin")
        assert state(simulated) == "write error\n"
        assert partition_state(simulated, 0) is PartitionState.FAILED
        simulated.files.write(f"{MANAGER}/firmware", b"it.bin")
        assert partition_state(simulated, 0) is PartitionState.LOADED


def test_flags_stay_and_are_hexadecimal(pynq_board: PynqBoard) -> None:
    assert program(pynq_board, partial(0), b"0x1") == ""
    assert pynq_board.files.read(f"{MANAGER}/flags") == b"1\n"
    for text in (b"5", b"one", b"-1", b""):
        assert "expected 0 (full) or 1 (partial)" in program(pynq_board, partial(0), text)
    assert pynq_board.files.read(f"{MANAGER}/flags") == b"1\n"


@pytest.mark.parametrize("name", ["none.bin", "../tmp/it.bin", "/lib/firmware/it.bin", ""])
def test_firmware_is_looked_up_in_its_folder_only(pynq_board: PynqBoard, name: str) -> None:
    program(pynq_board, partial(0))
    with pytest.raises(FpgaRtError, match=r"ENOENT|is no name of a file in /lib/firmware"):
        pynq_board.files.write(f"{MANAGER}/firmware", name.encode())
    assert state(pynq_board) == "firmware request error\n"
