"""Waiting for several things of which none ends in time, and one cannot be aborted either."""

from __future__ import annotations

import pytest

from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Pending
from fpga_rt.errors import DeviceError
from tests.conformance.scaling import run_scale
from tests.device.programs import module_named, stage


class Stuck(Emulator):
    """An emulator where what was aborted goes on, as the device `pynq` finds of its registers."""

    stuck: tuple[str, ...] = ()

    def _abandon(self, pending: Pending) -> None:
        super()._abandon(pending)
        if pending.kind in self.stuck:
            raise DeviceError(f"the {pending.kind} was aborted and did not end")


@pytest.mark.parametrize(
    ("stuck", "told"),
    [
        (("load",), "the load was aborted and did not end"),
        (("program",), "the program was aborted and did not end"),
        (("load", "program"), "the load was aborted and did not end"),
        ((), "timeout, the load of partition 1 through icap and the program on partitions 0 did"),
    ],
)
def test_what_does_not_end_in_time_is_aborted_whole(stuck: tuple[str, ...], told: str) -> None:
    device = Stuck("pynq-z2", memory_bytes=1 << 20)
    with device:
        program = run_scale(device)
        staged = stage(device, 1, module_named("add_8"))
        device.decouple(1)
        load = device.begin_load(1, staged, "icap")
        running = device.submit(program.submission())
        device.stuck = stuck
        with pytest.raises(DeviceError, match=told):
            device.wait(load, running, timeout_s=1e-9)
        device.wait(device.submit(program.submission()))  # neither is in flight any more
        device.wait(device.begin_load(1, staged, "icap"))
        device.reset(1)
        assert device.identify(1) == staged.module_id
