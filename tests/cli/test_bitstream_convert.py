"""`fpga-rt bitstream convert`: word orders, and no output when the input is wrong."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.bitstreams import bit, partial, put, swapped
from tests.cli.conftest import Cli


def test_a_bit_file_becomes_reversed_words(cli: Cli, tmp_path: Path) -> None:
    source, output = put(tmp_path, "a.bit", bit(partial())), tmp_path / "a.bin"
    answer = cli("bitstream", "convert", source, "-o", output)
    assert output.read_bytes() == swapped(partial())
    assert answer.out == (
        f"written: {output} ({len(partial()):,} bytes), fpga_manager order; header removed, words"
        " turned from port order; every CRC matches\n"
    )


def test_a_bin_file_of_either_order_is_recognised(cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "out.bin"
    for source, order, expected in (
        (swapped(partial()), "port", partial()),
        (partial(), "fpga_manager", swapped(partial())),
        (swapped(partial()), "fpga_manager", swapped(partial())),
    ):
        path = put(tmp_path, "a.bin", source)
        data = cli("bitstream", "convert", path, "-o", output, "--order", order, "--json").out
        assert output.read_bytes() == expected
        assert not json.loads(data)["header_removed"]


def test_a_damaged_file_leaves_what_was_there(cli: Cli, tmp_path: Path) -> None:
    damaged = bytearray(partial())
    damaged[400] ^= 1
    source, output = put(tmp_path, "a.bin", bytes(damaged)), put(tmp_path, "out.bin", b"before")
    answer = cli("bitstream", "convert", source, "-o", output)
    assert (answer.code, answer.out) == (3, "")
    assert "CRC at byte " in answer.err
    assert output.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 2


def test_the_input_is_not_overwritten(cli: Cli, tmp_path: Path) -> None:
    source = put(tmp_path, "a.bin", partial())
    answer = cli("bitstream", "convert", source, "-o", source)
    assert answer.code == 2
    assert answer.err.endswith("would overwrite an input; see `fpga-rt bitstream convert --help`\n")
    assert source.read_bytes() == partial()
