"""Every fact that is known about the public files, and what the verifier says of each of them."""

from __future__ import annotations

import gzip
import json
import lzma
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpga_rt.arch.devices import device
from fpga_rt.arch.packets import Command, Register
from fpga_rt.arch.partials import Cell
from fpga_rt.bitstream.read import ConfigurationStream, frames, parse
from fpga_rt.bitstream.verify import verify
from fpga_rt.errors import ArtifactError

Entry = dict[str, Any]
Area = tuple[str, int, int]  # row, first column, last column

FOLDER = Path(os.environ.get("FPGA_RT_DATA", Path(__file__).parents[3] / "shared" / "data"))
Z020 = device("xc7z020")
FAMILIES = {"7": "7-series", "US": "UltraScale", "US+": "UltraScale+"}
PRIO = "byuccl-PYNQ-PRIO/boards__Pynq-Z"
YUNQU = "yunqu-partial_reconfig_example/boards__"
BYU = "byuccl-BYU_PYNQ_PR_Video_Pipeline/video__"
LED = [("Y2", 34, 35), ("Y2", 38, 43), ("Y1", 34, 43)]
LARGE = [("Y2", 20, 31), ("Y2", 34, 37)]
REGIONS: dict[str, list[Area]] = {
    f"{PRIO}1__prio__partial__pr_0_gpio.bit": [("Y1", 26, 27)],
    f"{PRIO}1__prio__partial__pr_0_uart.bit": [("Y1", 26, 27)],
    f"{PRIO}1__prio__partial__pr_3_gpio.bit": [("Y1", 38, 39)],
    f"{PRIO}1__prio_linux__partial__pr_0_gpio.bit": [(y, 20, 23) for y in ("Y2", "Y1", "Y0")],
    f"{PRIO}2__prio__partial__pr_0_uart.bit": [("Y1", 26, 27)],
    "byuccl-PYNQ-PRIO/boards__ZCU104__prio__partial__pr_0_uart.bit": [("Y5", 171, 188)],
    f"{YUNQU}Pynq-Z1__gpio_pr__led_0.bit": LED,
    f"{YUNQU}Pynq-Z1__gpio_pr__led_5.bit": LED,
    f"{YUNQU}Pynq-Z1__gpio_pr__notebooks__partial_reconfig_example__gpio_pr_i_gpio_0_rm_led_0_"
    "partial.bin": LED,
    f"{YUNQU}Pynq-Z1__gpio_pr__notebooks__partial_reconfig_example__gpio_pr_i_gpio_0_rm_led_0_"
    "partial.bit": LED,
    f"{YUNQU}ZCU104__gpio_pr__led_0.bit": [("Y3", 129, 146)],
    f"{YUNQU}ZCU104__gpio_pr__led_5.bit": [("Y3", 129, 146)],
    f"{BYU}pass_l0.bit": LARGE,
    f"{BYU}sobel_l0.bit": LARGE,
    f"{BYU}pass_m0.bit": [("Y0", 62, 71)],
    f"{BYU}pass_s0.bit": [("Y0", 2, 9)],
    f"{BYU}gscreen_mux.bit": [("Y0", 48, 51)],  # over the clock column
}
"""Partials and where they lie, by the frame addresses in them."""


@cache
def index() -> dict[str, Entry]:
    """Return the listed bitstreams; none where the folder of real data is absent."""
    path = FOLDER / "bitstreams" / "index.json"
    if not path.is_file():
        return {}
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {e["file"]: e for e in entries if not e["file"].endswith(".hwh")}


def listed(kind: str | None = None, encrypted: bool | None = None, part: str = "") -> list[Any]:
    """Return test parameters: the files of a kind; one that skips where there are none."""
    names = [
        name
        for name, entry in index().items()
        if kind in (None, entry["kind"])
        and encrypted in (None, entry["encrypted"])
        and part in str(entry["part"])
    ]
    skip = pytest.mark.skip(reason=f"no folder of real data at {FOLDER}: set FPGA_RT_DATA to it")
    return [*names] or [pytest.param("none", marks=skip)]


def content(name: str) -> bytes:
    data = (FOLDER / "bitstreams" / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


@cache
def stream_of(name: str) -> ConfigurationStream:
    return parse(content(name))


def facts(stream: ConfigurationStream, size: int) -> Entry:
    """Return what the index tells of a die, as the reader finds it."""
    written = sum(run.stop - run.start for run in stream.runs)
    commands = [len(s.packets.commands(Command.GRESTORE)) for s in stream.segments]
    stops = [len(s.packets.commands(Command.SHUTDOWN)) for s in stream.segments]
    return {
        "idcode": [f"0x{idcode:x}" for idcode in dict.fromkeys(stream.idcodes)],
        "segments": len(stream.segments),
        "fdri_words": written,
        "fdri_frames": written // size,
        "mfwr": stream.writes_to(Register.MFWR),
        "compressed": stream.compressed,
        "crc_ok": [stream.crcs_matched, len(stream.crcs)],
        "has_grestore": any(commands),
        "has_shutdown": any(stops),
    }


def nested(stream: ConfigurationStream) -> Iterator[ConfigurationStream]:
    for inner in stream.nested:
        yield inner
        yield from nested(inner)


@pytest.mark.parametrize("name", listed(encrypted=False))
def test_the_reader_finds_what_is_known(name: str) -> None:
    entry, stream = index()[name], stream_of(name)
    size = {"7": 101, "US": 123, "US+": 93}[entry["family"]]
    found = facts(stream, size)
    due = {key: entry[key] for key in found}
    if name.endswith(".debug.bit"):
        # The index was made by a reader that counts LOUT; without it both CRCs match.
        assert due.pop("crc_ok") == [1, 2]
        assert found.pop("crc_ok") == [2, 2]
    assert found == due
    assert stream.family == FAMILIES[entry["family"]]
    assert (stream.kind, stream.part) == (entry["kind"], entry["part"])
    assert (stream.encrypted, stream.swapped) == (False, entry.get("byteswapped", False))
    assert stream.origin_bytes == entry["header_len"]
    assert 4 * len(stream.words) == entry["raw_size"]
    assert 4 * (stream.segments[0].start - 1) == entry["sync_offset"]
    assert stream.header == {k: v for k, v in entry["header"].items() if k != "e"}


@pytest.mark.parametrize("name", listed(encrypted=False))
def test_the_reader_finds_frame_addresses_and_further_dies(name: str) -> None:
    entry, stream = index()[name], stream_of(name)
    dies = [
        {
            "bytes": 4 * len(die.words),
            "idcode": [f"0x{idcode:x}" for idcode in dict.fromkeys(die.idcodes)],
            "mfwr": die.writes_to(Register.MFWR),
            "crc_ok": [die.crcs_matched, len(die.crcs)],
        }
        for die in nested(stream)
    ]
    assert dies == entry["slr_nested"]
    if entry["far_starts"] == "compressed":
        assert stream.compressed
        return
    packets = [s.packets for s in stream.segments]
    fars = [int(far) for p in packets for far in p.value[p.to(Register.FAR)]]
    assert [f"0x{far:x}" for far in dict.fromkeys(fars)][:12] == entry["far_starts"]


@pytest.mark.parametrize("name", listed(encrypted=True))
def test_encrypted_files_are_told_and_their_frames_refused(name: str) -> None:
    stream = stream_of(name)
    assert stream.encrypted
    assert stream.family == FAMILIES[index()[name]["family"]]
    assert stream.kind == index()[name]["kind"]
    for attempt in (lambda: frames(stream, Z020), lambda: verify(content(name), Z020)):
        with pytest.raises(ArtifactError, match="the frames of this stream are encrypted, expect"):
            attempt()


def cells(name: str) -> set[Cell]:
    chip = device("xczu7ev" if "ZCU104" in name else "xc7z020")
    return {Cell(chip.row_of[y], c) for y, a, b in REGIONS[name] for c in range(a, b + 1)}


def test_every_partial_has_a_region() -> None:
    if not index():
        pytest.skip(f"no folder of real data at {FOLDER}: set FPGA_RT_DATA to it")
    assert set(REGIONS) == {name for name, e in index().items() if e["kind"] == "partial"}


@pytest.mark.parametrize("name", listed("partial"))
def test_a_partial_is_accepted_in_its_region_and_nowhere_else(name: str) -> None:
    data, region = content(name), cells(name)
    chip = device("xczu7ev" if "ZCU104" in name else "xc7z020")
    verified = verify(data, chip, region)
    assert verified.kind == "partial"
    assert verified.module_id is None
    np.testing.assert_array_equal(verify(data, chip).frames.addresses, verified.frames.addresses)
    rows = [row for row in chip.rows if row.name not in {cell.row.name for cell in region}]
    elsewhere = {Cell(row, 60) for row in rows} or {Cell(chip.rows[0], 60)}
    with pytest.raises(ArtifactError, match="a frame outside the partition, expected frames of"):
        verify(data, chip, elsewhere)


@pytest.mark.parametrize("name", listed("partial"))
def test_a_reset_mask_is_compared_with_the_region(name: str) -> None:
    data, region = content(name), cells(name)
    if "ZCU104" in name:
        pytest.skip("UltraScale+ partials have no reset mask")
    first = min(region, key=lambda cell: cell.column)
    wider = region | {Cell(first.row, first.column - 1)}
    with pytest.raises(ArtifactError) as caught:
        verify(data, Z020, wider)
    assert f"reset mask of column {first.column - 1} in row {first.row.name} at byte" in str(
        caught.value
    )
    assert "got one that is not, expected the columns of the partition and no others" in str(
        caught.value
    )


def test_a_partial_of_another_region_or_device_is_refused(data_dir: Path) -> None:
    third = (data_dir / "bitstreams" / f"{PRIO}1__prio__partial__pr_3_gpio.bit").read_bytes()
    with pytest.raises(ArtifactError) as caught:
        verify(third, Z020, cells(f"{PRIO}1__prio__partial__pr_0_uart.bit"))
    assert str(caught.value) == (
        "frame 0x00401300 at byte 92461: got a frame outside the partition, expected frames of "
        "the region of xc7z020; use the bitstream of that partition"
    )
    with pytest.raises(ArtifactError) as caught:
        verify(third, device("xc7z010"))
    assert str(caught.value) == (
        "IDCODE at byte 197: got 0x03727093, expected 0x03722093 of xc7z010; build the bitstream "
        "for xc7z010"
    )


@pytest.mark.parametrize("name", listed("full", part="7z020"))
def test_full_streams_of_the_xc7z020_are_accepted(name: str) -> None:
    data = content(name)
    verified = verify(data, Z020)
    assert verified.kind == "full"
    assert verified.frames.words.shape == (9_996, 101)
    with pytest.raises(ArtifactError, match=r"write at byte \d+: got register 17, expected one"):
        verify(data, Z020, {Cell(Z020.rows[0], 20)})
    spoiled = bytearray(data)
    spoiled[len(data) // 2] ^= 8
    with pytest.raises(ArtifactError, match=r"^CRC at byte \d+"):
        verify(bytes(spoiled), Z020)


@pytest.mark.parametrize("design", ["ic", "kws", "vww"])
def test_full_streams_with_another_tool_are_accepted(data_dir: Path, design: str) -> None:
    path = data_dir / "z7020-full-bitstreams" / f"fpgaconvnet_zedboard_{design}.bit.xz"
    verified = verify(lzma.decompress(path.read_bytes()), Z020)
    assert verified.kind == "full"
    assert verified.frames.words.shape == (9_996, 101)


@pytest.mark.parametrize("name", listed("full"))
def test_forms_that_cannot_be_vouched_for_are_refused(name: str) -> None:
    if "7z020" in str(index()[name]["part"]):
        pytest.skip("a plain stream of a known device")
    with pytest.raises(ArtifactError):
        verify(content(name), Z020)


def test_pairs_of_the_ultrascale_plus_segments_belong_together(data_dir: Path) -> None:
    names = [f"{YUNQU}ZCU104__gpio_pr__led_{module}.bit" for module in (0, 5)]
    first, second = (parse((data_dir / "bitstreams" / name).read_bytes()) for name in names)
    texts = []
    for segment in (1, 3):
        cut = first.segments[segment].start
        assert cut == second.segments[segment].start
        for one, other in ((first, second), (second, first)):
            mixed = np.concatenate([one.words[:cut], other.words[cut:]]).astype(">u4").tobytes()
            with pytest.raises(ArtifactError) as caught:
                verify(mixed, device("xczu7ev"))
            texts.append(str(caught.value).split(" at byte ")[0])
    assert texts == ["held clocks"] * 2 + ["released clocks"] * 2
