"""The device `replay`: a recorded session, call for call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NoReturn, TypeVar, cast

import numpy as np

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board
from fpga_rt.device.interface import Buffer, Capabilities, Clock, Device
from fpga_rt.device.recording import file
from fpga_rt.device.recording.calls import Call, Plain, SurpriseError
from fpga_rt.device.recording.recorder import READS_MEMORY
from fpga_rt.device.recording.session_device import Action, Decode, Encode, SessionDevice
from fpga_rt.errors import DeviceError

_Value = TypeVar("_Value")

_GIVES_BACK = ("close", "unstage", "buffer.free")
"""Calls that clean up: after the first difference they do nothing, so that it stays in sight."""


class Replay(SessionDevice):
    """A session that was recorded with `fpga-rt run --record`; give it with `--recording FILE`.

    The host must make the same calls with the same data, in the same order; the first one that
    differs is refused, and so is everything after it.
    """

    def __init__(self, board: Board | str, *, recording: Path | str | None = None) -> None:
        """Read a recording.

        Args:
            board: the board that it was recorded on, or its name.
            recording: the file.

        Raises:
            DeviceError: no file is given, or it was recorded on another board.
            ArtifactError: it cannot be read, is damaged, or of another version.
        """
        super().__init__()
        board = boards.board(board) if isinstance(board, str) else board
        if recording is None:
            raise DeviceError(
                "device replay needs a recording; give it with --recording FILE (recording=), made"
                " by `fpga-rt run --record FILE` on another device"
            )
        self._path = Path(recording)
        session, self._calls = file.read(self._path)
        if session.board != board.name:
            raise DeviceError(
                f"{self._path} was recorded on board {session.board}, expected {board.name}; give"
                f" --board {session.board}, and a deployment that was compiled for it"
            )
        self._session = session
        self._next = 0
        self._difference: str | None = None
        self.capabilities = Capabilities(
            device="replay",
            board=board,
            clock=cast("Clock", session.clock),
            origin="replayed",
            alignment_bytes=session.alignment_bytes,
            memory_bytes=0,  # known when it is opened
            assumptions=(
                f"Replayed from {self._path}: recorded {session.recorded} on {session.device},"
                f" whose times are {session.origin}.",
            ),
        )

    def __enter__(self) -> Replay:
        """Open the device."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the device; after an error without looking whether the recording goes on."""
        if error is not None:
            self._difference = self._difference or f"the session ended with {error}"
        self.close()

    @property
    def inner(self) -> Device:
        """Nothing that could be called."""
        return self

    def call(
        self,
        name: str,
        arguments: Mapping[str, Plain],
        act: Action[_Value],
        encode: Encode[_Value],
        decode: Decode[_Value],
    ) -> _Value:
        """Return what the recorded call returned; see `SessionDevice.call`.

        Raises:
            DeviceError: another call was recorded, or the recording is over.
            FpgaRtError: the recorded call raised it.
        """
        made = Call(name, arguments)
        if self._difference is not None:
            if name in _GIVES_BACK:
                return decode(None)
            raise DeviceError(self._difference)
        recorded = self._recorded(made)
        self._check_memory(recorded, made)
        self._next += 1
        if name == "buffer.free":
            self._memory.remove(arguments["buffer"])
        self._memory.apply(recorded.device)
        if recorded.failure is not None:
            error = recorded.failure.error()
            if isinstance(error, SurpriseError):
                self._difference = str(error)  # a host goes another way after an error of a device
            raise error
        return decode(recorded.result)

    def _recorded(self, made: Call) -> Call:
        """Return the call that was recorded at this place.

        Raises:
            DeviceError: it is another one.
        """
        if self._next >= len(self._calls):
            self._refuse(made, f"the recording ends after {self._next} calls")
        recorded = self._calls[self._next]
        if (recorded.name, recorded.arguments) != (made.name, made.arguments):
            self._refuse(made, f"the recording has {recorded}")
        return recorded

    def _check_memory(self, recorded: Call, made: Call) -> None:
        """Compare what the host has written before a call after which the device reads it."""
        if made.name not in (*READS_MEMORY, "buffer.flush"):
            return
        only = (made.arguments["buffer"],) if made.name == "buffer.flush" else ()
        written = self._memory.host_changes(*only)
        if written != recorded.host:
            both = {*written, *recorded.host}
            number = min(n for n in both if written.get(n) != recorded.host.get(n))
            self._refuse(
                made,
                f"buffer {number} (at {getattr(self._objects[number], 'address', 0):#x}) holds"
                " other data than when it was recorded",
            )

    def _refuse(self, made: Call, instead: str) -> NoReturn:
        self._difference = (
            f"replay of {self._path}: call {self._next} is {made}, but {instead}; make the calls"
            f" that were recorded: {self._session.command or 'the same program and options'}"
        )
        raise DeviceError(self._difference)

    def _wrapped(self, buffer: Buffer) -> Buffer:
        return buffer

    def _reallocated(self, plain: Plain, size_bytes: int) -> Buffer:
        buffer = _ReplayedBuffer(self, plain["address"], size_bytes)
        self._memory.add(self._number(buffer), buffer.view)
        return buffer


class _ReplayedBuffer:
    """Memory of the host in the place of a device's."""

    def __init__(self, session: SessionDevice, address: int, size_bytes: int) -> None:
        self.address = address
        self.view = np.zeros(size_bytes, np.uint8)
        self._session = session

    def flush(self) -> None:
        self._session.buffer_call("flush", self, _nothing)

    def invalidate(self) -> None:
        self._session.buffer_call("invalidate", self, _nothing)

    def free(self) -> None:
        self._session.buffer_call("free", self, _nothing)


def _nothing() -> None:
    """Stand for what a recorded call did."""
