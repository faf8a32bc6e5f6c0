"""Differences between streams, counted frame by frame and word by word."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from fpga_rt.arch.devices import device
from fpga_rt.bitstream.diff import KindDifference, difference
from fpga_rt.bitstream.read import Frames, frames, parse
from tests.bitstream.interpreter import play

CHIP = device("xc7z020")
# Columns 26 (CLB) and 36 (block RAM) of the bottom row 0, and content of block RAM column 3.
CLB, BRAM, CONTENT = 0x00400D00, 0x00401200, 0x00C00180


def written(addresses: list[int], seed: int = 0) -> Frames:
    words = np.random.default_rng(seed).integers(1, 1 << 32, (len(addresses), 101))
    return Frames(np.array(addresses, np.int64), words.astype(np.uint32))


def test_what_differs_is_counted_by_kind_of_column() -> None:
    first = written([CLB, CLB + 1, BRAM, CONTENT, CONTENT + 1])
    second = Frames(first.addresses[:4], first.words[:4].copy())
    second.words[0, 5:8] ^= 1
    second.words[3] ^= 1
    found = difference(first, second, CHIP)
    assert found.kinds == (
        KindDifference("BRAM content", 1, 1, 101, 1, 0),
        KindDifference("BRAM interconnect", 1, 0, 0, 0, 0),
        KindDifference("CLB", 2, 1, 3, 0, 0),
    )
    assert found.total == KindDifference("all", 4, 2, 104, 1, 0)
    assert found.addresses.tolist() == [CLB, CONTENT]
    assert not found.is_empty


def test_a_stream_does_not_differ_from_itself() -> None:
    same = written([CLB, BRAM])
    assert difference(same, same, CHIP).is_empty
    nothing = Frames(same.addresses[:0], same.words[:0])
    assert difference(nothing, nothing, CHIP).kinds == ()
    assert difference(nothing, same, CHIP).total == KindDifference("all", 0, 0, 0, 0, 2)


def test_columns_of_an_unknown_geometry_have_no_kind() -> None:
    one = Frames(np.array([0x300]), np.ones((1, 93), np.uint32))
    (kind,) = difference(one, Frames(one.addresses, one.words + 1), device("xcu200")).kinds
    assert kind == KindDifference("unknown", 1, 1, 93, 0, 0)


def test_two_real_modules_differ_as_counted_one_by_one(data_dir: Path) -> None:
    folder = data_dir / "bitstreams" / "byuccl-BYU_PYNQ_PR_Video_Pipeline"
    files = [parse((folder / f"video__{name}_l0.bit").read_bytes()) for name in ("pass", "sobel")]
    found = difference(frames(files[0], CHIP), frames(files[1], CHIP), CHIP)
    streams = [stream.words.astype(">u4").tobytes() for stream in files]
    first, second = (play(stream, CHIP, check_crc=False).frames for stream in streams)
    assert first.keys() == second.keys()
    words: Counter[str] = Counter()
    for far, frame in first.items():
        kind = CHIP.columns[far >> 7 & 0x3FF] if far < 1 << 23 else "content"
        words[kind] += sum(a != b for a, b in zip(frame, second[far], strict=True))
    by_kind = {kind.kind: kind.words for kind in found.kinds}
    assert by_kind == {
        "BRAM content": words["content"],
        "BRAM interconnect": words["BRAM"],
        "CLB": words["CLB"],
        "DSP": words["DSP"],
    }
    assert found.total.differ == sum(first[far] != second[far] for far in first)
