"""Broken streams, through the model of the configuration port."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from fpga_rt.arch import boards
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.sequence import first_frame
from sim.reconfiguration import CORRUPTIONS, Corruption, Effect, words_of
from sim.reconfiguration.corruption import moved
from tests.sim.port.harness import Outputs, Port, build, parameters_of

BOARD = boards.board("pynq-z2")
STREAM = words_of(simulation_bitstream(BOARD.device, BOARD.partitions[0], 5))


def _end(words: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> Outputs:
    port = Port(build(parameters_of(BOARD)))
    port.idle(125)
    outputs = port.write(words)
    assert not any(out.loaded for out in outputs)
    return outputs[-1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: str(corruption.name))
def test_each_has_its_effect(corruption: Corruption, seed: int) -> None:
    before = STREAM.copy()
    broken = corruption.apply(STREAM, Random(seed))
    assert np.array_equal(STREAM, before)
    end = _end(broken)
    expected = {
        Effect.CRC: (1, 1, 0, 0),
        Effect.IDCODE: (0, 0, 1, 0),
        Effect.NOTHING: (0, 0, 0, 0),
        Effect.OPEN: (1, 0, 0, 1),
        Effect.UNCHECKED: (1, 0, 0, 0),
    }[corruption.effect]
    assert (end.garbage, end.crc_error, end.id_error, end.synced) == expected


def test_names_are_unique() -> None:
    assert len({corruption.name for corruption in CORRUPTIONS}) == len(CORRUPTIONS)


def test_a_moved_stream_has_right_crcs_and_another_place() -> None:
    port = Port(build(parameters_of(BOARD)))
    port.idle(125)
    address = first_frame(BOARD.device, BOARD.partitions[2])
    outputs = port.write(moved(STREAM, address))
    loads = [(out.loaded_partition, out.loaded_id) for out in outputs if out.loaded]
    assert loads == [(2, 0)]  # the identity in the frames names partition 0
    assert outputs[-1].crc_error == 0
