"""Files whose digest is right and whose content is not: refused whole, before a call is played."""

from __future__ import annotations

import copy
import json
import random
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Device
from fpga_rt.device.recording.file import LIMIT_BYTES, encode, read
from fpga_rt.device.recording.recorder import Recorder
from fpga_rt.device.recording.replay import Replay
from fpga_rt.errors import ArtifactError, FpgaRtError
from tests.conformance.scaling import run_scale
from tests.device.recording.test_file import CALLS, SESSION, container, text_file

Document = dict[str, Any]
Steps = tuple[Any, ...]

WRONG: tuple[object, ...] = (
    None,
    -1,
    7,
    10**30,
    1.5,
    True,
    "x",
    "",
    [],
    [[1], [2, 3]],
    {},
    {"1": [0]},
)


def unpacked(data: bytes) -> tuple[Document, bytes]:
    """Return the text and the contents of a recording, by the format and not by the reader."""
    content = zlib.decompress(data[60:])
    (length,) = struct.unpack_from("<Q", content)
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def changed(document: Document, steps: Steps, value: object) -> Document:
    found: Any = copy.deepcopy(document)
    place = found
    for step in steps[:-1]:
        place = place[step]
    place[steps[-1]] = value
    return found  # type: ignore[no-any-return]  # a document


def places(node: Any, steps: Steps = ()) -> Iterator[Steps]:  # noqa: ANN401 - JSON
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    for step, one in inner:
        yield (*steps, step)
        if isinstance(one, (dict, list)):
            yield from places(one, (*steps, step))


@pytest.mark.parametrize(
    ("steps", "value", "message"),
    [
        (("calls", 0), 5, r"calls\[0\] is 5, expected dict"),
        (("calls",), {}, r"document\.calls is {}, expected list"),
        (("calls", 0, "name"), "reboot", r"calls\[0\]\.name is 'reboot', expected open or stage"),
        (("calls", 0, "result"), None, r"calls\[0\]\.result is None, expected dict"),
        (("calls", 0, "more"), 1, r"calls\[0\] has 'more', expected name, arguments"),
        (("calls", 0, "result", "memory_bytes"), True, "memory_bytes is True, expected int"),
        (("calls", 1, "result", "number"), 4, r"\(allocate\) returns number 4, expected 0"),
        (("calls", 1, "arguments"), {}, r"\(allocate\) returns a buffer of None bytes"),
        (("calls", 2, "host"), {"6": "ab"}, r"\(submit\) changes buffer 6, which is not alloc"),
        (("calls", 2, "host"), {"six": "ab"}, r"host is 'six', expected a number"),
        (("calls", 2, "result", "kind"), "rest", "kind is 'rest', expected load or program"),
        (("calls", 3, "result", "pending"), 0, r"\(wait\) ends 0, which is nothing pending"),
        (("calls", 3, "result", "busy_ps"), {"0": [1]}, r"0 is \[1\], expected a list of 2"),
        (("calls", 3, "result", "timeline", "start"), {"0": [[1], [2, 3]]}, "expected rows of"),
        (("calls", 3, "result", "timeline", "start"), {"0": [[1.5]]}, "expected rows of whole"),
        (("calls", 3, "result", "timeline", "start"), {}, "are of different shapes"),
        (("calls", 3, "device"), [[0, 8, 0]], "changes 2 bytes at 8 of buffer 0, which has 9"),
        (("calls", 3, "device"), [[0, -1, 0]], "changes 2 bytes at -1 of buffer 0"),
        (("calls", 3, "device"), [[0, 0, -1]], "has content -1, expected one of 1"),
        (("calls", 3, "device"), [[2, 0, 0]], "changes buffer 2, which is not allocated then"),
        (("calls", 4, "failure"), {"family": "DeviceError"}, "message is None, expected str"),
        (("sizes",), [1], r"contents of buffers end at byte [\d,]+, expected"),
        (("sizes",), [-2, 4], r"contents of buffers end at byte [\d,]+, expected"),
        (("session", "clock"), "sun", "clock is 'sun', expected virtual or wall"),
        (("session", "board"), 5, "board is 5, expected str"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, steps: Steps, value: object, message: str) -> None:
    document, contents = unpacked(encode(SESSION, CALLS, LIMIT_BYTES))
    path = text_file(tmp_path / "wrong.frr", changed(document, steps, value), contents)
    with pytest.raises(ArtifactError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: its content is not that of version 1 (")
    assert str(caught.value).endswith("); record again")


def test_a_buffer_that_is_gone_is_not_changed(tmp_path: Path) -> None:
    document, contents = unpacked(encode(SESSION, CALLS, LIMIT_BYTES))
    for gone in ({"name": "buffer.free", "arguments": {"buffer": 0}},
                 {"name": "close", "arguments": {}}):  # fmt: skip
        calls = document["calls"]
        other = {**document, "calls": [*calls[:3], gone, *calls[3:]]}
        with pytest.raises(ArtifactError, match="changes buffer 0, which is not allocated then"):
            read(text_file(tmp_path / "gone.frr", other, contents))


def test_a_text_without_end_of_nesting(tmp_path: Path) -> None:
    text = b"[" * 1_000_000
    content = struct.pack("<Q", len(text)) + text
    path = tmp_path / "deep.frr"
    path.write_bytes(container(content, len(content)))
    with pytest.raises(ArtifactError, match="its content is not that of version 1"):
        read(path)


def session(device: Device) -> None:
    program = run_scale(device)
    device.wait(device.submit(program.submission()))
    device.read32(0)
    program.free()


def test_whatever_is_changed_is_refused_in_words(tmp_path: Path) -> None:
    """No change of a real session raises anything but this package's errors, read or played."""
    recorder = Recorder(Emulator("pynq-z2"), "a test")
    with recorder:
        session(recorder)
    document, contents = unpacked(recorder.recording())
    choose = random.Random(7)
    found = list(places(document))
    path = tmp_path / "changed.frr"
    refused = 0
    for _ in range(400):
        text_file(path, changed(document, choose.choice(found), choose.choice(WRONG)), contents)
        try:
            device = Replay("pynq-z2", recording=path)
        except FpgaRtError:
            refused += 1
            continue
        with suppress(FpgaRtError), device:
            session(device)
    assert refused > 200  # as they are read; the others where they are played, or they are harmless
