"""A headless Chromium, spoken to by the DevTools protocol over a pipe: no library, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

Json = dict[str, Any]

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-pipe",
)  # fmt: skip
_DEADLINE_S = 120.0


class Page:
    """A tab: what it logged and asked of the network, and what its scripts answer."""

    def __init__(self, process: subprocess.Popen[bytes], to: int, origin: int) -> None:
        """Attach to a new tab of a browser that reads `to` and writes `origin`."""
        self._process, self._to, self._from = process, to, origin
        self._number, self._rest, self._session = 0, b"", ""
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, path: Path, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Load a file in a window of some size, in light or dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self._loaded = False
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._read()
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self, script: str) -> Any:  # noqa: ANN401 - whatever the script returns
        """Return the value of an expression, awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """Write a picture of the page."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def call(self, method: str, **parameters: object) -> Json:
        """Call a method of the protocol and wait for its answer."""
        self._number += 1
        message: Json = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: Json = answer["result"]
                return result

    def _read(self) -> Json:
        """Return the next message, noting what it says of errors and requests."""
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], _DEADLINE_S)
            assert ready, f"the browser has said nothing for {_DEADLINE_S:g} s"
            data = os.read(self._from, 1 << 16)
            assert data, f"the browser ended with {self._process.poll()}"
            self._rest += data
        line, self._rest = self._rest.split(b"\0", 1)
        message: Json = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, parameters: Json) -> None:
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(parameters["exceptionDetails"]))
        if method == "Log.entryAdded" and parameters["entry"]["level"] in {"error", "warning"}:
            self.errors.append(str(parameters["entry"]["text"]))
        if method == "Runtime.consoleAPICalled":
            self.errors.append(str(parameters["args"]))
        if method == "Network.requestWillBeSent":
            self.requests.append(str(parameters["request"]["url"]))
        if method == "Page.loadEventFired":
            self._loaded = True


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Start a browser with a new profile in a folder, and end it."""
    assert PROGRAM is not None
    read_to, write_to = os.pipe()
    read_from, write_from = os.pipe()
    # The protocol's pipes are file descriptors 3 and 4 of the browser.
    script = f'exec "$@" 3<&{read_to} 4>&{write_from}'
    command = ["bash", "-c", script, "bash", PROGRAM, *_FLAGS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        command, pass_fds=(read_to, write_from), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(read_to)
    os.close(write_from)
    try:
        yield Page(process, write_to, read_from)
    finally:
        with suppress(OSError):
            os.write(write_to, b'{"id":1000000,"method":"Browser.close"}\0')
        os.close(write_to)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(read_from)
