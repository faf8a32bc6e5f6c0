"""The archive: exact, deterministic, atomic, and no damage to it stays unnoticed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from fpga_rt.deployment import archive
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import ArtifactError
from fpga_rt.network import golden
from fpga_rt.network.serialise import encode

Key = TypeVar("Key")
Value = TypeVar("Value")
RENEW = "copy it again, or compile the model again"
RECORDS = (
    "board",
    "map_id",
    "partitions",
    "launches",
    "segments",
    "blocks",
    "bitstreams",
    "loads",
    "module_ids",
    "host_nodes",
)


@pytest.fixture(scope="module")
def content(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of the archive of the deployment made by hand."""
    path = tmp_path_factory.mktemp("archive") / "tiny.frt"
    archive.write(deployment, path)
    return path.read_bytes()


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[bytes, str], str]:
    """Return what reads bytes as a file of some name and gives the message of the refusal."""

    def message(data: bytes, name: str = "bad.frt") -> str:
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ArtifactError) as caught:
            archive.read(path)
        prefix = f"{path}: "
        assert str(caught.value).startswith(prefix)
        return str(caught.value)[len(prefix) :]

    return message


def sealed(data: bytes) -> bytes:
    """Return an archive with its trailer made right again."""
    return data[:-32] + hashlib.sha256(data[:-32]).digest()


def split(data: bytes) -> tuple[bytes, dict[str, object], int]:
    """Return header, manifest and the offset where contents start, by the written layout."""
    (size,) = struct.unpack_from("<I", data, 12)
    return data[:24], json.loads(data[24 : 24 + size]), 24 + size


def with_manifest(data: bytes, manifest: object) -> bytes:
    """Return an archive with another manifest, its lengths and trailer right."""
    text = json.dumps(manifest).encode()
    *_, end = split(data)
    rest = data[end:-32]
    header = data[:12] + struct.pack("<IQ", len(text), 24 + len(text) + len(rest) + 32)
    return sealed(header + text + rest + bytes(32))


def backwards(mapping: Mapping[Key, Value]) -> dict[Key, Value]:
    """Return the same mapping in the opposite order."""
    return dict(reversed(list(mapping.items())))


def test_a_deployment_comes_back_as_it_was(deployment: Deployment, tmp_path: Path) -> None:
    archive.write(deployment, str(tmp_path / "tiny.frt"))
    read = archive.read(str(tmp_path / "tiny.frt"))
    for name in RECORDS:
        assert getattr(read, name) == getattr(deployment, name), name
    document, contents = encode(deployment.network)
    read_document, read_contents = encode(read.network)
    assert read_document == document
    for (name, array), (read_name, read_array) in zip(contents, read_contents, strict=True):
        assert read_name == name
        assert isinstance(read_array, np.ndarray)
        assert not read_array.flags.writeable
        assert isinstance(array, np.ndarray)
        assert read_array.dtype == array.dtype
        np.testing.assert_array_equal(read_array, array)
    codes = np.arange(-16, 16, dtype=np.int8).reshape(2, 4, 4, 1)
    np.testing.assert_array_equal(
        golden.run(read.network, codes), golden.run(deployment.network, codes)
    )
    assert read.image("tables") == deployment.image("tables")


def test_equal_deployments_give_equal_bytes(
    deployment: Deployment, content: bytes, tmp_path: Path
) -> None:
    turned = replace(
        deployment,
        blocks=backwards(deployment.blocks),
        loads=backwards(deployment.loads),
        module_ids=backwards(deployment.module_ids),
    )
    archive.write(turned, tmp_path / "turned.frt")
    archive.write(archive.read(tmp_path / "turned.frt"), tmp_path / "again.frt")
    assert (tmp_path / "turned.frt").read_bytes() == content
    assert (tmp_path / "again.frt").read_bytes() == content


def test_the_file_is_laid_out_as_written(deployment: Deployment, content: bytes) -> None:
    magic, version, _, file_bytes = struct.unpack("<8sIIQ", content[:24])
    assert (magic, version, file_bytes) == (b"\x89FRT\r\n\x1a\n", 2, len(content))
    assert hashlib.sha256(content[:-32]).digest() == content[-32:]
    _, manifest, end = split(content)
    assert content[24:end] == (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode()
    assert manifest["format_version"] == 2
    contents = manifest["contents"]
    assert isinstance(contents, dict)
    covered: set[int] = set()
    for entry in contents.values():
        start = end + entry["offset_bytes"]
        data = content[start : start + entry["size_bytes"]]
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        covered.update(range(start, start + len(data)))
    assert covered == set(range(end, len(content) - 32))
    bias = contents["deployment.network.nodes[0].operation.bias"]
    assert (bias["element_type"], bias["shape"]) == ("int32", [2])
    assert content[end + bias["offset_bytes"] :][:8] == struct.pack("<2i", 5, -70000)
    ring = contents["deployment.launches[1].rings[0]"]
    assert content[end + ring["offset_bytes"] :][:64] == deployment.launches[1].rings[0]


def test_equal_contents_are_stored_once(deployment: Deployment, tmp_path: Path) -> None:
    ring = deployment.launches[0].rings[0]
    launches = tuple(replace(launch, rings={0: ring, 1: ring}) for launch in deployment.launches)
    path = tmp_path / "tiny.frt"
    archive.write(replace(deployment, launches=launches), path)
    assert path.read_bytes().count(ring) == 1
    assert archive.read(path).launches == launches


@pytest.fixture
def smallest(deployment: Deployment) -> Deployment:
    """Return a deployment with nothing but a pooling layer and a bitstream."""
    network = deployment.network
    node = network.nodes[1]
    tensors = {name: network.tensors[name] for name in (*node.inputs, node.output)}
    name, data = next(iter(deployment.bitstreams.items()))
    return replace(
        deployment,
        network=replace(
            network, nodes=(node,), tensors=tensors, input=node.inputs[0], output=node.output
        ),
        launches=(),
        blocks={},
        bitstreams={name: data},
        loads={},
        module_ids={},
    )


def test_a_flip_of_any_byte_is_refused(smallest: Deployment, tmp_path: Path) -> None:
    path = tmp_path / "smallest.frt"
    archive.write(smallest, path)
    assert flips_noticed(path, 1) > 1500


def test_a_flip_in_any_part_of_a_larger_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tiny.frt"
    path.write_bytes(content)
    assert flips_noticed(path, 13) > 500


def flips_noticed(path: Path, stride: int) -> int:
    """Flip a bit in every `stride`-th byte of an archive, expect each refused, and count them."""
    content = path.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for index in range(0, len(content), stride):
            os.pwrite(file.fileno(), bytes([content[index] ^ (1 << index % 8)]), index)
            with pytest.raises(ArtifactError, match=re.escape(str(path))):
                archive.read(path)
            os.pwrite(file.fileno(), content[index : index + 1], index)
    archive.read(path)
    return len(range(0, len(content), stride))


def test_damage_is_named(content: bytes, refusal: Callable[..., str]) -> None:
    def flipped(index: int) -> str:
        data = bytearray(content)
        data[index] ^= 0x10
        return refusal(bytes(data))

    _, manifest, end = split(content)
    contents = manifest["contents"]
    assert isinstance(contents, dict)
    name = "deployment.launches[0].rings[1]"
    start = end + contents[name]["offset_bytes"]
    found = hashlib.sha256(b"\1\1\1\x11" + b"\1" * 60).hexdigest()
    assert flipped(start + 3) == (
        f"is corrupt in {name} (bytes {start} to {start + 63}), SHA-256 {found}, expected"
        f" {hashlib.sha256(bytes([1]) * 64).hexdigest()}; {RENEW}"
    )
    somewhere = (
        f"is corrupt in its header (bytes 0 to 23), its manifest (to {end - 1}) or its trailer (the"
        f" last 32 bytes); {RENEW}"
    )
    assert flipped(len(content) - 1) == somewhere
    assert flipped(8) == somewhere
    assert flipped(content.index(b"pynq-z2")) == somewhere
    assert flipped(24).startswith(f"is corrupt in its manifest (bytes 24 to {end - 1}), Expecting")
    assert flipped(16).startswith("is corrupt, got" if content[16] & 0x10 else "is truncated, got")


def test_every_truncation_is_refused(content: bytes, refusal: Callable[..., str]) -> None:
    assert refusal(b"") == (
        "is empty, expected a deployment archive; make it:"
        " fpga-rt compile MODEL --board BOARD -o DEPLOYMENT.frt"
    )
    for size in (*range(1, 80), *range(80, len(content), 97), len(content) - 1):
        expected = len(content) if size >= 24 else 56
        assert refusal(content[:size]) == (
            f"is truncated, got {size} bytes, expected {expected}; {RENEW}"
        )


def test_what_is_appended_is_refused(content: bytes, refusal: Callable[..., str]) -> None:
    size = len(content)
    assert refusal(content + b"\n") == (
        f"is corrupt, got {size + 1} bytes, expected {size}; {RENEW}"
    )


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        (0, "compile the model again with this fpga-rt"),
        (
            3,
            "upgrade (pip install --upgrade fpga-rt), or compile the model again with this fpga-rt",
        ),
    ],
)
def test_another_version_is_refused_by_name(
    content: bytes, refusal: Callable[..., str], version: int, advice: str
) -> None:
    data = content[:8] + struct.pack("<I", version) + content[12:]
    assert refusal(sealed(data)) == f"has format version {version}, expected 2; {advice}"


def test_a_model_file_gets_the_command_to_compile_it(
    refusal: Callable[..., str], tmp_path: Path
) -> None:
    got = refusal(bytes.fromhex("1c00000054464c33") + bytes(40), "kws.tflite")
    assert got == (
        "is not a deployment archive but looks like a TensorFlow Lite model (starts with 1c 00 00"
        " 00 54 46 4c 33, expected 89 46 52 54 0d 0a 1a 0a); compile it first: fpga-rt compile"
        f" {tmp_path / 'kws.tflite'} --board BOARD -o kws.frt"
    )
    for name in ("net.onnx", "net.frt"):
        got = refusal(bytes.fromhex("080a1207") + b"pytorch" + bytes(40), name)
        assert "but looks like an ONNX model" in got
        assert f"fpga-rt compile {tmp_path / name} --board BOARD -o net.frt" in got


@pytest.mark.parametrize(
    ("data", "likeness"),
    [
        (b"PK\x03\x04\x14\0\0\0", "looks like a zip file (PyTorch and NumPy write such)"),
        (b"\x93NUMPY\1\0", "looks like a NumPy array"),
        (b'{"a": 1}', "looks like JSON"),
        (b"\x89FRT\n\x1a\n\1", "looks like an archive that a transfer in text mode changed"),
        (b"\xff\xff\xff\xff\xaa\x99\x55\x66", "is unknown"),
    ],
)
def test_another_file_is_refused(refusal: Callable[..., str], data: bytes, likeness: str) -> None:
    assert refusal(data) == (
        f"is not a deployment archive but {likeness} (starts with {data[:8].hex(' ')}, expected"
        " 89 46 52 54 0d 0a 1a 0a); name another file, or copy this one again"
    )


def test_no_file_and_no_regular_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    for path in (tmp_path / "gone.frt", tmp_path / "file" / "tiny.frt"):
        with pytest.raises(ArtifactError) as caught:
            archive.read(path)
        assert str(caught.value) == (
            f"{path}: no such file; make it first: fpga-rt compile MODEL --board BOARD -o"
            " DEPLOYMENT.frt"
        )
    with pytest.raises(ArtifactError, match="is a folder, expected a deployment archive; make it"):
        archive.read(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="is no regular file, expected a deployment archive"):
        archive.read(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="cannot be read, File name too long; check"):
        archive.read(tmp_path / ("x" * 300))


def test_a_sealed_archive_that_makes_no_sense_is_refused(
    content: bytes, refusal: Callable[..., str]
) -> None:
    def changed(*path: str, to: object) -> str:
        _, manifest, _ = split(content)
        part: dict[str, object] = manifest
        for key in path[:-1]:
            inner = part[key]
            assert isinstance(inner, dict)
            part = inner
        part[path[-1]] = to
        return refusal(with_manifest(content, manifest))

    bias = ("contents", "deployment.network.nodes[0].operation.bias")
    assert refusal(with_manifest(content, [])).startswith("is corrupt in its manifest")
    assert "expected the keys ['contents', 'deployment', 'format_version']" in changed("x", to=1)
    assert "contents.contents: got [], expected an object" in changed("contents", to=[])
    assert "is corrupt in deployment.network" in changed(*bias, "offset_bytes", to=10**30)
    assert "8 bytes are no int32 (3,)" in changed(*bias, "shape", to=[3])
    assert "8 bytes are no object (2,)" in changed(*bias, "element_type", to="object")
    assert changed("deployment", "board", to=7) == (
        "deployment.board: got 7, expected str; compile the model again"
    )
    nested = content[:12] + struct.pack("<IQ", 100_000, 100_056) + b"[" * 100_000 + bytes(32)
    assert refusal(sealed(nested)).startswith("is corrupt in its manifest (bytes 24 to 100023)")


def test_an_inconsistent_deployment_is_not_written(deployment: Deployment, tmp_path: Path) -> None:
    path = tmp_path / "tiny.frt"
    name, data = next(iter(deployment.blocks.items()))
    cases = {
        "content, 0, has digest ": replace(deployment, blocks={**deployment.blocks, "0": data}),
        f"a block of layer conv, {name}, has 0 bytes, expected 64": replace(deployment, blocks={}),
        "the bitstream of conv16x8 for partition 0, ": replace(deployment, bitstreams={}),
    }
    for message, wrong in cases.items():
        with pytest.raises(ArtifactError, match=f"^deployment: {re.escape(message)}"):
            archive.write(wrong, path)
    assert not path.exists()


def test_parts_joined_are_the_file(deployment: Deployment, content: bytes) -> None:
    parts = archive.encode(deployment)
    assert b"".join(parts) == content
    assert hashlib.sha256(content[:-32]).digest() == parts[-1]
    assert archive.encode(archive.decode(content)) == parts


def test_contents_are_named_in_order(deployment: Deployment) -> None:
    header, manifest, *contents, _ = archive.encode(deployment)
    names = [hashlib.sha256(data).hexdigest() for data in contents]
    assert archive.content_digests(header + manifest) == names


def test_bytes_that_are_no_archive_are_refused(content: bytes) -> None:
    with pytest.raises(ArtifactError, match="is truncated, got 99 bytes"):
        archive.decode(content[:99])
    with pytest.raises(ArtifactError, match="is corrupt in its manifest"):
        archive.content_digests(content[:99])
