"""What every device does, in one body for all of them."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arch.packets import DUMMY, NOP, SYNC, Command, Register, write
from fpga_rt.arithmetic.operations import MaximumPool
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.contract.command import Segment
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.contract.submission import Placement
from fpga_rt.device.interface import Device
from fpga_rt.errors import ArtifactError, DeviceError, ReconfigurationError
from fpga_rt.modules.layer import Layer
from tests.conformance.scaling import last, run_scale, two_partitions
from tests.device.programs import LayerProgram, activate, module_named, random_codes, stage
from tests.device.programs import load_port as port
from tests.standin.xrt import xclbin


def test_opens_and_closes_twice(device: Device) -> None:
    device.open()
    device.close()
    device.close()
    with pytest.raises(DeviceError, match=r"is closed; call open\(\) first"):
        device.allocate(64)
    with pytest.raises(DeviceError, match="is closed"):
        device.read32(0)
    device.open()
    assert device.identify(0) == 0


def test_capabilities_say_what_its_times_are(device: Device) -> None:
    capabilities = device.capabilities
    assert capabilities.clock in ("virtual", "wall")
    assert capabilities.origin in ("modelled", "rtl", "measured", "replayed")
    assert len(capabilities.assumptions) >= 1
    assert capabilities.alignment_bytes == 64


def test_buffers_are_zeroed_aligned_and_apart(device: Device) -> None:
    first, second = device.allocate(100), device.allocate(100)
    for buffer in (first, second):
        assert buffer.address % device.capabilities.alignment_bytes == 0
        assert buffer.view.shape == (100,)
        assert not buffer.view.any()
    first.view[:] = 1
    first.flush()
    second.invalidate()
    assert not second.view.any()
    first.free()
    second.free()


def test_full_memory_is_reported(device: Device) -> None:
    with pytest.raises(DeviceError, match="device memory is full"):
        device.allocate(device.capabilities.memory_bytes + 1)


def test_registers_read_back(device: Device) -> None:
    board = device.capabilities.board
    assert device.read32(STATIC_REGION["map_id"].offset) == STATIC_REGION.map_id
    assert device.read32(STATIC_REGION["capabilities"].offset) == len(board.partitions)
    assert device.read32(STATIC_REGION["feature_memory"].offset) == board.feature_memory_bytes
    assert device.read32(STATIC_REGION["idcode"].offset) == board.device.idcode
    source = STATIC_REGION["configuration_source"].offset
    device.write32(source + 4, 0xABCD)
    device.write32(source, 0x1234)
    assert (device.read32(source), device.read32(source + 4)) == (0x1234, 0xABCD)


def test_registers_that_do_not_exist_are_refused(device: Device) -> None:
    with pytest.raises(DeviceError, match="no register at offset 0xffc"):
        device.read32(0xFFC)
    with pytest.raises(DeviceError, match="map_id"):
        device.write32(STATIC_REGION["map_id"].offset, 1)


def test_accesses_and_partitions_outside_are_refused(device: Device) -> None:
    with pytest.raises(DeviceError, match=r"has no partition 9: expected 0\.\."):
        device.decouple(9)


def test_staging_is_idempotent(device: Device) -> None:
    first = stage(device, 0, module_named("add_8"))
    assert stage(device, 0, module_named("add_8")) is first
    assert first.module_id == module_named("add_8").module_id
    assert first.bitstream_bytes == device.capabilities.board.partitions[0].bitstream_bytes


def test_a_bitstream_of_another_static_region_is_refused(device: Device) -> None:
    board = device.capabilities.board
    stream = simulation_bitstream(
        board.device, board.partitions[0], module_named("add_8").module_id
    )
    offset = STATIC_REGION["static_id"].offset
    here = device.read32(offset) | device.read32(offset + 4) << 32
    assert here != 0
    with pytest.raises(ArtifactError, match=f"region {here ^ 1:#018x}, got {here:#018x} from"):
        device.stage(stream, 0, static_id=here ^ 1)
    staged = device.stage(stream, 0, static_id=here)
    assert device.stage(stream, 0) is staged
    device.decouple(0)
    device.wait(device.begin_load(0, staged, port(device)))
    device.load_base(image(device, board.device.idcode))
    device.wait(device.begin_load(0, staged, port(device)))


def test_a_bitstream_of_another_module_than_its_manifest_states_is_refused(device: Device) -> None:
    board = device.capabilities.board
    module_id = module_named("add_8").module_id
    stream = simulation_bitstream(board.device, board.partitions[0], module_id)
    expected = f"holds module {module_id:#018x}, expected {module_id ^ 1:#018x} as its manifest"
    with pytest.raises(ArtifactError, match=expected):
        device.stage(stream, 0, module_id=module_id ^ 1)
    staged = device.stage(stream, 0, module_id=module_id)
    with pytest.raises(ArtifactError, match=expected):
        device.stage(stream, 0, module_id=module_id ^ 1)
    device.decouple(0)
    device.wait(device.begin_load(0, staged, port(device)))


def test_what_is_unstaged_cannot_be_loaded(device: Device) -> None:
    first = stage(device, 0, module_named("add_8"))
    assert stage(device, 0, module_named("add_8")) is first
    other = stage(device, 0, module_named("add_2"))
    device.unstage(first)
    device.decouple(0)
    device.wait(device.begin_load(0, first, port(device)))  # staged twice, given back once
    pending = device.begin_load(0, first, port(device))
    with pytest.raises(DeviceError, match=f"busy: the load of partition 0 through {port(device)}"):
        device.unstage(first)
    device.wait(pending)
    for _ in range(3):
        device.unstage(first)
    with pytest.raises(DeviceError, match="is not staged for partition 0"):
        device.begin_load(0, first, port(device))
    device.wait(device.begin_load(0, other, port(device)))
    device.close()
    device.unstage(other)


def image(device: Device, idcode: int) -> bytes:
    """Return what brings a static region: a full bitstream, in an xclbin where XRT loads it."""
    return xclbin(base(idcode)) if port(device) == "xclbin" else base(idcode)


def base(idcode: int) -> bytes:
    """Return as much of a full bitstream as says which FPGA it is for."""
    words = (*(DUMMY,) * 8, SYNC, NOP, *write(Register.IDCODE, idcode), NOP)
    return np.array((*words, *write(Register.CMD, Command.DESYNC), NOP), ">u4").tobytes()


def test_the_static_region_can_be_loaded(device: Device) -> None:
    chip = device.capabilities.board.device
    staged = activate(device, last(device), "add_8")
    foreign = image(device, chip.idcode ^ 0x1000)
    for stream, message in (
        (foreign, rf"IDCODE 0x\w{{8}}, expected {chip.idcode:#010x} of"),
        (b"nothing", "is this a bitstream"),
    ):
        with pytest.raises(ArtifactError, match=message):
            device.load_base(stream)
    assert device.identify(last(device)) == staged.module_id
    device.load_base(image(device, chip.idcode))
    assert device.identify(last(device)) == 0
    with pytest.raises(ReconfigurationError, match="is empty and stays decoupled"):
        device.recouple(last(device))
    program = run_scale(device)
    pending = device.submit(program.submission())
    with pytest.raises(DeviceError, match="busy: the program on partitions 0 is in flight"):
        device.load_base(image(device, chip.idcode))
    device.wait(pending)
    device.decouple(last(device))
    device.wait(device.begin_load(last(device), staged, port(device)))


def test_a_new_static_region_has_zeros_in_its_feature_memory(device: Device) -> None:
    """Block RAM holds what the full bitstream gives it: here nothing else than zeros."""
    if port(device) == "xclbin":
        pytest.skip("an xclbin loses what the host wrote to memory")
    read = clamp_of_features(device)
    write = clamp_of_features(device, Segment.OUTPUT)
    write.fill(random_codes(4, (1, 6, 6, 4)) | 1)
    device.wait(device.submit(write.submission()))
    device.wait(device.submit(read.submission()))
    assert read.tensor(Segment.OUTPUT).all()
    device.load_base(image(device, device.capabilities.board.device.idcode))
    activate(device, 0, "clamp_2")
    device.wait(device.submit(read.submission()))
    assert not read.tensor(Segment.OUTPUT).any()


def clamp_of_features(device: Device, on_chip: Segment = Segment.INPUT) -> LayerProgram:
    """Return a program that copies a tensor whose input or output lies in the feature memory."""
    activate(device, 0, "clamp_2")
    operation = MaximumPool((1, 1), (1, 1), low=-128, high=127)
    layer = Layer("clamp", operation, (6, 6, 4), (6, 6, 4))
    program = LayerProgram(device, module_named("clamp_2"), layer, 1)
    program.placements[on_chip] = Placement(FEATURE_MEMORY_BASE, 0, 1)
    return program


def test_quiescing_lets_a_program_end(device: Device) -> None:
    before = device.now_ps()
    device.quiesce(0)
    if device.capabilities.clock == "virtual":
        assert device.now_ps() == before
    program = run_scale(device)
    pending = device.submit(program.submission())
    device.quiesce(last(device))
    device.quiesce(0)
    device.decouple(0)
    completion = device.wait(pending)
    assert completion.ended_ps < device.now_ps()
    codes = program.tensor(Segment.INPUT)
    assert (program.tensor(Segment.OUTPUT) == program.layer.operation.apply(codes)).all()  # type: ignore[call-arg]  # one operand


def test_bad_bitstreams_are_refused_before_anything_is_loaded(device: Device) -> None:
    board = device.capabilities.board
    module_id = module_named("add_8").module_id
    good = simulation_bitstream(board.device, board.partitions[0], module_id)
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    with pytest.raises(ArtifactError, match="CRC"):
        device.stage(bytes(flipped), 0)
    with pytest.raises(ArtifactError if last(device) else DeviceError):
        device.stage(good, 1)
    with pytest.raises(ArtifactError):
        device.stage(good[:-400], 0)


def test_a_load_brings_the_module(device: Device) -> None:
    partition = last(device)
    staged = stage(device, partition, module_named("add_8"))
    device.decouple(partition)
    pending = device.begin_load(partition, staged, port(device))
    assert pending.kind == "load"
    completion = device.wait(pending)
    assert completion.pending is pending
    assert completion.size_bytes == staged.bitstream_bytes
    assert sum(completion.phases_ps.values()) == completion.ended_ps - completion.started_ps
    assert list(completion.phases_ps) == ["queue", "setup", "transfer", "contention"]
    device.reset(partition)
    assert device.identify(partition) == staged.module_id
    device.recouple(partition)
    assert not partition or device.identify(0) == 0


def test_one_load_at_a_time(device: Device) -> None:
    two_partitions(device)
    staged = stage(device, 0, module_named("add_8"))
    other = stage(device, 1, module_named("add_8"))
    device.decouple(0)
    device.decouple(1)
    pending = device.begin_load(0, staged, port(device))
    with pytest.raises(
        DeviceError, match=f"busy: the load of partition 0 through {port(device)} is in flight"
    ):
        device.begin_load(1, other, port(device))
    device.wait(pending)
    device.wait(device.begin_load(1, other, port(device)))


def test_a_load_into_a_coupled_partition_is_refused(device: Device) -> None:
    staged = activate(device, 0, "add_8")
    with pytest.raises(ReconfigurationError, match="is active and not decoupled") as caught:
        device.begin_load(0, staged, port(device))
    assert caught.value.partition_state == "active"


def test_loads_name_their_port_and_their_partition(device: Device) -> None:
    staged = stage(device, 0, module_named("add_8"))
    ports = ", ".join(device.capabilities.board.ports)
    with pytest.raises(DeviceError, match=f"no configuration port 'jtag': use one of {ports}"):
        device.begin_load(0, staged, "jtag")
    elsewhere = "is not staged for partition 1" if last(device) else "has no partition 1"
    with pytest.raises(DeviceError, match=elsewhere):
        device.begin_load(1, staged, port(device))


def test_a_partition_without_a_module_stays_isolated(device: Device) -> None:
    with pytest.raises(ReconfigurationError, match="is empty and stays decoupled") as caught:
        device.recouple(0)
    assert caught.value.partition_state == "empty"


def test_what_was_staged_is_gone_after_closing(device: Device) -> None:
    staged = stage(device, 0, module_named("add_8"))
    device.close()
    device.open()
    with pytest.raises(DeviceError, match="is not staged for partition 0"):
        device.begin_load(0, staged, port(device))


def test_one_submission_at_a_time(device: Device) -> None:
    program = run_scale(device)
    pending = device.submit(program.submission())
    with pytest.raises(DeviceError, match="busy: the program on partitions 0 is in flight"):
        device.submit(program.submission())
    device.wait(pending)
    with pytest.raises(DeviceError, match="the program on partitions 0 is not in flight"):
        device.wait(pending)


def test_a_load_overlaps_a_program(device: Device) -> None:
    two_partitions(device)
    program = run_scale(device, images=2)
    staged = stage(device, 1, module_named("add_8"))
    device.decouple(1)
    load = device.begin_load(1, staged, port(device))
    running = device.submit(program.submission())
    first = device.wait(load, running)
    second = device.wait(load if first.pending is running else running)
    assert {first.pending.kind, second.pending.kind} == {"load", "program"}
    assert first.ended_ps <= second.ended_ps
    starts = (first.started_ps, second.started_ps)
    assert max(starts) < first.ended_ps
    codes = program.tensor(Segment.INPUT)
    assert (program.tensor(Segment.OUTPUT) == program.layer.operation.apply(codes)).all()  # type: ignore[call-arg]  # one operand


def test_waiting_too_long_aborts(device: Device) -> None:
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    pending = device.begin_load(0, staged, port(device))
    with pytest.raises(
        DeviceError,
        match=f"timeout, the load of partition 0 through {port(device)} did not end in 1e-06 s of"
        " device time",
    ):
        device.wait(pending, timeout_s=1e-6)
    with pytest.raises(ReconfigurationError, match="is failed and stays decoupled"):
        device.recouple(0)
    activate(device, 0, "add_8")


def test_waiting_for_nothing_is_misuse(device: Device) -> None:
    with pytest.raises(ValueError, match="at least one pending"):
        device.wait()
