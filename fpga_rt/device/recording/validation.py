"""Whether a file's calls can be those of a session: checked whole before the first is played back.

What a call holds is checked by itself (`check_call`), what it refers to by the calls before it
(`check_references`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fpga_rt.device.recording.calls import Call
from fpga_rt.device.recording.shape import (
    Check,
    a,
    both,
    by_name,
    by_number,
    fields,
    listed,
    nothing,
    one_of,
    optional,
    rows,
    same_shape,
)

_TABLES = by_number(rows)
_TIMELINE = both(
    fields(total=a(int), start=_TABLES, end=_TABLES, parameters_end=_TABLES),
    same_shape("start", "end", "parameters_end"),
)
_PENDING = fields(
    number=a(int), kind=one_of("load", "program"), started_ps=a(int), partitions=listed(a(int))
)
_RESULTS: Mapping[str, Check] = {
    "open": fields(memory_bytes=a(int), assumptions=listed(a(str))),
    "stage": fields(
        number=a(int), digest=a(str), partition=a(int), module_id=a(int), bitstream_bytes=a(int)
    ),
    "begin_load": _PENDING,
    "submit": _PENDING,
    "wait": fields(
        pending=a(int), started_ps=a(int), ended_ps=a(int), size_bytes=a(int),
        busy_ps=by_number(listed(a(int), 2)), timeline=optional(_TIMELINE),
        phases_ps=by_name(a(int)), bank=a(int),
    ),
    "allocate": fields(number=a(int), address=a(int)),
    **dict.fromkeys(("identify", "read32", "now_ps"), a(int)),
    **dict.fromkeys(
        ("close", "load_base", "unstage", "quiesce", "decouple", "recouple", "reset", "write32",
         "buffer.flush", "buffer.invalidate", "buffer.free"), nothing,
    ),
}  # fmt: skip
"""By call: what it returns."""
_CALL = fields(
    name=one_of(*_RESULTS),
    arguments=a(dict),
    result=lambda value, what: None,
    failure=optional(fields(family=a(str), message=a(str), partition_state=optional(a(str)))),
    host=optional(by_number(a(str))),
    device=optional(listed(listed(a(int), 3))),
)


def check_call(data: Any, blobs: int, what: str) -> None:  # noqa: ANN401 - of a file, so anything
    """Check what a call holds.

    Args:
        data: of the file.
        blobs: how many contents of buffers the file has.
        what: the call is called.

    Raises:
        ValueError: it is none.
    """
    _CALL(data, what)
    failed = data.get("failure") is not None
    (nothing if failed else _RESULTS[data["name"]])(data.get("result"), f"{what}.result")
    for _, _, blob in data.get("device") or ():
        if not 0 <= blob < blobs:
            raise ValueError(f"{what}.device has content {blob}, expected one of {blobs}")


def check_references(calls: Sequence[Call]) -> None:
    """Check that calls name what calls before them returned, and change what is in a buffer.

    Raises:
        ValueError: one does not.
    """
    known = _Known()
    for index, call in enumerate(calls):
        known.follow(call, f"calls[{index}] ({call.name})")


class _Known:
    """What has a number after some calls, as recorder and replay count."""

    def __init__(self) -> None:
        self._kinds: list[str] = []
        self._sizes: dict[int, int] = {}
        """Of the buffers that are watched."""

    def follow(self, call: Call, what: str) -> None:
        """Check a call and count what it returned."""
        if call.name == "close":
            self._sizes.clear()
        buffer = call.arguments.get("buffer")
        if call.name == "buffer.free" and isinstance(buffer, int):
            self._sizes.pop(buffer, None)
        for number in call.host:
            self._size(number, what)
        for number, first, content in call.device:
            size = self._size(number, what)
            if not 0 <= first <= size - len(content):
                raise ValueError(
                    f"{what} changes {len(content)} bytes at {first} of buffer {number}, which has"
                    f" {size}"
                )
        if call.failure is None:
            self._returned(call, what)

    def _size(self, number: int, what: str) -> int:
        if number not in self._sizes:
            raise ValueError(f"{what} changes buffer {number}, which is not allocated then")
        return self._sizes[number]

    def _returned(self, call: Call, what: str) -> None:
        if call.name == "stage":
            self._count("staged", call.result["number"], what, again=True)
        elif call.name in ("begin_load", "submit"):
            self._count("pending", call.result["number"], what)
        elif call.name == "allocate":
            number, size = call.result["number"], call.arguments.get("size_bytes")
            self._count("buffer", number, what)
            if type(size) is not int or size < 0:
                raise ValueError(f"{what} returns a buffer of {size!r} bytes")
            self._sizes[number] = size
        elif call.name == "wait":
            pending = call.result["pending"]
            if not self._is("pending", pending):
                raise ValueError(f"{what} ends {pending}, which is nothing pending")

    def _count(self, kind: str, number: int, what: str, again: bool = False) -> None:
        """Count a result, where it may be one that was returned before."""
        if again and self._is(kind, number):
            return
        if number != len(self._kinds):
            raise ValueError(f"{what} returns number {number}, expected {len(self._kinds)}")
        self._kinds.append(kind)

    def _is(self, kind: str, number: int) -> bool:
        return 0 <= number < len(self._kinds) and self._kinds[number] == kind
