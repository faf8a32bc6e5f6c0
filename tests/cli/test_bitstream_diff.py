"""`fpga-rt bitstream diff`: counts against a comparison of the files' own bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.cli.bitstreams import bit, partial, put
from tests.cli.conftest import Cli

YUNQU = "yunqu-partial_reconfig_example/boards__Pynq-Z1__gpio_pr__"


def test_two_modules_of_one_region(cli: Cli, data_dir: Path) -> None:
    paths = [data_dir / "bitstreams" / f"{YUNQU}led_{n}.bit" for n in (0, 5)]
    found = json.loads(cli("bitstream", "diff", *paths, "--json").out)
    # Both write 768 frames in the same places, so the second pass can be compared word by word.
    words = [np.frombuffer(path.read_bytes()[124:], ">u4") for path in paths]
    starts = {404_480: 72, 434_004: 216, 521_704: 352, 664_348: 128}
    differ = []
    for at_byte, frames in starts.items():
        first = (at_byte - 124) // 4
        a, b = (w[first : first + 101 * frames].reshape(frames, 101) for w in words)
        differ.append((a != b).sum(axis=1))
    counts = np.concatenate(differ)
    assert found["total"] == {
        "kind": "all",
        "frames": 768,
        "differ": np.count_nonzero(counts),
        "words": counts.sum(),
        "only_first": 0,
        "only_second": 0,
    }
    assert {kind["kind"] for kind in found["kinds"]} >= {"CLB", "BRAM content"}
    assert not found["equal"]


def test_a_file_equals_itself_in_any_form(cli: Cli, tmp_path: Path) -> None:
    one, two = put(tmp_path, "a.bin", partial()), put(tmp_path, "b.bit", bit(partial()))
    assert cli("bitstream", "diff", one, two).out == (
        "xc7z020: the same 4 frames with the same contents\n"
    )


def test_modules_of_two_partitions_share_no_frame(cli: Cli, tmp_path: Path) -> None:
    one, two = put(tmp_path, "a.bin", partial()), put(tmp_path, "b.bin", partial(partition=0))
    text = cli("bitstream", "diff", one, two).out
    assert text.splitlines()[-1].split() == ["all", "0", "0", "0.0%", "0", "0.0%", "4", "4"]


def test_the_place_of_a_difference(cli: Cli, tmp_path: Path) -> None:
    one, two = put(tmp_path, "a.bin", partial()), put(tmp_path, "b.bin", partial(module_id=1))
    assert "contents differ in columns 20-20 of Y1" in cli("bitstream", "diff", one, two).out


def test_two_devices_are_refused(cli: Cli, tmp_path: Path) -> None:
    one, two = put(tmp_path, "a.bin", partial()), put(tmp_path, "b.bin", partial("kv260"))
    answer = cli("bitstream", "diff", one, two)
    assert answer.code == 3
    assert "got 0x04A49093 (xck26), expected 0x03727093 (xc7z020)" in answer.err
