"""What is the emulator's own: its clock, its registers over time, its way of running batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from fpga_rt.arch.boards import MemoryPort, board
from fpga_rt.arithmetic.operations import Addition, MaximumPool
from fpga_rt.arithmetic.requantise import AdditionRule
from fpga_rt.contract import static_region
from fpga_rt.contract.command import COMMAND, Segment, address
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from fpga_rt.contract.sequencer import COMPLETION_CYCLES, REGISTER_CYCLES, header_cycles
from fpga_rt.contract.static_region import (
    STATIC_REGION,
    PartitionState,
    SequencerError,
    partition_register,
)
from fpga_rt.contract.submission import Placement, Ring, Submission
from fpga_rt.device.emulator import Emulator
from fpga_rt.errors import DeviceError, ExecutionError
from fpga_rt.modules.geometry import Ports
from fpga_rt.modules.layer import Layer
from tests.device.programs import Codes, LayerProgram, activate, module_named, random_codes, stage

ACCESS_PS = REGISTER_CYCLES * 7000
POOL = Layer("pool", MaximumPool((2, 2), (2, 2)), (6, 6, 8), (3, 3, 8))


@pytest.fixture
def device() -> Iterator[Emulator]:
    with Emulator("pynq-z2", memory_bytes=1 << 20) as opened:
        yield opened


def register(device: Emulator, name: str) -> dict[str, int]:
    found = STATIC_REGION[name]
    words = [device.read32(found.offset + 4 * word) for word in range(found.words)]
    return found.unpack(sum(value << 32 * word for word, value in enumerate(words)))


def state(device: Emulator, partition: int) -> PartitionState:
    return PartitionState(register(device, partition_register(partition, "status"))["state"])


def pool_program(device: Emulator, images: int = 1, layer: Layer = POOL) -> LayerProgram:
    activate(device, 0, "pooling_8")
    program = LayerProgram(device, module_named("pooling_8"), layer, images)
    program.fill(random_codes(11, (images, *layer.input_shape)))
    return program


def pooled(codes: Codes) -> Codes:
    """Pool 2x2 by reshaping."""
    n, height, width, channels = codes.shape
    windows = codes.reshape(n, height // 2, 2, width // 2, 2, channels)
    return np.asarray(windows.max(axis=(2, 4)), np.int8)


def test_every_access_costs_register_cycles(device: Emulator) -> None:
    before = device.now_ps()
    device.read32(0)
    device.write32(STATIC_REGION["submission"].offset, 1)
    assert device.now_ps() - before == 2 * 20 * 7000


@pytest.mark.parametrize("port", ["icap", "pcap"])
@pytest.mark.parametrize("partition", [0, 1, 2])
def test_a_load_is_charged_with_the_real_size(device: Emulator, port: str, partition: int) -> None:
    place = device.board.partitions[partition]
    staged = stage(device, partition, module_named("pooling_8"))
    device.decouple(partition)
    completion = device.wait(device.begin_load(partition, staged, port))
    before, _ = static_region.load_accesses(port)
    rate = {"icap": 382_000_000, "pcap": 128_500_000}[port]
    setup = {"icap": 0, "pcap": 39_000_000}[port]
    transfer = -(-place.bitstream_bytes * 10**12 // rate)
    assert completion.phases_ps == {
        "queue": before * ACCESS_PS,
        "setup": setup,
        "transfer": transfer,
        "contention": 0,
    }
    assert completion.size_bytes == place.bitstream_bytes > 700_000


@pytest.mark.parametrize("port", ["icap", "pcap"])
def test_host_operations_cost_the_accesses_the_contract_says(device: Emulator, port: str) -> None:
    staged = stage(device, 0, module_named("pooling_8"))

    def accesses(step: Callable[[], object]) -> int:
        before = device.now_ps()
        step()
        return (device.now_ps() - before) // ACCESS_PS

    assert accesses(lambda: device.decouple(0)) == static_region.DECOUPLE_ACCESSES
    before, after = static_region.load_accesses(port)
    started = device.now_ps()
    pending = device.begin_load(0, staged, port)
    assert device.now_ps() - started == before * ACCESS_PS
    completion = device.wait(pending)
    assert device.now_ps() - completion.ended_ps == after * ACCESS_PS
    assert accesses(lambda: device.reset(0)) == static_region.RESET_ACCESSES
    assert accesses(lambda: device.identify(0)) == static_region.IDENTIFY_ACCESSES
    assert accesses(lambda: device.recouple(0)) == static_region.RECOUPLE_ACCESSES
    program = LayerProgram(device, module_named("pooling_8"), POOL, 1)
    submission = program.submission()
    started = device.now_ps()
    pending = device.submit(submission)
    assert pending.started_ps == started + static_region.SUBMIT_ACCESSES * ACCESS_PS
    completion = device.wait(pending)
    assert device.now_ps() - completion.ended_ps == static_region.PROGRAM_END_ACCESSES * ACCESS_PS


def pool_cycles(program: LayerProgram, source: MemoryPort) -> int:
    """Return what the command computes, from its formula (tests/modules/test_cost.py has that)."""
    target = board("pynq-z2").dram
    ports = Ports(source, target, target, target)
    return program.module.cost(program.commands[0], ports).compute


def test_a_program_takes_its_cycles(device: Emulator) -> None:
    """A pool of 6x6x8 to 3x3x8 with everything in DRAM: 30 cycles to its first beat."""
    program = pool_program(device)
    completion = device.wait(device.submit(program.submission()))
    parameters = 5 + 30 + 4  # latency; a table header of 32 bytes is 4 beats
    cycles = 59 + 42 + parameters + pool_cycles(program, board("pynq-z2").dram) + 12
    assert completion.timeline is not None
    assert completion.timeline.total == cycles
    assert completion.ended_ps - completion.started_ps == cycles * 7000


def test_feature_memory_is_faster_than_dram(device: Emulator) -> None:
    program = pool_program(device)
    slow = device.wait(device.submit(program.submission()))
    program.placements[Segment.INPUT] = Placement(FEATURE_MEMORY_BASE, 0, 1)
    fast = device.wait(device.submit(program.submission()))
    assert slow.timeline is not None
    assert fast.timeline is not None
    ports = board("pynq-z2").dram, board("pynq-z2").on_chip
    expected = [pool_cycles(program, port) for port in ports]
    assert slow.timeline.total - fast.timeline.total == expected[0] - expected[1]
    assert expected[0] - expected[1] > 30 - 3  # latency, and 5/4 cycles a beat


def test_unstaging_gives_the_memory_back() -> None:
    with Emulator("pynq-z2", memory_bytes=1 << 14) as device:
        before = device._allocator.free_bytes  # a device does not say how much is left
        for name in ("pooling_8", "pooling_2") * 10:
            staged = stage(device, 0, module_named(name))
            assert device._allocator.free_bytes < before
            device.unstage(staged)
        assert device._allocator.free_bytes == before


def test_partition_states_are_visible(device: Emulator) -> None:
    assert state(device, 0) is PartitionState.EMPTY
    staged = stage(device, 0, module_named("pooling_8"))
    device.decouple(0)
    pending = device.begin_load(0, staged, "icap")
    assert state(device, 0) is PartitionState.LOADING
    assert register(device, "configuration_status") == {"state": 1, "error": 0, "refused": 0}
    garbage = device.identify(0)
    assert garbage not in (0, staged.module_id)
    device.wait(pending)
    assert state(device, 0) is PartitionState.LOADED
    assert register(device, "configuration_status") == {"state": 2, "error": 0, "refused": 0}
    device.reset(0)
    device.recouple(0)
    assert state(device, 0) is PartitionState.ACTIVE
    device.decouple(0)
    assert state(device, 0) is PartitionState.LOADED


def test_without_reset_outputs_are_garbage_and_the_same_each_time() -> None:
    outputs = []
    for _ in range(2):
        with Emulator("pynq-z2", memory_bytes=1 << 20) as device:
            staged = stage(device, 0, module_named("pooling_8"))
            device.wait(device.begin_load(0, staged, "icap"))
            device.recouple(0)
            program = LayerProgram(device, module_named("pooling_8"), POOL, 2)
            codes = random_codes(1, (2, 6, 6, 8))
            outputs.append(program.run(codes))
            device.reset(0)
            assert (program.run(codes) == pooled(codes)).all()
    assert (outputs[0] == outputs[1]).all()
    assert not (outputs[0] == pooled(codes)).all()


def test_polling_the_registers_lets_a_program_end(device: Emulator) -> None:
    program = pool_program(device, images=3)
    pending = device.submit(program.submission())
    assert register(device, "sequencer_status")["busy"] == 1
    assert register(device, "partition0_status")["quiescent"] == 0
    seen = []
    while register(device, "sequencer_status")["busy"]:
        seen.append(register(device, "partition0_completed")["value"])
    assert seen == sorted(seen)
    assert register(device, "sequencer_status") == {
        "busy": 0,
        "done": 1,
        "error": 0,
        "error_partition": 0,
    }
    assert register(device, "partition0_completed")["value"] == 3
    assert (program.tensor(Segment.OUTPUT) == pooled(program.tensor(Segment.INPUT))).all()
    completion = device.wait(pending)
    assert completion.ended_ps < device.now_ps()


def test_outputs_are_not_there_before_the_end(device: Emulator) -> None:
    program = pool_program(device)
    pending = device.submit(program.submission())
    assert not program.tensor(Segment.OUTPUT).any()
    device.wait(pending)
    assert program.tensor(Segment.OUTPUT).any()


def test_decoupling_stops_a_running_program(device: Emulator) -> None:
    program = pool_program(device, images=50)
    pending = device.submit(program.submission())
    device.decouple(0)
    with pytest.raises(ExecutionError, match=r"PARTITION error .*decoupled or reset while it"):
        device.wait(pending)
    assert not program.tensor(Segment.OUTPUT).any()


def test_an_aborted_program_frees_the_sequencer(device: Emulator) -> None:
    program = pool_program(device, images=50)
    with pytest.raises(DeviceError, match="timeout, the program on partitions 0 did not end"):
        device.wait(device.submit(program.submission()), timeout_s=1e-6)
    assert register(device, "sequencer_status")["error"] == SequencerError.ABORTED
    device.wait(device.submit(program.submission()))
    assert (program.tensor(Segment.OUTPUT) == pooled(program.tensor(Segment.INPUT))).all()


def test_what_the_sequencer_reads_comes_from_memory(device: Emulator) -> None:
    """Ring the doorbell by hand with an address that holds no header."""
    buffer = device.allocate(64)
    started = device.now_ps()
    device.write32(STATIC_REGION["submission"].offset, buffer.address)
    device.write32(STATIC_REGION["doorbell"].offset, 1)
    assert register(device, "sequencer_status")["error"] == SequencerError.NONE
    while register(device, "sequencer_status")["busy"]:
        pass
    assert register(device, "sequencer_status")["error"] == SequencerError.HEADER
    cycles = header_cycles(device.board.dram) + COMPLETION_CYCLES
    assert device.now_ps() - started < cycles * 7000 + 6 * ACCESS_PS


def test_rings_for_partitions_that_do_not_exist_are_refused(device: Emulator) -> None:
    submission = Submission({3: Ring(0x1000_0000, 1)}, {})
    with pytest.raises(
        ExecutionError, match=r"HEADER error.*ring for partition 3, expected 0\.\.2"
    ):
        device.wait(device.submit(submission))


def test_rings_outside_of_the_memory_are_bus_errors(device: Emulator) -> None:
    activate(device, 0, "pooling_8")
    with pytest.raises(ExecutionError, match=r"BUS error.*reading the ring of partition 0"):
        device.wait(device.submit(Submission({0: Ring(0x10, 1)}, {})))


def test_a_descriptor_without_a_shape_is_a_module_error(device: Emulator) -> None:
    program = pool_program(device)
    program.commands[0]["stride_y"] = 0
    with pytest.raises(ExecutionError, match="MODULE error at partition 0 command 0"):
        device.wait(device.submit(program.submission()))


def test_deadlocks_are_reported(device: Emulator) -> None:
    program = pool_program(device)
    program.commands[0]["wait1"] = 1
    with pytest.raises(ExecutionError, match=r"DEADLOCK error.*partition 0 command 0"):
        device.wait(device.submit(program.submission()))


def test_a_load_that_ends_with_a_program_comes_first(device: Emulator) -> None:
    """Choose the port's rate so that both end in the same picosecond."""
    program = pool_program(device)
    probe = device.wait(device.submit(program.submission()))
    program_ps = probe.ended_ps - probe.started_ps
    submit_ps = static_region.SUBMIT_ACCESSES * ACCESS_PS
    wanted = submit_ps + program_ps
    pynq = board("pynq-z2")
    size = pynq.partitions[1].bitstream_bytes
    port = replace(pynq.ports["icap"], bytes_per_second=10**12 * size, setup_ps=wanted - 1)
    assert port.load_ps(size) == wanted
    with Emulator(replace(pynq, ports={"icap": port}), memory_bytes=1 << 20) as other:
        program = pool_program(other)
        staged = stage(other, 1, module_named("pooling_8"))
        load = other.begin_load(1, staged, "icap")
        running = other.submit(program.submission())
        first = other.wait(running, load)
        assert first.pending is load
        assert other.wait(running).ended_ps == first.ended_ps


def chain(
    device: Emulator, images: int, depth: int, stride: int
) -> tuple[LayerProgram, Submission]:
    """Two additions through FEATURES: features = 2 * input, output = input + features."""
    double = AdditionRule(1, 1, 1, 0)  # (a + b) >> 1
    layer = Layer("add", Addition(double), (2, 4, 8), (2, 4, 8))
    program = LayerProgram(device, module_named("pooling_8"), layer, images)
    program.fill(random_codes(5, (images, 2, 4, 8)))
    first, second = dict(program.commands[0]), dict(program.commands[0])
    first |= {"residual": first["input"], "output": address(Segment.FEATURES, 0)}
    second |= {"sequence": 1, "input": address(Segment.FEATURES, 0), "residual": first["input"]}
    program.commands = [first, second]
    program.buffers[Segment.FEATURES].free()
    features = device.allocate(stride * depth + 64)
    program.buffers[Segment.FEATURES] = features
    program.placements[Segment.FEATURES] = Placement(features.address, stride, depth)
    return program, program.submission()


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
def test_batches_give_the_same_at_every_depth(device: Emulator, depth: int) -> None:
    activate(device, 0, "pooling_8")
    program, submission = chain(device, 7, depth, 64)
    device.wait(device.submit(submission))
    codes = program.tensor(Segment.INPUT)
    assert (program.tensor(Segment.OUTPUT) == codes).all()  # ((c + c) >> 1 + c) >> 1


def test_iterations_that_overlap_run_one_after_the_other(device: Emulator) -> None:
    """With a stride of 16 for tensors of 64 bytes, iterations overwrite each other's features.

    The ring's second command starts before the next iteration's first, so every iteration still
    sees its own; what stays in memory are the last bytes written.
    """
    activate(device, 0, "pooling_8")
    program, submission = chain(device, 4, 4, 16)
    device.wait(device.submit(submission))
    codes = program.tensor(Segment.INPUT)
    assert (program.tensor(Segment.OUTPUT) == codes).all()
    base = submission.segments[Segment.FEATURES].base
    window = device._region.memory.window(base, 112, "the test")  # the test looks behind the host
    expected = np.concatenate([codes[0].ravel()[:16], codes[1].ravel()[:16], codes[2].ravel()[:16]])
    assert (window[:48].view(np.int8) == expected).all()
    assert (window[48:].view(np.int8) == codes[3].ravel()).all()


def test_an_output_over_the_next_input_is_read_back(device: Emulator) -> None:
    """Iteration i writes where iteration i + 1 reads: NumPy does the same one by one."""
    layer = Layer("pool", MaximumPool((2, 2), (1, 1), (0, 1, 0, 1)), (4, 4, 8), (4, 4, 8))
    program = pool_program(device, images=4, layer=layer)
    base = program.buffers[Segment.INPUT].address
    program.placements[Segment.INPUT] = Placement(base, 128, 4)
    program.placements[Segment.OUTPUT] = Placement(base + 128, 128, 4)
    more = device.allocate(256)  # the last output lies behind the input buffer
    assert more.address > base
    codes = program.tensor(Segment.INPUT)[0].copy()
    device.wait(device.submit(program.submission()))
    for image in range(1, 4):
        padded = np.full((5, 5, 8), -128, np.int8)
        padded[:4, :4] = codes
        codes = np.max([padded[y : y + 4, x : x + 4] for y in (0, 1) for x in (0, 1)], axis=0)
        assert (program.tensor(Segment.INPUT)[image] == codes).all()


def test_the_board_may_be_an_object_and_must_be_known() -> None:
    assert Emulator(board("kv260")).board.name == "kv260"
    with pytest.raises(DeviceError, match="unknown board 'nexys': use one of"):
        Emulator("nexys")


def test_descriptors_are_decoded_from_the_ring_in_memory(device: Emulator) -> None:
    program = pool_program(device)
    submission = program.submission()
    fields = COMMAND.decode(program.ring.view.tobytes())
    program.ring.view[:] = np.frombuffer(COMMAND.encode(fields | {"operation": 77}), np.uint8)
    with pytest.raises(ExecutionError, match="got operation 77, expected one of"):
        device.wait(device.submit(submission))


def test_what_is_kept_of_programs_for_contention_does_not_grow(device: Emulator) -> None:
    program = pool_program(device)
    for _ in range(5):
        device.wait(device.submit(program.submission()))
    assert len(device._region.sequencer._in_dram) == 1
