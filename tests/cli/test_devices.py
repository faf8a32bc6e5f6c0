"""`fpga-rt devices`: devices from the registry, boards with their load times."""

from __future__ import annotations

import json

from fpga_rt.arch.boards import board, boards
from tests.cli.conftest import Cli


def test_lists_every_device_and_board(cli: Cli) -> None:
    text = cli("devices").out
    assert "emulator  yes     Emulator of any board" in text
    for name in boards():
        assert f"\n{name}" in text
    assert "alveo-u200*" in text
    assert "* a floorplan that is declared, not computed" in text
    assert "load times are modelled" in text


def test_json_has_ports_with_their_sources(cli: Cli) -> None:
    found = json.loads(cli("devices", "--json").out)
    assert {"name": "emulator", "obstacle": None} == {
        key: found["devices"][0][key] for key in ("name", "obstacle")
    }
    pynq = next(entry for entry in found["boards"] if entry["name"] == "pynq-z2")
    assert pynq["ports"]["icap"]["bytes_per_second"] == 382_000_000
    assert "ZyCAP" in pynq["ports"]["icap"]["source"]
    names = [partition["name"] for partition in pynq["partitions"]]
    assert names == [partition.name for partition in board("pynq-z2").partitions]
    first = pynq["partitions"][0]
    assert abs(first["load_us"]["pcap"] - (39 + first["bitstream_bytes"] / 128.5)) < 0.01
