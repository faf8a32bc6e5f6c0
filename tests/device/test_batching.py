"""Batches leave the same bytes everywhere as iterations one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.contract.command import Segment, address
from fpga_rt.contract.submission import Placement
from fpga_rt.device import batching, program
from fpga_rt.device.batching import Schedule
from fpga_rt.device.emulator import Emulator
from fpga_rt.errors import ExecutionError
from tests.device.programs import LayerProgram, activate
from tests.device.test_emulator import chain


@pytest.fixture(scope="module")
def device() -> Iterator[Emulator]:
    with Emulator("pynq-z2", memory_bytes=1 << 14) as opened:
        activate(opened, 0, "pooling_8")
        yield opened


def memory_after(device: Emulator, made: LayerProgram, together: bool) -> np.ndarray | str:
    """Run from the same start and return all of the DRAM, or the error."""
    dram = device._region.memory.dram.data  # the test compares every byte
    before = dram.copy()
    with pytest.MonkeyPatch.context() as patch:
        if not together:
            patch.setattr(program, "private_features", lambda *_: None)
            patch.setattr(program, "is_separable", lambda *_, **__: False)
        try:
            device.wait(device.submit(made.submission()))
            return np.array(dram)
        except ExecutionError as error:
            return str(error)
        finally:
            dram[:] = before


@st.composite
def placements(draw: st.DrawFn) -> dict[Segment, Placement]:
    """Return strides and depths that do and do not keep iterations apart; bases come later."""
    features = Placement(
        draw(st.sampled_from((0, 0, 8, 64, -64))),
        draw(st.sampled_from((0, 8, 40, 64, 96))),
        draw(st.integers(1, 4)),
    )
    output = draw(st.sampled_from(((64, 7), (64, 2), (0, 1), (32, 7))))
    return {Segment.FEATURES: features, Segment.OUTPUT: Placement(0, *output)}


@given(
    images=st.integers(2, 7),
    places=placements(),
    reads=st.sampled_from((Segment.INPUT, Segment.FEATURES, Segment.OUTPUT)),
)
def test_batches_leave_the_same_bytes(
    device: Emulator, images: int, places: dict[Segment, Placement], reads: Segment
) -> None:
    made, _ = chain(device, images, places[Segment.FEATURES].depth, 96)
    try:
        for segment, place in places.items():
            base = made.placements[segment].base + place.base
            made.placements[segment] = replace(place, base=base)
        made.commands[0]["residual"] = address(reads, 0)
        apart = memory_after(device, made, together=False)
        together = memory_after(device, made, together=True)
        if isinstance(apart, str):
            assert together == apart
        else:
            assert isinstance(together, np.ndarray)
            assert (together == apart).all()
    finally:
        made.free()


def test_features_of_their_own_are_used_where_nobody_can_tell(device: Emulator) -> None:
    made, submission = chain(device, 5, 1, 64)
    fetched = program.fetch(
        device._region.memory,
        _header(device, submission.encode()),
        lambda partition: device._region.partitions[partition].occupant(),
        device.board.dram,
        device.board.on_chip,
    )
    private = batching.private_features(device._region.memory, fetched.schedule, submission)
    assert private is not None
    assert private.iterations == 5
    assert fetched.schedule.features_written is not None
    assert fetched.schedule.features_written.all()
    made.free()


def _header(device: Emulator, data: bytes) -> int:
    buffer = device.allocate(len(data))
    buffer.view[:] = np.frombuffer(data, np.uint8)
    return buffer.address


def test_features_that_are_read_before_they_are_written_stay_real(device: Emulator) -> None:
    made, _ = chain(device, 5, 1, 64)
    made.commands[0]["residual"] = address(Segment.FEATURES, 0)
    fetched = program.fetch(
        device._region.memory,
        _header(device, made.submission().encode()),
        lambda partition: device._region.partitions[partition].occupant(),
        device.board.dram,
        device.board.on_chip,
    )
    assert fetched.schedule.features_written is None
    made.free()


@pytest.mark.parametrize(
    ("orders", "pairs"),
    [
        ([[0, 1, 2], [0, 1, 2]], []),
        ([[0, 1, 2], [1, 0, 2]], [(0, 1)]),
        ([[2, 0, 1], [1, 0, 2]], [(0, 1), (2, 0), (2, 1)]),
        ([[0, 1, 2], [0, 2, 1], [1, 0, 2]], [(0, 1), (1, 2)]),
    ],
)
def test_swapped_commands(orders: list[list[int]], pairs: list[tuple[int, int]]) -> None:
    assert batching._swapped(np.array(orders)) == pairs
    assert Schedule({}, None).order == ()  # type: ignore[arg-type]  # no commands, no times
