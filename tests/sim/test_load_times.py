"""The model of a load, set-up and bytes by a rate: fitted on small streams, held to large ones.

Simulated: clocks of the gateware's controller and of the port model behind it. Boards are checked
the same way, by `fpga-rt selfcheck` and `fpga-rt calibrate`.
"""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.packets import NOP
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.standin import stand_in
from fpga_rt.modules.registry import named
from sim.device import RtlDevice

SMALL = (16_384, 32_768, 65_536, 131_072)
PYNQ = board("pynq-z2")


def _took_ps(device: RtlDevice, partition: int, stream: bytes) -> int:
    staged = device.stage(stream, partition)
    device.decouple(partition)
    done = device.wait(device.begin_load(partition, staged, "icap"))
    return done.ended_ps - done.started_ps


@pytest.mark.slow
@pytest.mark.skipif(RtlDevice.obstacle() is not None, reason=str(RtlDevice.obstacle()))
def test_small_loads_predict_large_ones_within_five_percent() -> None:
    (module,) = named(["scale_8"])
    short = simulation_bitstream(PYNQ.device, PYNQ.partitions[0], module.module_id)
    with RtlDevice(PYNQ, load_time="stream") as device:
        small = [
            _took_ps(device, 0, short + NOP.to_bytes(4, "big") * ((size - len(short)) // 4))
            for size in SMALL
        ]
        rate_ps, setup_ps = np.polyfit(SMALL, small, 1)
        for partition in (2, 0):
            stream = stand_in(PYNQ.device, PYNQ.partitions[partition], module.module_id)
            assert len(stream) == PYNQ.partitions[partition].bitstream_bytes > 5 * max(SMALL)
            predicted = setup_ps + rate_ps * len(stream)
            assert predicted == pytest.approx(_took_ps(device, partition, stream), rel=0.05)
    # A word each 10 ns (100 MHz x 32 bits), and set-up that is no more than a few microseconds.
    assert rate_ps == pytest.approx(2500, rel=0.01)
    assert 0 <= setup_ps < 10e6
