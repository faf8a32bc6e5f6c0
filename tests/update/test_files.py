"""The disk in memory and a real one answer alike, but for power."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.update.files import DiskFiles, Files
from tests.update.disk import Disk


@pytest.fixture(params=["disk", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    """Return both kinds."""
    found: Files = DiskFiles(tmp_path / "store") if request.param == "disk" else Disk()
    found.make_folder("")
    return found


def test_files_by_name(files: Files) -> None:
    files.make_folder("objects")
    files.make_folder("objects")
    assert files.names("objects") == files.names("nowhere") == []
    files.write("objects/b", b"second")
    files.write("objects/a", b"first")
    files.append("objects/a", b", more")
    files.append("state", b"new")
    files.sync("objects/a")
    files.sync_folder("objects")
    files.sync_folder("")
    assert files.names("objects") == ["a", "b"]
    assert (files.read("objects/a"), files.size("objects/a")) == (b"first, more", 11)
    assert (files.size("objects/c"), files.size("nowhere/c")) == (None, None)
    files.rename("objects/a", "objects/b")
    assert (files.names("objects"), files.read("objects/b")) == (["b"], b"first, more")
    files.write("objects/b", b"")
    assert files.read("objects/b") == b""
    files.remove("objects/b")
    files.remove("objects/b")
    assert files.size("objects/b") is None
    with pytest.raises(FileNotFoundError):
        files.read("objects/b")
    with files.lock():
        pass


def test_the_memory_forgets_what_was_not_synced() -> None:
    disk = Disk()
    disk.write("kept", b"kept")
    disk.sync("kept")
    disk.sync_folder("")
    disk.append("kept", b" and more")
    disk.write("lost", b"lost")
    left = {name: one.content() for name, one in disk.survivors()}
    assert left["nothing more"] == {"kept": b"kept"}
    assert left["everything"] == {"kept": b"kept and more", "lost": b"lost"}
    assert left["names without bytes"] == {"kept": b"kept", "lost": b""}
    assert left["torn bytes"] == {"kept": b"kept a", "lost": b"lo"}
    assert left["zeros"]["lost"] == bytes(4)


def test_a_rename_lasts_whole_or_not_at_all() -> None:
    disk = Disk()
    for name in ("old", "new"):
        disk.write(name, name.encode())
        disk.sync(name)
    disk.sync_folder("")
    disk.rename("new", "old")
    found = {tuple(sorted(left.content().items())) for _, left in disk.survivors(20)}
    assert found == {(("new", b"new"), ("old", b"old")), (("old", b"new"),)}
