"""What every device does with a program, in one body for all of them."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arithmetic.operations import Addition, MaximumPool
from fpga_rt.arithmetic.requantise import AdditionRule
from fpga_rt.contract.command import Segment, address
from fpga_rt.contract.static_region import STATIC_REGION, SequencerError, partition_register
from fpga_rt.contract.submission import Placement
from fpga_rt.device.interface import Device
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.layer import Layer
from tests.conformance.scaling import last, run_scale, scale_layer
from tests.device.programs import LayerProgram, activate, module_named, random_codes


def addition_layer() -> Layer:
    """An addition of two 4x4x8 tensors."""
    operation = Addition(AdditionRule.from_scales((0.7, 0.9), (-3, 8), 2))
    return Layer("addition", operation, (4, 4, 8), (4, 4, 8))


def sequencer_error(device: Device) -> SequencerError:
    register = STATIC_REGION["sequencer_status"]
    return SequencerError(register.unpack(device.read32(register.offset))["error"])


def test_a_command_equals_the_arithmetic(device: Device) -> None:
    program = run_scale(device)
    pending = device.submit(program.submission(bank=6))
    completion = device.wait(pending)
    codes = program.tensor(Segment.INPUT)
    assert (program.tensor(Segment.OUTPUT) == program.layer.operation.apply(codes)).all()  # type: ignore[call-arg]  # one operand
    assert completion.bank == 6
    assert completion.started_ps < completion.ended_ps <= device.now_ps()
    start, end = completion.busy_ps[0]
    assert completion.started_ps < start < end < completion.ended_ps


def test_an_addition_equals_the_arithmetic(device: Device) -> None:
    partition = last(device)
    activate(device, partition, "add_8")
    layer = addition_layer()
    program = LayerProgram(device, module_named("add_8"), layer, 3, partition=partition)
    a, b = random_codes(1, (3, 4, 4, 8)), random_codes(2, (3, 4, 4, 8))
    # The rule in real numbers: each operand from its zero point, scaled, rounded, shifted.
    real = 0.7 * (a.astype(float) + 3) + 0.9 * (b.astype(float) - 8) + 2
    got = program.run(a, b)
    assert np.abs(got - np.clip(real, -128, 127)).max() <= 0.51
    assert isinstance(layer.operation, Addition)
    assert (got == layer.operation.apply(a, b)).all()


@pytest.mark.parametrize("shift", [0, 1, 60])
def test_a_wrong_address_gives_the_bytes_that_lie_there(device: Device, shift: int) -> None:
    """Move the input of a clamp; NumPy computes what the bytes there give."""
    activate(device, 0, "clamp_2")
    operation = MaximumPool((1, 1), (1, 1), low=-100, high=90)
    layer = Layer("clamp", operation, (6, 6, 4), (6, 6, 4))
    program = LayerProgram(device, module_named("clamp_2"), layer, 1)
    buffer = device.allocate(256)
    buffer.view[:] = random_codes(3, (256,)).view(np.uint8)
    buffer.flush()
    program.placements[Segment.INPUT] = Placement(buffer.address, 0, 1)
    program.commands[0]["input"] += shift
    window = buffer.view[shift : shift + 144].view(np.int8).reshape(6, 6, 4)
    device.wait(device.submit(program.submission()))
    assert (program.tensor(Segment.OUTPUT)[0] == window.clip(-100, 90)).all()


def test_an_address_outside_of_the_memory_is_a_bus_error(device: Device) -> None:
    program = run_scale(device)
    program.placements[Segment.INPUT] = Placement(0x100, 0, 1)
    pending = device.submit(program.submission())
    with pytest.raises(ExecutionError, match="BUS error at partition 0 command 0"):
        device.wait(pending)
    assert sequencer_error(device) is SequencerError.BUS
    program.placements[Segment.INPUT] = Placement(program.buffers[Segment.INPUT].address)
    device.wait(device.submit(program.submission()))
    assert sequencer_error(device) is SequencerError.NONE


def two_commands(device: Device, partition: int) -> LayerProgram:
    """Return a program whose second command is its first once more."""
    activate(device, partition, "scale_2")
    program = LayerProgram(device, module_named("scale_2"), scale_layer(), 1, partition=partition)
    program.commands += [{**program.commands[0], "sequence": 1}]
    program.fill(random_codes(7, (1, 5, 6, 10)))
    return program


def stops_after_one_command(device: Device, program: LayerProgram, error: str) -> None:
    """Run a program whose second command cannot run, and check what is left of the first."""
    partition = program.partition
    program.buffers[Segment.OUTPUT].view[:] = 0
    program.buffers[Segment.OUTPUT].flush()
    with pytest.raises(ExecutionError, match=f"{error} error at partition {partition} command 1:"):
        device.wait(device.submit(program.submission()))
    codes = program.tensor(Segment.INPUT)
    assert (program.tensor(Segment.OUTPUT) == program.layer.operation.apply(codes)).all()  # type: ignore[call-arg]  # one operand
    completed = STATIC_REGION[partition_register(partition, "completed")]
    assert device.read32(completed.offset) == 1


@pytest.mark.parametrize("waits", ["for itself", "for nobody", "for too many"])
def test_a_deadlock_runs_what_can_run_and_is_told_where_it_is(device: Device, waits: str) -> None:
    partition = 0 if waits == "for nobody" else last(device)
    program = two_commands(device, partition)
    name, count = {
        "for itself": (f"wait{partition}", 2),
        "for nobody": ("wait3", 1),
        "for too many": (f"wait{partition}", 9),
    }[waits]
    program.commands[1][name] = count
    stops_after_one_command(device, program, "DEADLOCK")


def test_a_bus_error_leaves_what_ended_before(device: Device) -> None:
    program = two_commands(device, 0)
    program.placements[Segment.FEATURES] = Placement(0x100, 0, 1)
    program.commands[1] |= dict.fromkeys(("input", "output"), address(Segment.FEATURES, 0))
    stops_after_one_command(device, program, "BUS")


def test_a_descriptor_out_of_order_is_refused(device: Device) -> None:
    program = run_scale(device)
    program.commands[0]["sequence"] = 5
    with pytest.raises(ExecutionError, match="SEQUENCE error at partition 0 command 0"):
        device.wait(device.submit(program.submission()))
    assert sequencer_error(device) is SequencerError.SEQUENCE


def test_programs_run_on_active_partitions_only(device: Device) -> None:
    program = run_scale(device)
    device.decouple(0)
    with pytest.raises(ExecutionError, match="PARTITION error at partition 0"):
        device.wait(device.submit(program.submission()))
    device.recouple(0)
    device.wait(device.submit(program.submission()))
    program.partition = 1
    error = "PARTITION" if last(device) else "HEADER"  # which names a partition there is not
    with pytest.raises(ExecutionError, match=f"{error} error at partition 1"):
        device.wait(device.submit(program.submission()))


def test_a_module_refuses_what_it_does_not_offer(device: Device) -> None:
    activate(device, 0, "clamp_2")
    program = LayerProgram(device, module_named("scale_2"), scale_layer(), 1)
    with pytest.raises(ExecutionError, match="MODULE error at partition 0 command 0"):
        device.wait(device.submit(program.submission()))
