"""Stand-ins: real sizes, the entropy asked for, an identity, and they load."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from fpga_rt.arch.boards import Board, board, boards
from fpga_rt.arch.floorplan import Partition, cells
from fpga_rt.arch.partials import stream_bytes
from fpga_rt.bitstream.ecc import mismatches
from fpga_rt.bitstream.expand import frame_order
from fpga_rt.bitstream.read import frames, identity, parse
from fpga_rt.bitstream.standin import DENSE, SPARSE, stand_in
from fpga_rt.bitstream.verify import verify, verify_partial
from fpga_rt.device.emulator import Emulator
from fpga_rt.errors import ArtifactError
from fpga_rt.modules.registry import modules
from tests.bitstream.interpreter import as_frames, play

MODULE = 0xFEDC_BA98_7654_3210
BOARDS = [name for name in boards() if not board(name).estimate]
KRIA = board("kv260")


def zlib_ratio(data: bytes) -> float:
    """Return how many times zlib, level 6, shrinks the data."""
    return len(data) / len(zlib.compress(data, 6))


@pytest.mark.parametrize("name", BOARDS)
def test_it_has_the_size_of_a_vendor_partial_and_may_be_loaded(name: str) -> None:
    target = board(name)
    for partition in target.partitions:
        data = stand_in(target.device, partition, MODULE)
        assert len(data) == partition.bitstream_bytes
        verify_partial(data, target.device, partition)


@pytest.mark.parametrize("name", BOARDS)
def test_the_emulator_loads_it(name: str) -> None:
    module = next(iter(modules()))
    with Emulator(name, memory_bytes=16 << 20) as device:
        for place in device.board.partitions:
            stream = stand_in(device.board.device, place, module.module_id)
            staged = device.stage(stream, place.index)
            device.decouple(place.index)
            device.wait(device.begin_load(place.index, staged, "icap"))
            device.reset(place.index)
            assert device.identify(place.index) == module.module_id
            assert staged.bitstream_bytes == place.bitstream_bytes


def test_a_part_of_a_partition_has_a_partial_of_its_own() -> None:
    pynq = board("pynq-z2")
    partition = pynq.partitions[2]
    whole = sorted(cells(pynq.device, partition), key=lambda cell: cell.column)
    region = frozenset(whole[2:7])
    data = stand_in(pynq.device, partition, MODULE, region=region)
    assert len(data) == stream_bytes(pynq.device, region) < partition.bitstream_bytes
    verified = verify(data, pynq.device, region)
    assert (verified.module_id, verified.coverage) == (MODULE, 1.0)
    with pytest.raises(ArtifactError, match="reset mask"):
        verify_partial(data, pynq.device, partition)


@pytest.mark.parametrize("of", [None, 1], ids=["nothing", "another partition"])
def test_a_region_lies_in_the_partition(of: int | None) -> None:
    pynq = board("pynq-z2")
    region = frozenset() if of is None else cells(pynq.device, pynq.partitions[of])
    with pytest.raises(ValueError, match="the region is no part of partition 'rp0'"):
        stand_in(pynq.device, pynq.partitions[0], MODULE, region=region)


def test_frames_of_the_7_series_have_their_ecc() -> None:
    pynq = board("pynq-z2")
    data = stand_in(pynq.device, pynq.partitions[0], MODULE)
    for contents in (play(data, pynq.device).frames, play(data, pynq.device).first):
        assert mismatches(as_frames(contents)).size == 0


@pytest.mark.parametrize("name", BOARDS)
def test_the_first_frame_of_the_partition_carries_the_identity(name: str) -> None:
    target: Board = board(name)
    partition = target.partitions[1]
    data = stand_in(target.device, partition, MODULE)
    written = frames(parse(data), target.device)
    inside = np.isin(written.addresses, frame_order(target.device).partition(partition))
    assert identity(written.words[inside]) == (MODULE, 1)
    assert set(written.addresses.tolist()) == set(play(data, target.device).frames)


@pytest.mark.parametrize("partition", KRIA.partitions, ids=lambda p: p.name)
def test_entropy_spans_a_sparse_demo_and_the_dense_modules_of_a_k26(partition: Partition) -> None:
    # Measured on real partials: K26 DPU-512 2.0 and FFT 2.4; sparse demonstrations 20 to 26.
    dense, middle, sparse = (
        zlib_ratio(stand_in(KRIA.device, partition, MODULE, density))
        for density in (DENSE, 0.5, SPARSE)
    )
    assert 2.0 <= dense <= 2.4
    assert 5 <= middle <= 10
    assert 20 <= sparse <= 30


def test_word_runs_of_a_dense_one_are_those_of_a_k26_module() -> None:
    words = np.frombuffer(stand_in(KRIA.device, KRIA.partitions[0], MODULE), ">u4")
    runs = 1 + np.count_nonzero(np.diff(words.astype(np.int64)))
    assert 1.25 <= len(words) / runs <= 1.45


def test_same_arguments_same_bytes_and_any_other_argument_other_bytes() -> None:
    pynq = board("pynq-z2")
    chip, (first, second, _) = pynq.device, pynq.partitions
    data = stand_in(chip, first, MODULE, 0.5, 1)
    assert data == stand_in(chip, first, MODULE, 0.5, 1)
    others = {
        stand_in(chip, first, MODULE + 1, 0.5, 1),
        stand_in(chip, second, MODULE, 0.5, 1),
        stand_in(chip, first, MODULE, 0.6, 1),
        stand_in(chip, first, MODULE, 0.5, 2),
    }
    assert len(others | {data}) == 5


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(ValueError, match=r"density 1\.5 is not between 0\.0 and 1\.0"):
        stand_in(KRIA.device, KRIA.partitions[0], MODULE, 1.5)
    alveo = board("alveo-u200")
    with pytest.raises(ArtifactError, match="'rp0' of xcu200 has declared figures and no frames"):
        stand_in(alveo.device, alveo.partitions[0], MODULE)
