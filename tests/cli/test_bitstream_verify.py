"""`fpga-rt bitstream verify`: real files in their regions, and the reasons of refusals."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.bitstreams import MODULE_ID, bit, partial, put
from tests.cli.conftest import Cli

PRIO = "byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio__partial__"
YUNQU = "yunqu-partial_reconfig_example/boards__"
PR_0 = ("--device", "xc7z020", "--columns", "26:27", "--rows", "Y1")
REGIONS = [
    (f"{PRIO}pr_0_uart.bit", PR_0),
    (f"{PRIO}pr_0_uart.bit", ("--board", "pynq-z2", "--columns", "26:27", "--rows", "Y1")),
    ("byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio_linux__partial__pr_0_gpio.bit",
     ("--device", "xc7z020", "--columns", "20:23", "--rows", "Y2,Y1,Y0")),
    (f"{YUNQU}Pynq-Z1__gpio_pr__led_0.bit",
     ("--device", "xc7z020", "--columns", "34:35", "--rows", "Y2", "--columns", "38:43",
      "--rows", "Y2", "--columns", "34:43", "--rows", "Y1")),
    (f"{YUNQU}ZCU104__gpio_pr__led_0.bit",
     ("--device", "xczu7ev", "--columns", "129:146", "--rows", "Y3")),
]  # fmt: skip


@pytest.mark.parametrize(("file", "region"), REGIONS)
def test_real_partials_in_their_regions(
    cli: Cli, data_dir: Path, file: str, region: tuple[str, ...]
) -> None:
    path = data_dir / "bitstreams" / file
    answer = cli("bitstream", "verify", path, *region, "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert found["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found["region_checked"]
    assert found["kind"] == "partial"
    assert found["coverage"] == 1.0


def test_a_full_bitstream_needs_no_region(cli: Cli, data_dir: Path) -> None:
    path = data_dir / "bitstreams" / f"{YUNQU}Pynq-Z1__gpio_pr__gpio_pr.bit"
    text = cli("bitstream", "verify", path).out
    assert f"{path}: may be loaded into xc7z020\n" in text
    assert "9,996 frames; every CRC matches" in text
    assert "not checked" not in text


@pytest.mark.parametrize(
    ("file", "region", "message"),
    [
        (f"{PRIO}pr_3_gpio.bit", PR_0, "got a frame outside the partition"),
        (f"{PRIO}pr_0_uart.bit", ("--device", "xc7z010"), "IDCODE at byte "),
        (f"{PRIO}pr_0_uart.bit", ("--board", "zcu104", "--partition", "rp0"), ""),
        (f"{PRIO}pr_0_uart.bit", ("--board", "pynq-z2", "--partition", "rp0"), "'rp0'"),
    ],
)
def test_real_partials_elsewhere(
    cli: Cli, data_dir: Path, file: str, region: tuple[str, ...], message: str
) -> None:
    answer = cli("bitstream", "verify", data_dir / "bitstreams" / file, *region)
    assert (answer.code, answer.out) == (3, "")
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_a_built_partial_says_which_module_it_holds(cli: Cli, tmp_path: Path) -> None:
    path = put(tmp_path, "a.bit", bit(partial()))
    text = cli("bitstream", "verify", path, "--board", "pynq-z2", "--partition", "rp1").out
    assert text.startswith(f"{path}: may be loaded into partition rp1 of pynq-z2 (xc7z020)\n")
    assert f"  module {MODULE_ID:016x}, by the identity in its frames\n" in text


def test_without_a_region_it_says_what_was_not_checked(cli: Cli, tmp_path: Path) -> None:
    text = cli("bitstream", "verify", put(tmp_path, "a.bin", partial())).out
    assert "not checked: where its frames lie; name a partition, or columns and rows" in text


def test_a_flipped_bit_is_refused(cli: Cli, tmp_path: Path) -> None:
    for at in range(60, len(partial()), 97):
        damaged = bytearray(partial())
        damaged[at] ^= 4
        path = put(tmp_path, "a.bin", bytes(damaged))
        answer = cli("bitstream", "verify", path, "--board", "pynq-z2", "--partition", "rp1")
        assert answer.code == 3
