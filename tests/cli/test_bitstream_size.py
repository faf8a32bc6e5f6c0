"""`fpga-rt bitstream size`: sizes of real files, load times by the rate, and the lint."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Cli


def test_sizes_of_a_real_region(cli: Cli) -> None:
    # PRIO's pr_0: a file of 151,605 bytes with a header of 121, 374 frames through the port.
    arguments = ("--device", "xc7z020", "--columns", "26:27", "--rows", "Y1", "--json")
    found = json.loads(cli("bitstream", "size", *arguments).out)
    vivado = found["forms"]["vivado"]
    assert (vivado["bytes"], vivado["frames"]) == (151_605 - 121, 374)
    assert found["resources"] == {"lut": 800, "dsp": 0, "bram36": 0}
    assert found["exact"]
    assert vivado["load_us"]["icap"] == pytest.approx(151_484 / 382, rel=1e-6)
    assert vivado["load_us"]["pcap"] == pytest.approx(39 + 151_484 / 128.5, rel=1e-6)
    assert "ZyCAP" in found["ports"]["icap"]["source"]


def test_an_l_shape_is_two_rectangles(cli: Cli) -> None:
    drawn = ("--columns", "6:27", "--rows", "Y0", "--columns", "20:27", "--rows", "Y1")
    one = json.loads(cli("bitstream", "size", "--device", "xc7z020", *drawn, "--json").out)
    two = json.loads(
        cli("bitstream", "size", "--board", "pynq-z2", "--partition", "rp1", "--json").out
    )
    for key in ("rectangles", "resources", "frames", "forms"):
        assert one[key] == two[key]


@pytest.mark.parametrize(
    ("rows", "same"), [("Y0:Y1", "Y0,Y1"), ("Y1:Y0", "Y0,Y1"), ("Y1:Y1", "Y1")]
)
def test_rows_are_a_list_or_a_range(cli: Cli, rows: str, same: str) -> None:
    drawn = ("bitstream", "size", "--device", "xc7z020", "--columns", "26:27", "--json", "--rows")
    assert cli(*drawn, rows).out == cli(*drawn, same).out


def test_a_partition_that_overhangs_gets_a_warning(cli: Cli) -> None:
    text = cli("bitstream", "size", "--device", "xc7z020",
               "--pblock", "SLICE_X38Y0:SLICE_X45Y50").out  # fmt: skip
    assert "xc7z020 (7-series): columns 28-29 of Y1, Y0" in text
    assert (
        "warning: row Y1 is loaded whole for 1 of its 50 rows of SLICE sites: without the overhang"
        " the partial is 59,048 bytes shorter\n"
    ) in text
    assert "warning: columns 27, 30 are given up" in text
    assert "bytes are exact" in text
    assert "icap: 382.0 MB/s, measured" in text


def test_ultrascale_plus_says_how_sure_it_is(cli: Cli) -> None:
    text = cli("bitstream", "size", "--board", "zcu104", "--partition", "rp0").out
    assert "bytes are within 1 %" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("", 2, "no region: name --board and --partition, or --device with --columns and --rows or"
         " --pblock; see `fpga-rt bitstream size --help`"),
        ("--device xc7z020", 2, "no region: "),
        ("--board pynq-z2 --device xc7z020", 2, "--board and --device are both given"),
        ("--partition rp0", 2, "--partition without --board"),
        ("--columns 2:3 --rows Y0", 2, "columns without a device"),
        ("--board pynq-z2 --partition rp0 --columns 2:3 --rows Y0", 2, "--partition and columns"),
        ("--device xc7z020 --columns 2:3", 2, "1 --columns and 0 --rows, expected one --rows for"),
        ("--device xc7z020 --columns 2:3 --rows Y0 --pblock x", 2, "--pblock and --columns"),
        ("--device xc7z020 --columns 2 --rows Y0", 2, "got '2', expected FIRST:LAST"),
        ("--device xc7z020 --columns 2:3,6:7 --rows Y0", 2, "got '2:3,6:7', expected one range"
         " FIRST:LAST; give --columns and --rows once more for a second rectangle"),
        ("--device xc7z020 --columns 2:3 --rows Y0:Y4", 5, "no clock-region row 'Y3'"),
        ("--device xc7z999 --columns 2:3 --rows Y0", 6, "unknown FPGA 'xc7z999'"),
        ("--board pynq-z9 --partition rp0", 6, "unknown board 'pynq-z9'"),
        ("--board pynq-z2 --partition rp9", 6, "has no partition 'rp9', expected one of rp0, rp1"),
        ("--device xc7z020 --columns 3:8 --rows Y0", 5, "cut a programmable unit"),
        ("--device xc7z020 --columns 2:3 --rows Y7", 5, "no clock-region row 'Y7'"),
        ("--device xc7z020 --pblock nonsense", 5, "pblock range 'nonsense'"),
        ("--device xczu7ev --pblock SLICE_X0Y0:SLICE_X9Y59", 5, "its site numbers are not known"),
        ("--board alveo-u200 --partition rp0", 5, "the geometry of xcu200 is not known"),
    ],
)  # fmt: skip
def test_refusals(cli: Cli, arguments: str, code: int, message: str) -> None:
    answer = cli("bitstream", "size", *arguments.split())
    assert (answer.code, answer.out) == (code, "")
    assert message in answer.err
    assert answer.err.count("\n") == 1
