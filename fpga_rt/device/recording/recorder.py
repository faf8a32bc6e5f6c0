"""A device that passes everything on to another, and keeps every call with what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TypeVar

from fpga_rt.device.interface import Buffer, Device
from fpga_rt.device.recording import file
from fpga_rt.device.recording.calls import Call, Failure, Plain
from fpga_rt.device.recording.session_device import Action, Decode, Encode, SessionDevice
from fpga_rt.errors import ArtifactError

_Value = TypeVar("_Value")

READS_MEMORY = ("submit", "begin_load")
"""Calls after which the device reads what the host has written."""
WRITES_MEMORY = ("wait", "quiesce", "decouple", "buffer.invalidate")
"""Calls after which the host may see what the device has written."""
_CALL_BYTES = 100
"""What a call takes in a file, about."""


class Recorder(SessionDevice):
    """Keeps a session with a device; `recording` returns it as the content of a file.

    What the host reads from a buffer has to be there after `wait` or `invalidate`: a change that it
    sees at any other time is not in the recording.
    """

    def __init__(
        self,
        device: Device,
        command: str = "",
        limit_bytes: int = file.LIMIT_BYTES,
    ) -> None:
        """Record a device; opening and closing it is this one's from here on.

        Args:
            device: what is recorded.
            command: what makes the calls, for people.
            limit_bytes: of the session; a longer one runs to its end and is not kept.
        """
        super().__init__()
        self.capabilities = device.capabilities
        self._inner = device
        self._command = command
        self._limit_bytes = limit_bytes
        self._calls: list[Call] = []
        self._bytes = 0

    @property
    def inner(self) -> Device:
        """The device that is recorded."""
        return self._inner

    def recording(self) -> bytes:
        """Return the session as far as it went, for a file that `Replay` reads.

        Raises:
            ArtifactError: it is longer than the limit.
        """
        if self._bytes > self._limit_bytes:
            raise ArtifactError(
                f"the recording holds more than {self._limit_bytes:,} bytes; record fewer images"
            )
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        found = self.capabilities
        session = file.Session(
            found.device, found.board.name, found.clock, found.origin, found.alignment_bytes, now,
            self._command,
        )  # fmt: skip
        return file.encode(session, self._calls, self._limit_bytes)

    def call(
        self,
        name: str,
        arguments: Mapping[str, Plain],
        act: Action[_Value],
        encode: Encode[_Value],
        decode: Decode[_Value],
    ) -> _Value:
        """Pass a call on and keep it; see `SessionDevice.call`."""
        host = self._host_changes(name, arguments)
        result, failure = None, None
        try:
            value = act()
            result = encode(value)
        except BaseException as error:  # an interrupt is how the call ended, too
            failure = Failure.of(error)
            raise
        finally:
            device = self._memory.device_changes() if name in WRITES_MEMORY else ()
            self._keep(Call(name, arguments, result, failure, host, device))
        if name == "open":
            self.capabilities = self._inner.capabilities
        return value

    def _host_changes(self, name: str, arguments: Mapping[str, Plain]) -> dict[int, str]:
        if name == "buffer.flush":
            return self._memory.host_changes(arguments["buffer"])
        if name == "buffer.free":
            self._memory.remove(arguments["buffer"])
        return self._memory.host_changes() if name in READS_MEMORY else {}

    def _keep(self, call: Call) -> None:
        """Keep a call while there is room; what a full recording costs is the recording only."""
        self._bytes += _CALL_BYTES + sum(len(content) for _, _, content in call.device)
        if self._bytes <= self._limit_bytes:
            self._calls.append(call)

    def _wrapped(self, buffer: Buffer) -> Buffer:
        wrapped = _RecordedBuffer(self, buffer)
        self._memory.add(self._number(wrapped), buffer.view)
        return wrapped

    def _reallocated(self, plain: Plain, size_bytes: int) -> Buffer:
        raise NotImplementedError("a recorder has buffers of its device only")


class _RecordedBuffer:
    """A buffer of the device that is recorded."""

    def __init__(self, session: SessionDevice, inner: Buffer) -> None:
        self.address = inner.address
        self.view = inner.view
        self._session = session
        self._inner = inner

    def flush(self) -> None:
        self._session.buffer_call("flush", self, self._inner.flush)

    def invalidate(self) -> None:
        self._session.buffer_call("invalidate", self, self._inner.invalidate)

    def free(self) -> None:
        self._session.buffer_call("free", self, self._inner.free)
