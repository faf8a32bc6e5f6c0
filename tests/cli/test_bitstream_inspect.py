"""`fpga-rt bitstream inspect`: the facts of real files, and of streams that the project builds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fpga_rt.cli.main import main
from tests.cli.bitstreams import bit, partial, put, swapped
from tests.cli.conftest import Cli


def _inspect(cli: Cli, path: Path) -> dict[str, Any]:
    answer = cli("bitstream", "inspect", path, "--json")
    assert (answer.code, answer.err) == (0, "")
    result: dict[str, Any] = json.loads(answer.out)
    return result


def test_every_fact_of_the_index(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = data_dir / "bitstreams"
    entries = json.loads((folder / "index.json").read_text())
    files = [entry for entry in entries if entry["file"].endswith((".bit", ".bin"))]
    assert len(files) == 24
    for entry in files:
        assert main(["bitstream", "inspect", str(folder / entry["file"]), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["digest"] == entry["sha256"]
        assert found["size_bytes"] == entry["size"]
        assert found["size_bytes"] - found["stream_at_byte"] == entry["raw_size"]
        stream = found["stream"]
        assert stream["encrypted"] == entry["encrypted"]
        if not entry["encrypted"]:
            _check_stream(found, entry)


def _check_stream(found: dict[str, Any], entry: dict[str, Any]) -> None:
    """Compare what inspect says with what the index says of a readable file."""
    stream = found["stream"]
    family = {"7": "7-series", "US+": "UltraScale+"}
    assert stream["family"] == family[entry["family"]]
    assert found["header"].get("part") == entry["part"]
    assert {f"0x{idcode:x}" for idcode in stream["idcodes"]} == set(entry["idcode"])
    assert stream["kind"] == entry["kind"]
    assert len(stream["segments"]) == entry["segments"]
    assert stream["frame_words"] == entry["fdri_words"]
    assert stream["frames"] == entry["fdri_frames"]
    assert stream["multi_frame_writes"] == entry["mfwr"]
    assert stream["compressed"] == entry["compressed"]
    assert stream["resets"] == (entry["has_grestore"] and entry["has_shutdown"])
    assert stream["dies"] == entry["slr_nested"] == []
    starts = [int(far, 16) for far in entry["far_starts"]]  # the index has the first twelve
    assert stream["far_starts"][: len(starts)] == starts
    assert len(starts) in (len(stream["far_starts"]), 12)
    # The parser behind the index counts LOUT, so it misses a CRC of the debug file.
    matched = entry["crc_ok"][1] if stream["debug"] else entry["crc_ok"][0]
    assert [stream["crcs_matched"], stream["crcs"]] == [matched, entry["crc_ok"][1]]


def test_forms_of_one_stream(cli: Cli, tmp_path: Path) -> None:
    stream = partial()
    files = {"a.bit": bit(stream), "b.bin": stream, "c.bin": swapped(stream)}
    found = [_inspect(cli, put(tmp_path, name, data)) for name, data in files.items()]
    assert [f["word_order"] for f in found] == ["big", "big", "little"]
    assert found[0]["header"]["part"] == "7z020clg400"
    assert found[1]["header"] == {}
    assert found[1]["stream"] == found[2]["stream"]
    assert found[1]["stream"]["device"] == "xc7z020"
    assert found[1]["stream"]["frames"] == 5
    assert found[1]["stream"]["runs"][0]["address"] == {
        "block_type": 0, "row": 0, "column": 20, "minor": 0, "bottom": True,
    }  # fmt: skip


def test_a_wrong_crc_is_shown_not_refused(cli: Cli, tmp_path: Path) -> None:
    damaged = bytearray(partial())
    damaged[400] ^= 1
    path = put(tmp_path, "d.bin", bytes(damaged))
    assert _inspect(cli, path)["stream"]["crcs_matched"] == 0
    assert "0 of 1 match" in cli("bitstream", "inspect", path).out


def test_the_text(cli: Cli, tmp_path: Path) -> None:
    text = cli("bitstream", "inspect", put(tmp_path, "a.bit", bit(partial()))).out
    for part in (
        "part 7z020clg400",
        "  family  7-series",
        "  IDCODE  0x03727093 (xc7z020)",
        "  kind    partial, not compressed",
        "  frames  5 frames of data, flush and pad frames included",
        "  CRCs    1 of 1 match",
        "0x00400A00  logic  bottom    0      20      0       5",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) < 160


def test_no_terminal_command_comes_through(cli: Cli, tmp_path: Path) -> None:
    data = bit(partial(), part="7z020\x1b[2Jclg")
    assert "part 7z020?[2Jclg" in cli("bitstream", "inspect", put(tmp_path, "a.bit", data)).out


def test_an_encrypted_file_is_told(cli: Cli, data_dir: Path) -> None:
    path = data_dir / "bitstreams" / "betrusted-io-xous-core" / "precursors__soc_csr_pvt.bin"
    text = cli("bitstream", "inspect", path).out
    assert "kind    full, encrypted" in text
    assert "frames  encrypted: they cannot be read or counted" in text
