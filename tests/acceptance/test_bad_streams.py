"""Streams that go bad after they were verified, through the real configuration controller.

The staged bytes are changed in the memory of the simulated board, as a fault of the memory would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import fpga_rt
from fpga_rt.arch.boards import board
from fpga_rt.arithmetic.operations import AveragePool
from fpga_rt.arithmetic.requantise import Requantisation
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.contract.command import Segment
from fpga_rt.contract.static_region import STATIC_REGION, ConfigurationError, PartitionState
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Staged
from fpga_rt.errors import ReconfigurationError
from fpga_rt.modules.layer import Layer
from fpga_rt.network import golden
from sim.device import RtlDevice
from sim.system import Content
from sim.toolchain import obstacle
from tests.acceptance.test_alternating_modules import MODULES, alternating
from tests.conformance.test_controller import (
    controller_ends,
    partition_state,
    say,
    start_controller,
)
from tests.device.programs import LayerProgram, activate, module_named, random_codes, stage

pytestmark = pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))

PYNQ, OTHER = board("pynq-z2"), board("zybo-z7-10")
ADD = module_named("add_8")
Spoil = Callable[[bytes], bytes]


def flipped(good: bytes) -> bytes:
    middle = len(good) // 2
    return good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]


def truncated(good: bytes) -> bytes:
    return good[: len(good) // 8 * 4]


def of_another_device(_: bytes) -> bytes:
    return simulation_bitstream(OTHER.device, OTHER.partitions[0], ADD.module_id)


def of_another_partition(_: bytes) -> bytes:
    return simulation_bitstream(PYNQ.device, PYNQ.partitions[1], ADD.module_id)


BAD: list[tuple[Spoil, ConfigurationError]] = [
    (flipped, ConfigurationError.CRC),
    (truncated, ConfigurationError.INCOMPLETE),
    (of_another_device, ConfigurationError.IDCODE),
    (of_another_partition, ConfigurationError.PARTITION),
]


@pytest.fixture
def device() -> Iterator[RtlDevice]:
    with RtlDevice(PYNQ, load_time="stream") as opened:
        yield opened


def spoil_staged(device: RtlDevice, staged: Staged, spoil: Spoil) -> None:
    """Put other bytes where a staged bitstream lies."""
    place = device._staged[staged.digest, staged.partition]
    bad = spoil(place.buffer.view.tobytes())
    place.buffer = device.allocate(len(bad))
    place.buffer.view[:] = np.frombuffer(bad, np.uint8)


def neighbour(device: RtlDevice, images: int) -> LayerProgram:
    """Return a program of partition 1, filled and ready."""
    activate(device, 1, "scale_2")
    scales = Requantisation.from_scales(np.full(8, 0.7), 1 << 20, 3)
    operation = AveragePool((1, 1), np.arange(8, dtype=np.int32), scales)
    layer = Layer("scale", operation, (8, 8, 8), (8, 8, 8))
    program = LayerProgram(device, module_named("scale_2"), layer, images, partition=1)
    program.fill(random_codes(7, (images, 8, 8, 8)))
    return program


@pytest.mark.parametrize(("spoil", "code"), BAD, ids=[code.name.lower() for _, code in BAD])
def test_a_bad_stream_stays_in_its_partition(
    device: RtlDevice, spoil: Spoil, code: ConfigurationError
) -> None:
    program = neighbour(device, images=8)
    submission = program.submission()
    alone = device.wait(device.submit(submission))
    expected = program.tensor(Segment.OUTPUT).copy()
    program.tensor(Segment.OUTPUT)[...] = 0
    activate(device, 0, "clamp_8")
    staged = stage(device, 0, ADD)
    good = device._staged[staged.digest, 0].buffer
    spoil_staged(device, staged, spoil)
    device.decouple(0)
    running = device.submit(submission)
    load = device.begin_load(0, staged, "icap")
    began_ps = device.now_ps()
    with pytest.raises(ReconfigurationError, match=f"through icap: {code.name} error"):
        device.wait(load)
    ended_ps = device.now_ps()
    beside = device.wait(running)
    assert (program.tensor(Segment.OUTPUT) == expected).all()
    assert beside.timeline is not None
    assert alone.timeline is not None
    assert (beside.timeline.end[1] == alone.timeline.end[1]).all()  # to the clock
    begin_ps, end_ps = (
        beside.started_ps + PYNQ.clock_ps * clocks[1]
        for clocks in (beside.timeline.start, beside.timeline.end)
    )
    during = (begin_ps < ended_ps) & (end_ps > began_ps)
    assert during.any(), "no command of the neighbour ran during the load"
    assert (begin_ps > ended_ps).any(), "no command of the neighbour began after the error"
    status = STATIC_REGION["configuration_status"]
    assert status.unpack(device.read32(status.offset))["error"] == code
    with pytest.raises(ReconfigurationError, match="is failed and stays decoupled"):
        device.recouple(0)
    assert device.simulation.partition(1)[0] is Content.MODULE
    device._staged[staged.digest, 0].buffer = good
    activate(device, 0, "add_8")
    assert device.identify(0) == ADD.module_id


@pytest.mark.parametrize(("spoil", "code"), BAD, ids=[code.name.lower() for _, code in BAD])
def test_the_last_good_module_comes_back(
    device: RtlDevice, spoil: Spoil, code: ConfigurationError
) -> None:
    network = alternating()
    codes = np.random.default_rng(3).integers(-128, 128, (2, 6, 5, 24)).astype(np.int8)
    with fpga_rt.Runtime(device) as runtime:
        model = runtime.load(fpga_rt.compile(network, "pynq-z2", 1, MODULES))
        runtime.activate(model, "clamp_8", 0)
        (staged,) = (
            p.staged for p in device._staged.values() if p.staged.module_id == ADD.module_id
        )
        good = device._staged[staged.digest, 0].buffer
        spoil_staged(device, staged, spoil)
        with pytest.raises(
            ReconfigurationError, match=f"{code.name} error.*clamp_8 was loaded back"
        ):
            runtime.activate(model, "add_8", 0)
        assert device.identify(0) == module_named("clamp_8").module_id
        device._staged[staged.digest, 0].buffer = good
        assert (runtime.run(model, codes, 2) == golden.run(network, codes)).all()


@pytest.mark.parametrize("kind", [Emulator, RtlDevice])
def test_a_stream_that_the_memory_ends_in_leaves_no_module(
    kind: type[Emulator] | type[RtlDevice],
) -> None:
    """Frames are written as far as there are words; where there is none, nothing is changed."""
    stream = simulation_bitstream(PYNQ.device, PYNQ.partitions[0], ADD.module_id)
    size_bytes = 1 << 14
    with kind(PYNQ, memory_bytes=size_bytes) as device:
        activate(device, 0, "add_8")
        tail = len(stream) // 128 * 64
        device.allocate(device._allocator.free_bytes - tail)
        end = device.allocate(tail)
        end.view[:] = np.frombuffer(stream, np.uint8)[:tail]
        for source, kept in ((0x100, True), (end.address, False)):
            device.decouple(0)
            say(device, 0, "begin")
            start_controller(device, source, len(stream) // 4)
            assert controller_ends(device) is ConfigurationError.BUS
            assert partition_state(device, 0) is PartitionState.FAILED
            say(device, 0, "begin")
            assert say(device, 0, "finish") is PartitionState.LOADED
            device.reset(0)
            assert (device.identify(0) == ADD.module_id) is kept
