"""A recording's file: what is written is read, and nothing else is."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import pytest

from fpga_rt.device.recording.calls import Call, Failure
from fpga_rt.device.recording.file import LIMIT_BYTES, MAGIC, Session, encode, read
from fpga_rt.errors import ArtifactError

SESSION = Session("emulator", "pynq-z2", "virtual", "modelled", 64, "2026-11-29", "a test")
CALLS = [
    Call("open", {}, {"memory_bytes": 5, "assumptions": []}),
    Call("wait", {"pending": [0], "timeout_s": 1.5}, {"bank": 1}, None, {}, ((3, 7, b"\1\2"),)),
    Call("submit", {"submission": "0" * 64}, None, Failure("DeviceError", "busy"), {4: "ab"}),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "session.frr"
    file.write_bytes(encode(SESSION, CALLS, LIMIT_BYTES))
    return file


def test_what_is_written_is_read(path: Path) -> None:
    assert read(path) == (SESSION, CALLS)


def test_no_changed_byte_stays_unnoticed(path: Path) -> None:
    data = path.read_bytes()
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(ArtifactError, match=r"session\.frr"):
            read(path)


@pytest.mark.parametrize("length", [0, 10, 59, 60, 100])
def test_a_file_that_was_cut_is_refused(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    words = "is no recording" if length < 60 else "is damaged: got"
    with pytest.raises(ArtifactError, match=words):
        read(path)


def container(content: bytes, size: int, version: int = 1) -> bytes:
    payload = zlib.compress(content)
    digest = hashlib.sha256(payload).digest()
    return struct.pack("<8sIQQ32s", MAGIC, version, len(payload), size, digest) + payload


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}" * 40, "is no recording; give a file that `fpga-rt run --record` wrote"),
        (container(b"", 8, version=2), "version 2, expected 1; record again"),
        (container(b"x" * 8, LIMIT_BYTES + 1), r"says that it holds 268,435,457 bytes, expected"),
        (container(bytes(1 << 20), 64), "it holds 65 bytes or more, expected 64"),
        (container(bytes(4), 64), "it holds 4 bytes or more, expected 64"),
        (container(struct.pack("<Q", 2) + b"{}", 10), "its content is not that of version 1"),
        (container(struct.pack("<Q", 99) + b"{}", 10), "its content is not that of version 1"),
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "other.frr"
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=message):
        read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot be read \(No such file or directory\)"):
        read(tmp_path / "none.frr")


def test_a_long_session_is_not_written() -> None:
    with pytest.raises(ArtifactError, match=r"the recording holds \d+ bytes, expected at most 100"):
        encode(SESSION, CALLS, 100)
