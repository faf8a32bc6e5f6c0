"""What the configuration controller of every device does with a load, whatever the host says.

The registers are written by hand: a host that keeps to `Device` does none of this.
"""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arch.packets import NOP, Register, type1, write
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.contract.static_region import (
    CONTROLLER_PORT,
    STATIC_REGION,
    ConfigurationError,
    ConfigurationState,
    PartitionState,
    partition_register,
)
from fpga_rt.device.interface import Device
from fpga_rt.errors import ReconfigurationError
from tests.conformance.test_device import base
from tests.device.programs import activate, module_named, stage


@pytest.fixture(autouse=True)
def _controller(device: Device) -> None:
    """Skip where the static region has no configuration port."""
    if CONTROLLER_PORT not in device.capabilities.board.ports:
        pytest.skip(f"{device.capabilities.board.name} has no port {CONTROLLER_PORT}")


def write_fields(device: Device, name: str, **fields: int) -> None:
    """Write a register of one word, or both words of a value."""
    register = STATIC_REGION[name]
    for word, value in enumerate(register.word_values(register.pack(**fields))):
        device.write32(register.offset + 4 * word, value)


def read_fields(device: Device, name: str) -> dict[str, int]:
    register = STATIC_REGION[name]
    return register.unpack(device.read32(register.offset))


def partition_state(device: Device, partition: int) -> PartitionState:
    return PartitionState(read_fields(device, partition_register(partition, "status"))["state"])


def say(device: Device, partition: int, verb: str) -> PartitionState:
    """Write `begin`, `finish` or `fail`, and return the state that follows."""
    write_fields(device, partition_register(partition, "load"), **{verb: 1})
    return partition_state(device, partition)


def start_controller(device: Device, address: int, words: int) -> None:
    write_fields(device, "configuration_source", value=address)
    write_fields(device, "configuration_words", value=words)
    write_fields(device, "configuration_control", start=1)


def controller_ends(device: Device, polls: int = 100_000) -> ConfigurationError:
    """Wait until the controller runs no more, and return its error."""
    for _ in range(polls):
        status = read_fields(device, "configuration_status")
        if status["state"] != ConfigurationState.RUNNING:
            return ConfigurationError(status["error"])
    raise AssertionError(f"the controller runs after {polls} polls")


def stays_isolated(device: Device, partition: int) -> None:
    """Check that a failed partition neither comes to hold a module nor is coupled."""
    assert partition_state(device, partition) is PartitionState.FAILED
    assert say(device, partition, "finish") is PartitionState.FAILED
    with pytest.raises(ReconfigurationError, match="is failed and stays decoupled"):
        device.recouple(partition)


def test_the_host_cannot_finish_a_load_that_runs(device: Device) -> None:
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    pending = device.begin_load(0, staged, "icap")
    assert say(device, 0, "finish") is PartitionState.LOADING
    with pytest.raises(ReconfigurationError, match="is loading and stays decoupled"):
        device.recouple(0)
    device.wait(pending)
    assert partition_state(device, 0) is PartitionState.LOADED
    device.reset(0)
    assert device.identify(0) == staged.module_id
    device.recouple(0)


def test_a_load_that_is_aborted_fails_by_itself(device: Device) -> None:
    staged = activate(device, 0, "add_8", CONTROLLER_PORT)
    device.decouple(0)
    device.begin_load(0, staged, "icap")
    write_fields(device, "configuration_control", abort=1)
    assert controller_ends(device) is ConfigurationError.ABORTED
    stays_isolated(device, 0)
    assert say(device, 0, "begin") is PartitionState.LOADING


@pytest.mark.parametrize(
    ("address", "error"),
    [(0x100, ConfigurationError.BUS), (0x104, ConfigurationError.BUS), (None, None)],
    ids=["outside of the memory", "unaligned", "a stream for another device"],
)
def test_a_load_that_fails_does_so_by_itself(
    device: Device, address: int | None, error: ConfigurationError | None
) -> None:
    buffer = device.allocate(256)
    foreign = base(device.capabilities.board.device.idcode ^ 0x1000)
    buffer.view[: len(foreign)] = np.frombuffer(foreign, np.uint8)
    buffer.flush()
    activate(device, 1, "add_8", CONTROLLER_PORT)
    device.decouple(0)
    assert say(device, 0, "begin") is PartitionState.LOADING
    start_controller(device, buffer.address if address is None else address, len(foreign) // 4)
    assert controller_ends(device) is (error or ConfigurationError.IDCODE)
    stays_isolated(device, 0)
    assert partition_state(device, 1) is PartitionState.ACTIVE
    activate(device, 0, "add_8", CONTROLLER_PORT)


def spoiled(good: bytes, how: str) -> bytes:
    """Break a stream in a way that its bytes alone show."""
    words = np.frombuffer(good, ">u4").copy()
    crc = np.flatnonzero(words == type1(Register.CRC, 1))[-1]
    if how == "wrong CRC":
        words[crc + 1] ^= 1
    elif how == "no CRC":
        words[crc : crc + 2] = NOP
    elif how == "forbidden":
        words[crc] = type1(Register.WBSTAR, 1)
    return bytes(words.tobytes())


@pytest.mark.parametrize(
    ("how", "error", "reported"),
    [
        ("wrong CRC", ConfigurationError.CRC, 1),
        ("no CRC", ConfigurationError.CRC, 0),
        ("forbidden", ConfigurationError.FORBIDDEN, 0),
        ("neighbour", ConfigurationError.PARTITION, 0),
    ],
)
def test_the_controller_names_what_is_wrong_with_a_stream(
    device: Device, how: str, error: ConfigurationError, reported: int
) -> None:
    """STAT is read where the port itself found the error; its lowest bit says CRC (UG470)."""
    board = device.capabilities.board
    idcode = "configuration_idcode"
    assert read_fields(device, idcode) == {"value": 0}
    place = board.partitions[how == "neighbour"]
    good = simulation_bitstream(board.device, place, module_named("add_8").module_id)
    stream = spoiled(good, how)
    buffer = device.allocate(len(stream))
    buffer.view[:] = np.frombuffer(stream, np.uint8)
    buffer.flush()
    device.decouple(0)
    say(device, 0, "begin")
    start_controller(device, buffer.address, len(stream) // 4)
    assert controller_ends(device) is error
    stays_isolated(device, 0)
    assert read_fields(device, idcode) == {"value": board.device.idcode}
    assert read_fields(device, "configuration_port_status")["value"] & 1 == reported
    activate(device, 0, "add_8", CONTROLLER_PORT)
    assert read_fields(device, "configuration_port_status") == {"value": 0}


def two_faults(good: bytes, how: str) -> bytes:
    """Break a stream in two places; which of them comes first is in the name."""
    words = np.frombuffer(good, ">u4").copy()
    idcode = np.flatnonzero(words == type1(Register.IDCODE, 1))[0]
    crc = np.flatnonzero(words == type1(Register.CRC, 1))[-1]
    if how == "no header, IDCODE":
        words[idcode - 1], words[idcode + 1] = 0xFFFFFFFF, words[idcode + 1] ^ 0x1000
    elif how == "IDCODE, no header":
        words[idcode + 1], words[idcode + 2] = words[idcode + 1] ^ 0x1000, 0xFFFFFFFF
    elif how == "forbidden, cut off":
        words[idcode] = type1(Register.WBSTAR, 1)
        words = words[: crc - 20]
    elif how == "CRC, IDCODE":
        words[crc + 1] ^= 1
        again = np.array(
            [*[NOP] * 32, *write(Register.IDCODE, int(words[idcode + 1]) ^ 0x1000)], ">u4"
        )
        words = np.concatenate([words[: crc + 2], again, words[crc + 2 :]]).astype(">u4")
    elif how == "bytes in another order":
        words = words.byteswap()
    return bytes(words.tobytes())


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("no header, IDCODE", ConfigurationError.FORBIDDEN),
        ("IDCODE, no header", ConfigurationError.IDCODE),
        ("forbidden, cut off", ConfigurationError.FORBIDDEN),
        ("CRC, IDCODE", ConfigurationError.CRC),
        ("bytes in another order", ConfigurationError.INCOMPLETE),
    ],
)
def test_of_two_faults_the_first_in_the_stream_counts(
    device: Device, how: str, error: ConfigurationError
) -> None:
    board = device.capabilities.board
    good = simulation_bitstream(board.device, board.partitions[0], module_named("add_8").module_id)
    stream = two_faults(good, how)
    buffer = device.allocate(len(stream))
    buffer.view[:] = np.frombuffer(stream, np.uint8)
    buffer.flush()
    device.decouple(0)
    say(device, 0, "begin")
    start_controller(device, buffer.address, len(stream) // 4)
    assert controller_ends(device) is error
    stays_isolated(device, 0)


def test_a_source_that_no_partition_waits_for_is_not_looked_at(device: Device) -> None:
    start_controller(device, 0x104, 16)
    assert controller_ends(device) is ConfigurationError.PARTITION


@pytest.mark.parametrize(("source", "probed"), [(0x100, True), (0x104, False), (1 << 32, False)])
def test_the_port_is_probed_before_memory_turns_out_to_be_missing(
    device: Device, source: int, probed: bool
) -> None:
    device.decouple(0)
    say(device, 0, "begin")
    start_controller(device, source, 16)
    assert controller_ends(device) is ConfigurationError.BUS
    found = read_fields(device, "configuration_idcode")["value"]
    assert found == (device.capabilities.board.device.idcode if probed else 0)


def test_a_start_while_a_load_runs_is_refused_and_shown(device: Device) -> None:
    """Whose load it was that ended is not known then, so the host takes none for good."""
    if device.capabilities.clock == "wall":
        pytest.skip("on the wall clock the load may end before the second start")
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    pending = device.begin_load(0, staged, "icap")
    assert not read_fields(device, "configuration_status")["refused"]
    start_controller(device, 0x104, 3)
    status = read_fields(device, "configuration_status")
    assert (status["state"], status["refused"]) == (ConfigurationState.RUNNING, 1)
    with pytest.raises(
        ReconfigurationError,
        match=r"through icap: a start was refused while a load ran: is another host using the"
        r" controller\?; the partition is failed and decoupled",
    ):
        device.wait(pending)
    status = read_fields(device, "configuration_status")
    assert (status["state"], status["error"], status["refused"]) == (ConfigurationState.DONE, 0, 1)
    stays_isolated(device, 0)
    activate(device, 0, "add_8", CONTROLLER_PORT)
    assert not read_fields(device, "configuration_status")["refused"]


def test_a_load_for_two_partitions_fails_both(device: Device) -> None:
    for partition in (0, 1):
        device.decouple(partition)
        assert say(device, partition, "begin") is PartitionState.LOADING
    start_controller(device, device.allocate(64).address, 16)
    assert controller_ends(device) is ConfigurationError.PARTITION
    for partition in (0, 1):
        stays_isolated(device, partition)


def test_a_load_is_given_up_when_another_one_begins(device: Device) -> None:
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    device.begin_load(0, staged, "icap")
    assert say(device, 1, "begin") is PartitionState.LOADING
    assert controller_ends(device) is ConfigurationError.PARTITION
    stays_isolated(device, 0)
    assert partition_state(device, 1) is PartitionState.LOADING


def test_a_load_past_the_controller_ends_by_the_hosts_word(device: Device) -> None:
    activate(device, 0, "add_8", CONTROLLER_PORT)
    device.decouple(0)
    assert say(device, 0, "begin") is PartitionState.LOADING
    assert say(device, 0, "finish") is PartitionState.LOADED
    device.recouple(0)
