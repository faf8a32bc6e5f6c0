"""What is stopped, on registers that are numbers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device import stopping
from fpga_rt.device.stopping import drain, is_static_region, isolate, stop
from fpga_rt.errors import DeviceError


class Numbers:
    """A window whose registers read, one after the other, what they are given."""

    def __init__(self, answers: Mapping[str, list[dict[str, int]]]) -> None:
        self.done: list[str] = []
        self._answers = {
            STATIC_REGION[name].offset: [STATIC_REGION[name].pack(**fields) for fields in each]
            for name, each in answers.items()
        }

    def read(self, offset: int) -> int:
        register, _ = STATIC_REGION.at(offset)
        self.done.append(f"read {register.name}")
        answers = self._answers[offset]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def write(self, offset: int, value: int) -> None:
        register, _ = STATIC_REGION.at(offset)
        self.done.append(f"write {value} to {register.name}")


def test_everything_is_aborted_before_anything_is_waited_for() -> None:
    window = Numbers(
        {
            "sequencer_status": [{"busy": 1}, {"busy": 1}, {"done": 1}],
            "configuration_status": [{"state": 1}, {"state": 3}],
        }
    )
    stop(window, "program", "load")
    assert window.done == [
        "write 2 to doorbell",
        "write 2 to configuration_control",
        *["read sequencer_status"] * 3,
        *["read configuration_status"] * 2,
    ]


def test_a_partition_is_isolated_once_its_transactions_have_ended() -> None:
    window = Numbers(
        {"partition1_status": [{}, {"decoupled": 1}, {"decoupled": 1, "quiescent": 1}]}
    )
    isolate(window, 1)
    assert window.done == ["write 1 to partition1_control", *["read partition1_status"] * 3]


def test_what_goes_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "DRAIN_S", 0.001)
    window = Numbers({"sequencer_status": [{"busy": 1}], "partition0_status": [{"decoupled": 1}]})
    with pytest.raises(
        DeviceError,
        match=r"the program was aborted and did not end in 0\.001 s: sequencer_status\.busy is"
        " still 1; load the static region again",
    ):
        drain(window, "program")
    with pytest.raises(
        DeviceError,
        match=r"partition 0 was decoupled and is not quiescent after 0\.001 s; load the static",
    ):
        isolate(window, 0)


@pytest.mark.parametrize("other", [0, 1])
def test_only_this_version_s_registers_are_a_static_region(other: int) -> None:
    window = Numbers({"map_id": [{"value": STATIC_REGION.map_id ^ other}]})
    assert is_static_region(window) is not bool(other)
