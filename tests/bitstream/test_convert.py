"""Words without header in either order, against slices of the file's own bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import bit_file, simulation_bitstream
from fpga_rt.bitstream.convert import convert
from fpga_rt.errors import ArtifactError

PYNQ = board("pynq-z2")
STREAM = simulation_bitstream(PYNQ.device, PYNQ.partitions[0], 5)
SWAPPED = b"".join(STREAM[i : i + 4][::-1] for i in range(0, len(STREAM), 4))


def test_every_source_gives_the_same_words() -> None:
    bit = bit_file(STREAM, "top", "7z020clg400", True)
    for source, had_header, was in ((bit, True, "big"), (STREAM, False, "big"),
                                    (SWAPPED, False, "little")):  # fmt: skip
        little, big = convert(source), convert(source, "big")
        assert (little.data, big.data) == (SWAPPED, STREAM)
        assert {(c.had_header, c.was) for c in (little, big)} == {(had_header, was)}


def test_equals_the_swapped_twin_of_a_real_file(data_dir: Path) -> None:
    stem = "yunqu-partial_reconfig_example/boards__Pynq-Z1__gpio_pr__notebooks__partial_reconfig_example__gpio_pr_i_gpio_0_rm_led_0_partial"  # noqa: E501 - the name of the file
    folder = data_dir / "bitstreams"
    done = convert((folder / f"{stem}.bit").read_bytes())
    assert done.data == (folder / f"{stem}.bin").read_bytes()
    assert done.had_header


def test_a_flipped_bit_is_refused() -> None:
    damaged = bytearray(STREAM)
    damaged[400] ^= 1
    with pytest.raises(ArtifactError, match=r"CRC at byte \d+: got 0x.*, expected 0x.* from the"):
        convert(bytes(damaged))


def test_a_stream_without_crc_is_refused() -> None:
    words = (0xFFFFFFFF, 0xAA995566, 0x20000000, 0x30008001, 13)
    data = b"".join(word.to_bytes(4, "big") for word in words)
    with pytest.raises(ArtifactError, match="no CRC in the stream at byte 0, expected one or more"):
        convert(data)


def test_encrypted_words_are_refused(data_dir: Path) -> None:
    path = data_dir / "bitstreams" / "betrusted-io-xous-core" / "precursors__soc_csr_pvt.bin"
    with pytest.raises(ArtifactError, match="the stream is encrypted"):
        convert(path.read_bytes())
