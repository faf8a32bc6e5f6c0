"""`fpga-rt study change`: published and modelled figures in one table, labelled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fpga_rt.arch.boards import board
from tests.cli.conftest import Cli

FILE = Path(__file__).resolve().parents[2] / "examples" / "studies" / "fixed-load.toml"


def test_the_table_has_every_design(cli: Cli) -> None:
    answer = cli("study", "change", FILE)
    assert answer.code == 0
    rows = {line.split()[0]: line.split() for line in answer.out.splitlines() if "xc7z" in line}
    assert len(rows) == 8
    assert rows["zedboard-ic"][2:] == [
        "0.411", "4,045,564", "82.55", "31.52", "9.06", "82.96", "31.93", "2.60", "201", "77",
    ]  # fmt: skip
    assert "full: the device's full bitstream by pcap, modelled: DPR-Char" in answer.out


def test_regions_are_loaded_by_the_boards_own_port(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "with that device, by ICAP, modelled" in cli("study", "change", FILE).out
    by_pcap = replace(board("pynq-z2"), default_port="pcap")
    monkeypatch.setattr("fpga_rt.study.change.board", lambda _: by_pcap)
    assert "with that device, by PCAP, modelled" in cli("study", "change", FILE).out
    text = "".join(
        line for line in FILE.read_text().splitlines(True) if not line.startswith("regions")
    )
    path = tmp_path / "designs.toml"
    path.write_text(text)
    assert "\nregions:" not in cli("study", "change", path).out


def test_json_labels_what_is_published_and_what_is_modelled(cli: Cli) -> None:
    data = json.loads(cli("study", "change", FILE, "--json").out)
    for design in data["designs"]:
        assert (design["inference_origin"], design["load_origin"]) == ("published", "modelled")
        assert design["first_image_ms"]["full"] == pytest.approx(
            design["load_ms"]["full"] + design["inference_ms"]
        )


def test_a_bad_file_is_one_line(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "designs.toml"
    path.write_text('[change]\nfixed_ms = "long"\nfixed_source = "x"\nport = "zynq7-pcap"\n')
    answer = cli("study", "change", path)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err == (
        f"fpga-rt: error: {path}:2: fixed_ms is 'long', expected a number above 0 and at most"
        " 1e+18\n"
    )
