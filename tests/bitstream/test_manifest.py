"""Manifests: what they record, that they survive a round trip, and what they refuse."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.resources import Resources
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.manifest import (
    FILE_NAME,
    Identity,
    Manifest,
    decode,
    load,
    manifests,
    register,
)
from fpga_rt.errors import ArtifactError, DeviceError

PYNQ = board("pynq-z2")
MODULE = Identity("convolution_8x16", 0x0123456789ABCDEF, Resources(4000, 64, 20))


@pytest.fixture
def partial() -> bytes:
    """Return a partial that carries the module's identity, for rp1."""
    return simulation_bitstream(PYNQ.device, PYNQ.partitions[1], MODULE.module_id)


@pytest.fixture
def manifest(partial: bytes) -> Manifest:
    """Return its manifest."""
    return register(partial, PYNQ, "rp1", MODULE, 0xFEED)


def test_records_what_was_verified(manifest: Manifest, partial: bytes) -> None:
    content = json.loads(manifest.encode())
    assert content == {
        "format": "fpga-rt bitstream",
        "version": 1,
        "board": "pynq-z2",
        "device": "xc7z020",
        "partition": "rp1",
        "module": "convolution_8x16",
        "module_id": "0123456789abcdef",
        "static_id": "000000000000feed",
        "tool": "",
        "file": "convolution_8x16.bin",
        "digest": hashlib.sha256(partial).hexdigest(),
        "size_bytes": len(partial),
        "frames": 4,
        "partition_resources": {"lut": 8800, "dsp": 80, "bram36": 40},
        "module_resources": {"lut": 4000, "dsp": 64, "bram36": 20},
    }
    assert manifest.folder == Path("pynq-z2/rp1/convolution_8x16")


def test_survives_a_round_trip(manifest: Manifest) -> None:
    assert decode(manifest.encode(), "m") == manifest
    bare = Manifest(**{**vars(manifest), "static_id": None, "module_resources": None})
    assert decode(bare.encode(), "m") == bare


def test_keys_may_be_added(manifest: Manifest) -> None:
    content = {**json.loads(manifest.encode()), "timing": {"slack_ps": 12}}
    assert decode(json.dumps(content).encode(), "m") == manifest


def test_the_file_is_known_by_its_digest(manifest: Manifest, partial: bytes) -> None:
    manifest.check_file(partial)
    with pytest.raises(ArtifactError) as refusal:
        manifest.check_file(partial + b"\0")
    assert str(refusal.value).startswith(
        "pynq-z2/rp1/convolution_8x16/convolution_8x16.bin: got SHA-256 "
    )
    assert f"expected {manifest.digest[:16]}... of its manifest" in str(refusal.value)


def test_the_tool_is_read_from_the_header(partial: bytes) -> None:
    design = b"top;UserID=0XFFFFFFFF;PARTIAL=TRUE;Version=2022.1\0"
    fields = [(b"a", design), (b"b", b"7z020clg400\0"), (b"c", b"2024/01/01\0"), (b"d", b"1:2:3\0")]
    header = bytes.fromhex("0009 0ff0 0ff0 0ff0 0ff0 0000 01")
    for key, text in fields:
        header += key + len(text).to_bytes(2, "big") + text
    header += b"e" + len(partial).to_bytes(4, "big")
    manifest = register(header + partial, PYNQ, "rp1", MODULE)
    assert (manifest.tool, manifest.file) == ("Vivado 2022.1", "convolution_8x16.bit")


def test_folders_are_searched(manifest: Manifest, tmp_path: Path) -> None:
    assert manifests(tmp_path) == ()
    folder = tmp_path / manifest.folder
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_bytes(manifest.encode())
    assert manifests(tmp_path) == (manifest,)


def test_a_manifest_in_the_wrong_folder_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(manifest.encode())
    with pytest.raises(ArtifactError, match="its content is for pynq-z2/rp1/convolution_8x16; "):
        load(path)
    with pytest.raises(ArtifactError, match=r"cannot read .*: No such file or directory"):
        load(tmp_path / "none.json")


def test_another_identity_is_refused(partial: bytes) -> None:
    with pytest.raises(ArtifactError) as refusal:
        register(partial, PYNQ, "rp1", Identity("other", 1))
    assert str(refusal.value) == (
        "identity in the frames: got module 0123456789abcdef, expected 0000000000000001 of other; "
        "use the bitstream of that module"
    )


def test_another_partition_is_refused(partial: bytes) -> None:
    with pytest.raises(ArtifactError, match="expected frames of partition 'rp0' of xc7z020"):
        register(partial, PYNQ, "rp0", MODULE)
    with pytest.raises(DeviceError, match="has no partition 'rp9', expected one of rp0, rp1, rp2"):
        register(partial, PYNQ, "rp9", MODULE)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b"])
def test_a_name_that_is_no_folder_is_refused(name: str, partial: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"expected letters, digits, '_', '-' and '.'"):
        register(partial, PYNQ, "rp1", Identity(name, MODULE.module_id))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "x"}, "m: got format 'x', expected 'fpga-rt bitstream' with a version"),
        ({"version": 2}, "m: got version 2, expected at most 1; update fpga-rt"),
        ({"version": None}, "expected 'fpga-rt bitstream' with a version"),
        ({"file": "../x.bit"}, r"key missing or wrong \(file '../x.bit' is no name of a file"),
        ({"board": 3}, r"key missing or wrong \(board is 3, not text\)"),
        ({"module_id": "xyz"}, "key missing or wrong"),
        ({"partition_resources": {"lut": 1, "uram": 2}}, "key missing or wrong"),
    ],
)
def test_damaged_manifests_are_refused(
    change: dict[str, Any], message: str, manifest: Manifest
) -> None:
    content = {**json.loads(manifest.encode()), **change}
    with pytest.raises(ArtifactError, match=message):
        decode(json.dumps(content).encode(), "m")


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"3", b"\xff"])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError, match="m is no JSON object: "):
        decode(data, "m")
