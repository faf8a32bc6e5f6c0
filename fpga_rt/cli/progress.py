"""A progress bar on standard error, drawn beside work that does not know of it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

_WIDTH = 30
_PERIOD_S = 0.1
_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Shows how many requests, or other units, have ended while its `with` block runs.

    On a terminal a bar is drawn over itself; elsewhere, and only if asked for, one line says when
    the work has ended. Nothing is ever written to standard output.
    """

    def __init__(
        self,
        what: str,
        total: int,
        done: Callable[[], int],
        verbose: bool = False,
        unit: str = "requests",
    ) -> None:
        """Watch `done()` grow to `total`; `verbose` also shows it when there is no terminal."""
        self._what, self._total, self._done, self._unit = what, total, done, unit
        self._live = sys.stderr.isatty()
        self._verbose = verbose
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Progress:
        """Start drawing."""
        if self._live:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the bar."""
        self._stop.set()
        if self._live:
            self._thread.join()
            self._write(_CLEAR_LINE)
        if self._verbose and error is None:
            elapsed_s = time.monotonic() - self._started
            self._write(
                f"{self._what}: {self._done()}/{self._total} {self._unit} in {elapsed_s:.1f} s\n"
            )

    def _watch(self) -> None:
        while not self._stop.wait(_PERIOD_S):
            self._write(_CLEAR_LINE + bar(self._what, self._done(), self._total, self._unit))

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def bar(what: str, done: int, total: int, unit: str = "requests") -> str:
    """Return one line: what is running, a bar, the count."""
    share = min(done / total, 1.0) if total else 1.0
    filled = round(share * _WIDTH)
    return f"{what} [{'#' * filled}{'.' * (_WIDTH - filled)}] {done}/{total} {unit}"
