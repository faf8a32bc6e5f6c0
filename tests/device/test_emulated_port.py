"""Contention between a load and programs, by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.packets import NOP, Register, type1
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.contract.command import Segment
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from fpga_rt.contract.static_region import ConfigurationError
from fpga_rt.contract.submission import Placement
from fpga_rt.device.emulated_port import STAT_CRC_ERROR, LoadError, flip_bit, module_in
from fpga_rt.device.emulator import Emulator
from tests.device.programs import LayerProgram, activate, module_named, random_codes, stage
from tests.device.test_emulator import POOL

CHECK = type1(Register.CRC, 1)


def contended(percent: int) -> Emulator:
    device = Emulator("pynq-z2", memory_bytes=1 << 20, contention_percent=percent)
    device.open()
    return device


def test_assumed_contention_is_said_and_known_to_who_predicts() -> None:
    device = contended(50)
    assert {port.contention_percent for port in device.board.ports.values()} == {50}
    assert any("contention: 50 % assumed" in text for text in device.capabilities.assumptions)
    usual = Emulator("pynq-z2")
    assert any("contention: none assumed" in text for text in usual.capabilities.assumptions)
    with pytest.raises(ValueError, match="contention of -1 %, expected 0 or more"):
        contended(-1)


@pytest.mark.parametrize("on_chip", [False, True])
def test_programs_with_features_in_dram_slow_a_load(on_chip: bool) -> None:
    device = contended(50)
    activate(device, 0, "pooling_8")
    program = LayerProgram(device, module_named("pooling_8"), POOL, 40)
    program.fill(random_codes(1, (40, 6, 6, 8)))
    if on_chip:
        program.placements[Segment.FEATURES] = Placement(FEATURE_MEMORY_BASE, 64, 40)
    load = device.begin_load(1, stage(device, 1, module_named("pooling_8")), "icap")
    runs = [device.wait(load, device.submit(program.submission())) for _ in range(2)]
    completion = device.wait(load)
    overlap = sum(run.ended_ps - run.started_ps for run in runs)
    # In its overlap with programs a load does two thirds of the work, so a third comes after.
    assert completion.phases_ps["contention"] == (0 if on_chip else -(-overlap // 3))
    size = device.board.partitions[1].bitstream_bytes
    assert completion.phases_ps["transfer"] == -(-size * 10**12 // 382_000_000)


def test_the_port_tells_another_device_from_corruption() -> None:
    pynq, zcu104 = board("pynq-z2"), board("zcu104")
    module_id = module_named("pooling_8").module_id
    stream = simulation_bitstream(pynq.device, pynq.partitions[0], module_id)
    assert module_in(stream, pynq, 0) == module_id
    with pytest.raises(LoadError, match="CRC") as caught:
        module_in(flip_bit(stream), pynq, 0)
    assert caught.value.code is ConfigurationError.CRC
    foreign = simulation_bitstream(zcu104.device, zcu104.partitions[0], module_id)
    with pytest.raises(LoadError) as caught:
        module_in(foreign, pynq, 0)
    assert caught.value.code is ConfigurationError.IDCODE


@pytest.mark.parametrize(
    ("spoil", "code", "status"),
    [
        (lambda good, _: b"nothing", ConfigurationError.INCOMPLETE, 0),
        (lambda good, _: good[:-400], ConfigurationError.INCOMPLETE, 0),
        (lambda good, _: flip_bit(good), ConfigurationError.CRC, STAT_CRC_ERROR),
        (lambda good, _: replaced(good, CHECK, (NOP,) * 2), ConfigurationError.CRC, 0),
        (lambda good, _: replaced(good, NOP, (type1(0x1F, 0),)), ConfigurationError.FORBIDDEN, 0),
        (lambda _, elsewhere: elsewhere, ConfigurationError.PARTITION, 0),
    ],
    ids=["no stream", "truncated", "corrupt", "unchecked", "forbidden", "of another partition"],
)
def test_the_port_names_the_cause(
    spoil: Callable[[bytes, bytes], bytes], code: ConfigurationError, status: int
) -> None:
    pynq = board("pynq-z2")
    good, elsewhere = (
        simulation_bitstream(pynq.device, place, module_named("add_8").module_id)
        for place in pynq.partitions[:2]
    )
    with pytest.raises(LoadError) as caught:
        module_in(spoil(good, elsewhere), pynq, 0)
    assert caught.value.code is code
    assert caught.value.port_status == status


def replaced(stream: bytes, header: int, by: tuple[int, ...]) -> bytes:
    """Put other words in the place of a header: the first NOP, or the last CRC."""
    words = np.frombuffer(stream, ">u4").copy()
    at = np.flatnonzero(words == header)[-1 if header == CHECK else 0]
    words[at : at + len(by)] = by
    return bytes(words.tobytes())
