"""Turns at a device: who asks first has the next one."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class Turns:
    """A lock that is given in the order in which it was asked for.

    Python's own may be taken again by the thread that has just released it, so a row of test
    vectors could keep an inference waiting until the last of them has run.
    """

    def __init__(self) -> None:
        """Nobody has a turn."""
        self._mutex = threading.Lock()
        self._holder: threading.Lock | None = None
        self._waiting: deque[threading.Lock] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._waiting)

    def __enter__(self) -> None:
        """Wait for a turn and take it."""
        mine = threading.Lock()
        mine.acquire()
        try:
            with self._mutex:
                if self._holder is None:
                    self._holder = mine
                    return
                self._waiting.append(mine)
            mine.acquire()
        except BaseException:  # interrupted, be it before the turn was given or after
            with self._mutex:
                if mine in self._waiting:
                    self._waiting.remove(mine)
            if self._holder is mine:
                self._pass_on()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the turn to who has waited longest."""
        self._pass_on()

    def _pass_on(self) -> None:
        with self._mutex:
            self._holder = self._waiting.popleft() if self._waiting else None
            if self._holder is not None:
                self._holder.release()
