"""Which bytes of a session's buffers the host has changed, and which the device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpga_rt.device.recording.calls import digest

Bytes = NDArray[np.uint8]


@dataclass(eq=False)
class _Seen:
    """A buffer's content as it was last looked at."""

    view: Bytes
    before: Bytes


class Watched:
    """The buffers of a session by number, and what changed in them since they were looked at."""

    def __init__(self) -> None:
        """Begin without a buffer."""
        self._seen: dict[int, _Seen] = {}

    def add(self, number: int, view: Bytes) -> None:
        """Watch a buffer that was allocated."""
        self._seen[number] = _Seen(view, view.copy())

    def remove(self, number: int) -> None:
        """Forget a buffer that was freed."""
        self._seen.pop(number, None)

    def clear(self) -> None:
        """Forget all: the device was closed."""
        self._seen.clear()

    def host_changes(self, *only: int) -> dict[int, str]:
        """Return the SHA-256 of every buffer (of some, if named) that the host changed."""
        found = {}
        for number in only or self._seen:
            seen = self._seen.get(number)
            if seen is not None and not np.array_equal(seen.view, seen.before):
                seen.before[:] = seen.view
                found[number] = digest(seen.view.tobytes())
        return found

    def device_changes(self) -> tuple[tuple[int, int, bytes], ...]:
        """Return the range of every buffer that changed: number, first byte, content."""
        found = []
        for number, seen in self._seen.items():
            changed = np.flatnonzero(seen.view != seen.before)
            if len(changed):
                first, last = int(changed[0]), int(changed[-1]) + 1
                found.append((number, first, seen.view[first:last].tobytes()))
                seen.before[first:last] = seen.view[first:last]
        return tuple(found)

    def apply(self, changes: tuple[tuple[int, int, bytes], ...]) -> None:
        """Write what a device had changed."""
        for number, first, content in changes:
            seen = self._seen[number]
            for array in (seen.view, seen.before):
                array[first : first + len(content)] = np.frombuffer(content, np.uint8)
