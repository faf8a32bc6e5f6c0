"""Pictures hold what the log says, say which clock they show, and come out the same every time."""

from __future__ import annotations

import builtins
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.device.interface import Capabilities
from fpga_rt.errors import ArtifactError, ToolchainError
from fpga_rt.runtime import timeline
from fpga_rt.runtime.records import Log, ProgramRecord, RequestRecord, SwapRecord
from fpga_rt.runtime.timeline import Block, Panel

CAPABILITIES = Capabilities("toy", board("pynq-z2"), "virtual", "modelled", 64, 1 << 20)
MS = 10**9
COLOURS = {"conv": "blue", "pool": "red"}


def _log(requests: int = 1) -> Log:
    first = SwapRecord(1, "pool", None, False, 0, 3 * MS)
    second = SwapRecord(1, "conv", "pool", True, 6 * MS, 9 * MS)
    program = ProgramRecord("net", 0, 0, 3 * MS, 8 * MS, {1: (3 * MS, 5 * MS)}, 0)
    records = [RequestRecord("net", n, 4, 8 * MS * n, 8 * MS * (n + 1), 0) for n in range(requests)]
    return Log([first, second], [program], records)


def _texts(panels: list[Panel], title: str = "title") -> list[str]:
    pytest.importorskip("matplotlib")
    from matplotlib.text import Text

    figure = timeline.draw(panels, CAPABILITIES, "icap", title)
    found: list[Any] = figure.findobj(Text)
    return [text.get_text() for text in found]


def test_blocks_are_loads_on_port_and_partition_and_programs_with_their_module() -> None:
    log = _log()
    found = list(timeline.blocks(log, log.requests, COLOURS))
    assert [(block.lane, block.span) for block in found] == [
        (0, (0, 3 * MS)),
        (2, (0, 3 * MS)),
        (0, (6 * MS, 9 * MS)),
        (2, (6 * MS, 9 * MS)),
        (2, (3 * MS, 5 * MS)),
    ]
    assert found[-1] == Block(2, (3 * MS, 5 * MS), "red", ("launch 0: pool", "pool", "0"))


def test_hidden_is_where_a_program_ran_meanwhile() -> None:
    assert list(timeline.hidden_spans(_log())) == [(6 * MS, 8 * MS)]


def test_the_module_at_a_time_is_the_one_loaded_last() -> None:
    log = _log()
    assert timeline.module_at(log, 1, 2 * MS) == "?"
    assert timeline.module_at(log, 1, 3 * MS) == "pool"
    assert timeline.module_at(log, 1, 9 * MS) == "conv"
    assert timeline.module_at(log, 0, 9 * MS) == "?"


def test_texts_say_what_is_shown() -> None:
    texts = _texts([Panel("(a) first", _log()), Panel("(b) second", _log(9))], "net, 4 images")
    for expected in (
        "net, 4 images",
        "TUL PYNQ-Z2, device toy; compute clock 142.9 MHz (assumed);"
        " times: virtual clock, modelled",
        "(a) first",
        "(b) second (first 3 of 9 requests)",
        "port icap",
        "rp0",
        "not used",
        "load pool",
        "request 0: 4 images, 8.000 ms",
        "device time (ms, virtual clock)",
        "load, hidden (a program computes meanwhile)",
        "load, exposed",
        "conv",
    ):
        assert expected in texts


def test_small_blocks_get_short_texts_or_none() -> None:
    log = _log()
    log.requests[0] = RequestRecord("net", 0, 4, 0, 10_000 * MS, 0)
    texts = _texts([Panel("", log)])
    assert "launch 0: pool" not in texts
    assert "load pool" not in texts
    assert "device time (s, virtual clock)" in texts


def test_an_empty_log_can_be_drawn() -> None:
    assert "port icap" in _texts([Panel("nothing", Log())])


@pytest.mark.parametrize(
    ("name", "magic"), [("t.png", b"\x89PNG"), ("t.svg", b"<?xml"), ("t.pdf", b"%PDF")]
)
def test_the_suffix_chooses_the_format_and_files_repeat(
    tmp_path: Path, name: str, magic: bytes
) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / name
    contents = []
    for _ in range(2):
        timeline.write([Panel("", _log())], CAPABILITIES, "icap", "title", path)
        contents.append(path.read_bytes())
    assert contents[0].startswith(magic)
    assert contents[0] == contents[1]
    if name.endswith("svg"):
        ET.fromstring(contents[0])  # it is XML


def test_other_suffixes_and_missing_folders_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    panels = [Panel("", _log())]
    with pytest.raises(ValueError, match=r"a timeline as \.gif, expected"):
        timeline.write(panels, CAPABILITIES, "icap", "title", tmp_path / "t.gif")
    with pytest.raises(ArtifactError, match="make the folder"):
        timeline.write(panels, CAPABILITIES, "icap", "title", tmp_path / "none" / "t.png")


def test_without_matplotlib_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without(name: str, *rest: Any) -> object:  # noqa: ANN401 - as in builtins
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ToolchainError, match=r"pip install 'fpga-rt\[study\]'"):
        timeline.require_matplotlib()
