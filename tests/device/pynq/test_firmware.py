"""Staged files: there whole or not at all, and never another bitstream."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from fpga_rt.device.pynq.firmware import FirmwareFile
from fpga_rt.errors import ArtifactError, DeviceError

DATA = bytes(range(256)) * 16


def settle() -> None:
    """Wait until a change to a file shows in its times."""
    time.sleep(0.06)


def test_the_name_is_the_digest_of_the_content(tmp_path: Path) -> None:
    file = FirmwareFile(tmp_path, DATA)
    assert file.name == f"fpgart_{hashlib.sha256(DATA).hexdigest()}.bin"
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]
    assert file.path.read_bytes() == DATA


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    first = FirmwareFile(tmp_path, DATA).path.stat().st_ino
    assert FirmwareFile(tmp_path, DATA).path.stat().st_ino == first


def test_a_file_of_the_name_with_other_content_is_written_again(tmp_path: Path) -> None:
    path = FirmwareFile(tmp_path, DATA).path
    path.write_bytes(b"stale")
    assert FirmwareFile(tmp_path, DATA).path.read_bytes() == DATA


@pytest.mark.parametrize("settled", [False, True])
def test_a_replaced_file_is_noticed(tmp_path: Path, settled: bool) -> None:
    file = FirmwareFile(tmp_path, DATA)
    if settled:
        settle()
        file.check()
    before = file.path.stat()
    file.path.write_bytes(DATA[::-1])
    os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as copies keep them
    with pytest.raises(ArtifactError, match=r"fpgart_\w+\.bin was replaced or removed since"):
        file.check()


def test_a_removed_file_is_noticed(tmp_path: Path) -> None:
    file = FirmwareFile(tmp_path, DATA)
    file.path.unlink()
    with pytest.raises(ArtifactError, match="was replaced or removed"):
        file.check()


def test_a_touched_file_is_still_the_same(tmp_path: Path) -> None:
    file = FirmwareFile(tmp_path, DATA)
    file.path.touch()
    file.check()


def test_a_file_that_has_settled_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = FirmwareFile(tmp_path, DATA)
    settle()
    file.check()
    reads: list[Path] = []

    def read(path: Path) -> bytes:
        reads.append(path)
        return DATA

    monkeypatch.setattr(Path, "read_bytes", read)
    file.check()
    assert reads == []
    file.path.touch()
    file.check()
    assert reads == [file.path]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot stage a bitstream as .*: No such file .*ENOENT"):
        FirmwareFile(tmp_path / "absent", DATA)
