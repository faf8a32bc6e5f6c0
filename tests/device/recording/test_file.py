"""A recording's file: what is written is read, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from fpga_rt.device.recording.calls import Call, Failure
from fpga_rt.device.recording.file import LIMIT_BYTES, MAGIC, Session, encode, read
from fpga_rt.errors import (
    ArtifactError,
    DeviceError,
    ExecutionError,
    FpgaRtError,
    PortUnavailableError,
    ReconfigurationError,
    ToolchainError,
    UpdateError,
)

SESSION = Session("emulator", "pynq-z2", "virtual", "modelled", 64, "2026-11-29", "a test")
PROGRAM = {"number": 1, "kind": "program", "started_ps": 3, "partitions": [0]}
CYCLES = {"0": [[1, 2]]}
ENDED = {
    "pending": 1, "started_ps": 3, "ended_ps": 9, "size_bytes": 0, "busy_ps": {"0": [4, 8]},
    "timeline": {"total": 6, "start": CYCLES, "end": CYCLES, "parameters_end": CYCLES},
    "phases_ps": {}, "bank": 1,
}  # fmt: skip
CALLS = [
    Call("open", {}, {"memory_bytes": 5, "assumptions": []}),
    Call("allocate", {"size_bytes": 9}, {"number": 0, "address": 64}),
    Call("submit", {"submission": "0" * 64}, PROGRAM, None, {0: "ab"}),
    Call("wait", {"pending": [1], "timeout_s": 1.5}, ENDED, None, {}, ((0, 7, b"\1\2"),)),
    Call("submit", {"submission": "0" * 64}, None, Failure("DeviceError", "busy"), {0: "ab"}),
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


def text_file(path: Path, document: object, contents: bytes = b"") -> Path:
    """Write a whole file of a document, whatever that says."""
    text = json.dumps(document).encode()
    content = struct.pack("<Q", len(text)) + text + contents
    path.write_bytes(container(content, len(content)))
    return path


def document(*calls: object, sizes: Sequence[object] = ()) -> dict[str, object]:
    return {"session": vars(SESSION), "calls": calls, "sizes": sizes}


@pytest.mark.parametrize(
    "family",
    ["exec", "eval", "print", "FpgaRtErrors", "__import__", "annotations", "SystemExit", ""],
)
def test_a_failure_is_of_a_family_and_nothing_else(tmp_path: Path, family: str) -> None:
    """A file comes from anywhere: what it names is never looked up among names that do things."""
    mark = tmp_path / "mark"
    failure = {"family": family, "message": f"open({str(mark)!r}, 'w')"}
    path = tmp_path / "hostile.frr"
    text_file(path, document({"name": "now_ps", "arguments": {}, "failure": failure}))
    with pytest.raises(
        ArtifactError, match=rf"a failure of family '{family}', expected one of ArtifactError, Dev"
    ):
        read(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("family", "state"), [("ReconfigurationError", None), ("DeviceError", "decoupled")]
)
def test_only_a_swap_that_failed_has_a_state(
    tmp_path: Path, family: str, state: str | None
) -> None:
    failure = {"family": family, "message": "no", "partition_state": state}
    call = {"name": "now_ps", "arguments": {}, "failure": failure}
    with pytest.raises(ArtifactError, match=f"a {family} with partition state {state!r}, expected"):
        read(text_file(tmp_path / "odd.frr", document(call)))


@pytest.mark.parametrize(
    "error",
    [
        FpgaRtError("a"), ArtifactError("a"), DeviceError("a"), ExecutionError("a"),
        PortUnavailableError("a"),
        ReconfigurationError("a", "decoupled"), ToolchainError("a"), ValueError("a"),
        TypeError("a"),
    ],
)  # fmt: skip
def test_a_devices_errors_come_back_as_they_were(error: Exception) -> None:
    again = Failure.read(vars(Failure.of(error))).error()
    assert (type(again), str(again), vars(again)) == (type(error), "a", vars(error))


def test_an_error_of_a_kind_of_its_own_comes_back_as_its_family() -> None:
    class LostError(DeviceError):
        """A device's own kind."""

    assert type(Failure.of(LostError("gone")).error()) is DeviceError
    surprise = Failure.of(UpdateError("no", "busy")).error()
    assert (type(surprise), str(surprise)) == (FpgaRtError, "no")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot be read \(No such file or directory\)"):
        read(tmp_path / "none.frr")


def test_a_long_session_is_not_written() -> None:
    with pytest.raises(
        ArtifactError, match=r"the recording holds [\d,]+ bytes, expected at most 100"
    ):
        encode(SESSION, CALLS, 100)
