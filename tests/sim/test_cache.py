"""Built files: kept by what they are made from, made again when damaged, once for two at a time."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from sim.cache import cached, identity


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FPGA_RT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Maker:
    """Writes a file, and counts how often."""

    def __init__(self, seconds: float = 0) -> None:
        self.count = 0
        self.seconds = seconds

    def __call__(self, folder: Path) -> None:
        self.count += 1
        time.sleep(self.seconds)
        (folder / "file").write_text("built")
        (folder / "rest").write_text("not kept")


def test_a_file_is_made_once_for_the_same_inputs(folder: Path) -> None:
    make = Maker()
    first = cached("name", "file", ["a", b"b"], make)
    assert cached("name", "file", ["a", b"b"], make) == first
    assert make.count == 1
    assert first.read_text() == "built"
    assert first.parent.parent == folder
    assert sorted(path.name for path in first.parent.iterdir()) == ["file", "sha256"]
    assert cached("name", "file", ["ab", b""], make) != first
    assert make.count == 2


def test_parts_of_the_identity_do_not_run_together() -> None:
    assert identity(["ab", "c"]) != identity(["a", "bc"])
    assert len(identity([])) == 32


@pytest.mark.parametrize("damage", ["change", "cut", "remove", "digest"])
def test_what_was_damaged_is_made_again(damage: str) -> None:
    make = Maker()
    path = cached("name", "file", ["a"], make)
    if damage == "change":
        path.write_text("built?")
    elif damage == "cut":
        path.write_text("")
    elif damage == "remove":
        path.unlink()
    else:
        (path.parent / "sha256").unlink()
    assert cached("name", "file", ["a"], make) == path
    assert (make.count, path.read_text()) == (2, "built")


def test_a_build_that_fails_leaves_nothing(folder: Path) -> None:
    def fail(work: Path) -> None:
        (work / "file").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cached("name", "file", ["a"], fail)
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []
    make = Maker()
    assert cached("name", "file", ["a"], make).read_text() == "built"


def test_two_at_once_make_it_once() -> None:
    make = Maker(0.2)
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(cached("name", "file", ["a"], make)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (make.count, len(set(found)), len(found)) == (1, 1, 3)
