"""A static region that answers with codes of another version: told, and never taken for another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fpga_rt.contract.static_region import STATIC_REGION, PartitionState
from fpga_rt.device.emulator import Emulator
from fpga_rt.errors import DeviceError
from tests.conformance.scaling import run_scale
from tests.conformance.test_controller import partition_state
from tests.device.programs import activate, module_named, stage


class Newer(Emulator):
    """An emulator some of whose registers hold what this version does not know."""

    def __init__(self) -> None:
        super().__init__("pynq-z2", memory_bytes=1 << 20)
        self.answers: dict[int, int] = {}

    def answer(self, name: str, **fields: int) -> None:
        register = STATIC_REGION[name]
        self.answers[register.offset] = register.pack(**fields)

    def read32(self, offset: int) -> int:
        return self.answers.get(offset, super().read32(offset))


@pytest.fixture
def device() -> Iterator[Newer]:
    newer = Newer()
    with newer:
        yield newer


def test_an_unknown_state_of_a_partition_is_named(device: Newer) -> None:
    activate(device, 0, "add_8")
    staged = stage(device, 0, module_named("add_8"))
    device.answer("partition0_status", state=7, decoupled=1, quiescent=1)
    message = (
        r"emulator \(pynq-z2\): register partition0_status holds PartitionState 7, expected one of"
        " 0 EMPTY, 1 LOADING, 2 LOADED, 3 ACTIVE, 4 FAILED; load the static region that belongs to"
    )
    with pytest.raises(DeviceError, match=message):
        device.recouple(0)
    with pytest.raises(DeviceError, match=message):
        device.begin_load(0, staged, "icap")


def test_an_unknown_error_of_the_controller_is_named(device: Newer) -> None:
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    pending = device.begin_load(0, staged, "icap")
    device.answer("configuration_status", state=3, error=15)
    with pytest.raises(DeviceError, match="configuration_status holds ConfigurationError 15, exp"):
        device.wait(pending)
    assert partition_state(device, 0) is PartitionState.FAILED


def test_an_unknown_error_of_the_sequencer_is_named(device: Newer) -> None:
    pending = device.submit(run_scale(device).submission())
    device.answer("sequencer_status", done=1, error=15)
    with pytest.raises(DeviceError, match="sequencer_status holds SequencerError 15, expected one"):
        device.wait(pending)
