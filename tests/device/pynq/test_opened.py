"""What a device opens of its board, on a tree of plain files."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device import stopping
from fpga_rt.device.pynq.interrupts import UioInterrupt
from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.device.pynq.opened import OpenedBoard
from fpga_rt.errors import DeviceError
from tests.device.pynq.test_buffers import udmabuf

ABORTS = {STATIC_REGION[name].offset: 2 for name in ("doorbell", "configuration_control")}


def registers(root: Path, map_id: int) -> Path:
    """Make a UIO device of the static region, and return the file of its registers."""
    folder = root / "sys/class/uio/uio0"
    folder.mkdir(parents=True)
    (folder / "name").write_text("fpga_rt\n")
    words = np.zeros(mmap.PAGESIZE // 4, "<u4")
    words[STATIC_REGION["map_id"].offset // 4] = map_id
    (root / "dev/uio0").write_bytes(words.tobytes())
    return root / "dev/uio0"


def written(file: Path) -> dict[int, int]:
    """Return every register but the first that is not zero."""
    words = np.frombuffer(file.read_bytes(), "<u4")
    return {int(at) * 4: int(words[at]) for at in np.flatnonzero(words) if at}


@pytest.mark.parametrize("known", [False, True])
def test_only_a_static_region_is_told_to_stop(tmp_path: Path, known: bool) -> None:
    udmabuf(tmp_path)
    file = registers(tmp_path, STATIC_REGION.map_id ^ (not known))
    board = OpenedBoard(Kernel(tmp_path), "UltraScale+", 0)
    assert isinstance(board.waiter, UioInterrupt)
    assert board.description[0].endswith("that of a program by interrupt.")
    assert board.description[1] == "Memory: u-dma-buf 1.4.2, cached, with flush and invalidate."
    board.close()
    assert written(file) == (ABORTS if known else {})


def test_an_fpga_that_holds_nothing_is_not_asked(tmp_path: Path) -> None:
    udmabuf(tmp_path)
    file = registers(tmp_path, STATIC_REGION.map_id)
    board = OpenedBoard(Kernel(tmp_path), "UltraScale+", 0)
    board.close(answers=False)
    assert written(file) == {}


def test_what_cannot_be_opened_whole_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    registers(tmp_path, 0)
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(DeviceError, match="no contiguous memory"):
        OpenedBoard(Kernel(tmp_path), "UltraScale+", 0)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files


@pytest.mark.parametrize(
    ("name", "fields", "what"),
    [
        ("sequencer_status", {"busy": 1}, "the program was .* sequencer_status.busy is still 1"),
        ("configuration_status", {"state": 1}, "the load was .* configuration_status.state is"),
    ],
)
def test_what_does_not_stop_is_named_and_everything_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fields: dict[str, int], what: str
) -> None:
    udmabuf(tmp_path)
    file = registers(tmp_path, STATIC_REGION.map_id)
    board = OpenedBoard(Kernel(tmp_path), "UltraScale+", 0)
    board.window.write(STATIC_REGION[name].offset, STATIC_REGION[name].pack(**fields))
    monkeypatch.setattr(stopping, "DRAIN_S", 0.01)
    with pytest.raises(DeviceError, match=what):
        board.close()
    assert ABORTS.items() <= written(file).items()
    assert isinstance(board.waiter, UioInterrupt)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(board.waiter._file)
