"""A call of `Device` as plain data.

Arguments are kept for comparison only: bytes by their SHA-256, what a call has returned (staged
bitstreams, buffers, pendings) by the number of the call that returned it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.sequencer import Timeline
from fpga_rt.errors import (
    ArtifactError,
    DeviceError,
    ExecutionError,
    FpgaRtError,
    PortUnavailableError,
    ReconfigurationError,
    ToolchainError,
)


class SurpriseError(DeviceError):
    """A call ended as no device's should, or was interrupted; what the host did then is its own."""


_FAMILIES: Mapping[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        ArtifactError, DeviceError, ExecutionError, FpgaRtError, PortUnavailableError,
        ReconfigurationError, SurpriseError, ToolchainError, ValueError, TypeError,
    )
}  # fmt: skip
"""All that a recording can name: what a device raises, this package's families and misuse."""
_TIMELINE = ("start", "end", "parameters_end")
Plain = Any
"""What JSON holds."""
Blobs = list[bytes]


@dataclass(frozen=True)
class Failure:
    """What a call raised: its family, message, and the state of a partition where it has one."""

    family: str
    message: str
    partition_state: str | None = None

    @staticmethod
    def of(error: BaseException) -> Failure:
        """Keep an error of a device; one that is no family's becomes a `SurpriseError`."""
        state = error.partition_state if isinstance(error, ReconfigurationError) else None
        for kind in type(error).__mro__:
            if _FAMILIES.get(kind.__name__) is kind:
                return Failure(kind.__name__, str(error), state)
        words = ": ".join(filter(None, (type(error).__name__, str(error))))
        return Failure(SurpriseError.__name__, words, state)

    @staticmethod
    def read(data: Plain) -> Failure:
        """Return the failure of a file.

        Raises:
            ValueError: its family is none that a recording names, or it lacks its state.
            KeyError, TypeError: it has other fields.
        """
        failure = Failure(**data)
        kind = _FAMILIES.get(failure.family)
        if kind is None:
            raise ValueError(
                f"a failure of family {failure.family!r}, expected one of {', '.join(_FAMILIES)}"
            )
        if (failure.partition_state is None) is (kind is ReconfigurationError):
            raise ValueError(
                f"a {failure.family} with partition state {failure.partition_state!r}, expected"
                " one with a ReconfigurationError only"
            )
        return failure

    def error(self) -> Exception:
        """Return the error to raise again."""
        kind = _FAMILIES[self.family]
        if self.partition_state is not None and issubclass(kind, ReconfigurationError):
            return kind(self.message, self.partition_state)
        return kind(self.message)


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        name: of the method; a buffer's is `buffer.flush` and the like.
        arguments: by name, as plain data.
        result: what it returned, as plain data; None for nothing.
        failure: what it raised instead.
        host: SHA-256 of every buffer that the host had changed before the call, by its number.
        device: what the device changed in buffers: number, first byte and content of each range.
    """

    name: str
    arguments: Mapping[str, Plain]
    result: Plain = None
    failure: Failure | None = None
    host: Mapping[int, str] = field(default_factory=dict)
    device: tuple[tuple[int, int, bytes], ...] = ()

    def __str__(self) -> str:
        """Return it as it is called: `write32(offset=0x28, value=0x1)`."""
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in self.arguments.items())
        return f"{self.name}({shown})"

    def plain(self, blobs: Blobs) -> Plain:
        """Return it for JSON; contents of buffers are appended to `blobs`."""
        data: dict[str, Plain] = {"name": self.name, "arguments": dict(self.arguments)}
        if self.result is not None:
            data["result"] = self.result
        if self.failure is not None:
            data["failure"] = vars(self.failure)
        if self.host:
            data["host"] = {str(number): digest for number, digest in self.host.items()}
        if self.device:
            data["device"] = [
                [number, first, put(content, blobs)] for number, first, content in self.device
            ]
        return data

    @staticmethod
    def of(data: Plain, blobs: Blobs) -> Call:
        """Return the call that `plain` gave; data of a file was checked before.

        Raises:
            ValueError, KeyError, TypeError: its failure is none, see `Failure.read`.
        """
        failure = data.get("failure")
        return Call(
            data["name"],
            data["arguments"],
            data.get("result"),
            Failure.read(failure) if failure is not None else None,
            {int(number): digest for number, digest in (data.get("host") or {}).items()},
            tuple((number, first, blobs[blob]) for number, first, blob in data.get("device") or ()),
        )


def put(content: bytes, blobs: Blobs) -> int:
    """Append a content and return its index."""
    blobs.append(content)
    return len(blobs) - 1


def digest(data: bytes) -> str:
    """Return what stands for bytes in arguments."""
    return hashlib.sha256(data).hexdigest()


def plain_timeline(timeline: Timeline | None) -> Plain:
    """Return a timeline for JSON."""
    if timeline is None:
        return None
    return {
        "total": timeline.total,
        **{
            name: {str(p): array.tolist() for p, array in getattr(timeline, name).items()}
            for name in _TIMELINE
        },
    }


def timeline_of(data: Plain) -> Timeline | None:
    """Return the timeline that `plain_timeline` gave."""
    if data is None:
        return None
    start, end, parameters_end = (_arrays(data[name]) for name in _TIMELINE)
    return Timeline(start, end, parameters_end, data["total"])


def _arrays(data: Mapping[str, Any]) -> dict[int, NDArray[np.int64]]:
    return {int(partition): np.array(rows, np.int64) for partition, rows in data.items()}


def _shown(value: Plain) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:#x}" if value > 9 else str(value)
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:12]}..."
    return repr(value)
