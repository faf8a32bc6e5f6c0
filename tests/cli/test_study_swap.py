"""`fpga-rt study swap`: a table of ways, labelled, beside what is published."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Cli


def test_ways_stand_beside_what_is_published(cli: Cli) -> None:
    answer = cli("study", "swap")
    assert answer.code == 0
    assert answer.out.startswith(
        "rp0 of TUL PYNQ-Z2: 1,390,340 bytes (modelled: sums of the parts)"
    )
    assert "110 to 170 ms: Kang and Park, Sensors 25(24), 7448 (2025)" in answer.out
    assert "PCAP, bare metal: 14.1 to 21.8 MB go through in that time" in answer.out
    assert "port, measured: DPR-Characterization, bare metal" in answer.out


def test_json_has_every_part_with_its_origin(cli: Cli) -> None:
    data = json.loads(cli("study", "swap", "--bytes", 2_048_000, "--json").out)
    assert (data["bytes"], data["published"]["ms"]) == (2_048_000, [110, 170])
    assert data["clock"] == "virtual"
    # An XC7Z020's 4,045,564 bytes (UG470) at 128.5 MB/s.
    assert data["full"]["bytes"] == 4_045_564
    assert data["full"]["ms"][0] == pytest.approx(0.039 + 4_045_564 / 128.5e3)
    found = {way["name"]: way for way in data["ways"]}
    # Measured by others, bare metal: 15.969 ms.
    assert found["PCAP, bare metal"]["ms"][0] == pytest.approx(15.969, rel=0.002)
    for way in data["ways"]:
        assert way["origin"] == "modelled"
        assert way["ms"][1] == pytest.approx(sum(p["ms"][1] for p in way["parts"].values()))
        assert all(part["origin"] and part["source"] for part in way["parts"].values())


def test_json_has_no_full_bitstream_where_nothing_loads_one(cli: Cli) -> None:
    assert json.loads(cli("study", "swap", "--board", "alveo-u200", "--json").out)["full"] is None


def test_what_is_wrong_is_named(cli: Cli) -> None:
    answer = cli("study", "swap", "--partition", "rp7")
    assert answer.code == 5
    assert "board pynq-z2 has no partition 'rp7', expected one of rp0, rp1, rp2" in answer.err
    answer = cli("study", "swap", "--partition", "rp0", "--bytes", 5)
    assert answer.code == 2
    assert "--bytes and --partition both say how long the bitstream is" in answer.err
