"""The simulated board around the real static region: modules loaded through both ways."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import fpga_rt
from fpga_rt.bitstream.convert import convert
from fpga_rt.contract.static_region import (
    STATIC_REGION,
    ConfigurationState,
    PartitionState,
    partition_register,
)
from fpga_rt.device.registry import devices
from fpga_rt.serve.board import PynqBoard
from fpga_rt.serve.clients import Clients, add
from fpga_rt.serve.hwh import static_region_range
from tests.serve.caller import MANAGER
from tests.serve.streams import ADD, TARGET, partial

pytestmark = pytest.mark.slow
BASE = static_region_range(TARGET).base


@pytest.fixture(scope="module")
def simulated() -> Iterator[PynqBoard]:
    """A board whose static region and modules are RTL."""
    obstacle = {one.name: one.obstacle for one in devices()}.get("rtl", "it is not installed")
    if obstacle:
        pytest.skip(f"device rtl: {obstacle}")
    with fpga_rt.open_device("rtl", TARGET, memory_bytes=1 << 20) as device:
        yield PynqBoard(device)


def read(simulated: PynqBoard, name: str) -> int:
    return simulated.read_word(BASE + STATIC_REGION[name].offset)


def state(simulated: PynqBoard, partition: int) -> PartitionState:
    name = partition_register(partition, "status")
    return PartitionState(STATIC_REGION[name].unpack(read(simulated, name))["state"])


def test_a_download_goes_through_the_gateware(simulated: PynqBoard) -> None:
    simulated.files.write("/lib/firmware/it.bin", partial(0))
    simulated.files.write(f"{MANAGER}/flags", b"1")
    simulated.files.write(f"{MANAGER}/firmware", b"it.bin")
    assert state(simulated, 0) is PartitionState.LOADED
    assert simulated.device.identify(0) == ADD.module_id


def test_a_client_loads_through_the_controller_by_registers(simulated: PynqBoard) -> None:
    client = Clients().of("ipv4:127.0.0.1:1")
    stream = convert(partial(1), "big").data
    buffer = simulated.allocate(len(stream))
    add(client.buffers, buffer, "buffer")
    buffer.view[:] = np.frombuffer(stream, np.uint8)

    def write(name: str, value: int) -> None:
        register = STATIC_REGION[name]
        for word, part in enumerate(register.word_values(value)):
            simulated.write_word(BASE + register.offset + 4 * word, part, client.window)

    write("partition1_load", STATIC_REGION["partition1_load"].pack(begin=1))
    write("configuration_source", buffer.address)
    write("configuration_words", len(stream) // 4)
    write("configuration_control", STATIC_REGION["configuration_control"].pack(start=1))
    status = STATIC_REGION["configuration_status"]
    polls = (status.unpack(read(simulated, "configuration_status")) for _ in range(1000))
    fields = next(fields for fields in polls if fields["state"] != ConfigurationState.RUNNING)
    assert (fields["state"], fields["error"]) == (ConfigurationState.DONE, 0)
    write("partition1_load", STATIC_REGION["partition1_load"].pack(finish=1))
    simulated.device.reset(1)
    assert simulated.device.identify(1) == ADD.module_id
    simulated.device.recouple(1)
    assert state(simulated, 1) is PartitionState.ACTIVE
