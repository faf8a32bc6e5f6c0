"""`fpga-rt bitstream shrink`: the frames stay, the words get fewer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.devices import device
from fpga_rt.bitstream.read import frames, parse
from tests.cli.bitstreams import partial, put
from tests.cli.conftest import Cli

YUNQU = "yunqu-partial_reconfig_example/boards__Pynq-Z1__gpio_pr__"


def test_a_real_partial(cli: Cli, tmp_path: Path, data_dir: Path) -> None:
    source, output = data_dir / "bitstreams" / f"{YUNQU}led_5.bit", tmp_path / "small.bit"
    found = json.loads(cli("bitstream", "shrink", source, "-o", output, "--json").out)
    assert found["words_before"] == 716_468 // 4
    assert found["words_after"] < found["words_before"]
    assert found["ratio"] == pytest.approx(found["words_before"] / found["words_after"], abs=1e-4)
    chip = device("xc7z020")
    before, after = (frames(parse(path.read_bytes()), chip) for path in (source, output))
    assert np.array_equal(before.addresses, after.addresses)
    assert np.array_equal(before.words, after.words)


def test_against_another_module_of_the_region(cli: Cli, tmp_path: Path, data_dir: Path) -> None:
    base, source = (data_dir / "bitstreams" / f"{YUNQU}led_{n}.bit" for n in (0, 5))
    output = tmp_path / "small.bit"
    answer = cli("bitstream", "shrink", source, "-o", output, "--against", base)
    assert f"load it over {base} only, loaded afresh: equal frames were left out" in answer.out
    chip = device("xc7z020")
    under, over, wanted = (
        frames(parse(path.read_bytes()), chip) for path in (base, output, source)
    )
    assert len(over.addresses) < len(wanted.addresses)
    contents = dict(zip(under.addresses.tolist(), under.words, strict=True))
    contents.update(zip(over.addresses.tolist(), over.words, strict=True))
    for address, words in zip(wanted.addresses.tolist(), wanted.words, strict=True):
        assert np.array_equal(contents[address], words)


def test_what_cannot_shrink_is_kept(cli: Cli, tmp_path: Path) -> None:
    source, output = put(tmp_path, "a.bin", partial()), tmp_path / "b.bin"
    answer = cli("bitstream", "shrink", source, "-o", output)
    assert answer.out == (
        f"written: {output}, as it was: no way was found to say it in fewer words\n"
    )
    assert output.read_bytes() == partial()


def test_a_base_of_another_device_is_refused(cli: Cli, tmp_path: Path) -> None:
    source, base = put(tmp_path, "a.bin", partial()), put(tmp_path, "k.bin", partial("kv260"))
    output = tmp_path / "b.bin"
    answer = cli("bitstream", "shrink", source, "-o", output, "--against", base)
    assert answer.code == 3
    assert "got 0x04A49093 (xck26), expected 0x03727093 (xc7z020)" in answer.err
    assert not output.exists()
