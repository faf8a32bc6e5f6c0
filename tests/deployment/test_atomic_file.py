"""A failed write leaves what was there and nothing else."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.errors import ArtifactError


def parts() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


def test_parts_are_written_in_order_with_the_usual_permissions(tmp_path: Path) -> None:
    path = tmp_path / "file"
    usual = tmp_path / "usual"
    usual.touch()
    write_atomically(str(path), parts())
    assert path.read_bytes() == b"onetwo"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)
    assert sorted(tmp_path.iterdir()) == [path, usual]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    write_atomically(tmp_path / "link", parts())
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "file").read_bytes() == b"onetwo"


@pytest.mark.parametrize(("owner", "step"), [(os, "fsync"), (Path, "replace")])
@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "No space left on device; free some space there, or choose another path"),
        (errno.EACCES, "Permission denied; choose another path"),
    ],
)
def test_a_failed_step_leaves_what_was_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    step: str,
    code: int,
    advice: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    path = tmp_path / "file"
    path.write_bytes(b"before")
    monkeypatch.setattr(owner, step, fail)
    with pytest.raises(ArtifactError) as caught:
        write_atomically(path, parts())
    assert str(caught.value) == f"cannot write {path}: {advice}"
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"before"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the full device of Linux")
@pytest.mark.parametrize("size_bytes", [1, 1 << 20])
def test_a_full_disk_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    real = Path.open

    def to_full_device(path: Path, mode: str) -> object:
        path.touch()
        return real(Path("/dev/full"), mode.replace("x", "w"))

    monkeypatch.setattr(Path, "open", to_full_device)
    with pytest.raises(ArtifactError, match="No space left on device; free some space there"):
        write_atomically(tmp_path / "file", [bytes(size_bytes)])
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> Iterator[bytes]:
        yield b"one"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", interrupted())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(ArtifactError, match=rf"; make the folder {gone} first$"):
        write_atomically(gone / "out.frt", parts())
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_taken_for_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ArtifactError, match=rf"; {file} is no folder, choose another path$"):
        write_atomically(file / "out.frt", parts())
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs the /proc of Linux")
def test_a_folder_that_takes_no_files_is_not_said_to_be_missing() -> None:
    with pytest.raises(ArtifactError, match=r"; /proc takes no files of that name, choose another"):
        write_atomically("/proc/out.frt", parts())


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ArtifactError, match=rf"^cannot write {folder}: Is a directory; choose"):
        write_atomically(folder, parts())
    assert list(tmp_path.iterdir()) == [folder]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("pipe")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for path in (pipe, tmp_path / "link"):
            write_atomically(path, parts())
            assert os.read(reader, 100) == b"onetwo"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_pipe_whose_reader_has_gone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def closing() -> Iterator[bytes]:
        os.close(reader)
        yield b"one"

    with pytest.raises(ArtifactError, match=rf"^cannot write {pipe}: Broken pipe; choose"):
        write_atomically(pipe, closing())
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr("fpga_rt.deployment.atomic_file.os.open", refuse)
    path = tmp_path / "file"
    write_atomically(path, parts())
    assert path.read_bytes() == b"onetwo"
