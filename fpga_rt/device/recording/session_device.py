"""What recorder and replay share: every call of `Device` as plain data, and the way back.

A call's result is an object that later calls name: a staged bitstream, a buffer, a pending. Both
sides number those in the order in which calls returned them, so the numbers agree.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from fpga_rt.contract.submission import Submission
from fpga_rt.device.interface import Buffer, Completion, Device, Pending, Staged
from fpga_rt.device.recording.calls import Plain, digest, plain_timeline, timeline_of
from fpga_rt.device.recording.memory import Watched

_Value = TypeVar("_Value")
Action = Callable[[], _Value]
Encode = Callable[[_Value], Plain]
Decode = Callable[[Plain], _Value]


class SessionDevice(Device):
    """A device whose calls are plain data; a subclass carries them out, or looks them up."""

    def __init__(self) -> None:
        """Begin a session."""
        self._is_open = False
        self._memory = Watched()
        self._numbers: dict[int, int] = {}
        self._objects: list[object] = []
        """Everything that has a number, by it; kept, so that no other gets its `id`."""

    @property
    @abstractmethod
    def inner(self) -> Device:
        """The device that calls are passed on to."""

    @abstractmethod
    def call(
        self,
        name: str,
        arguments: Mapping[str, Plain],
        act: Action[_Value],
        encode: Encode[_Value],
        decode: Decode[_Value],
    ) -> _Value:
        """Carry a call out, or look up what it returned.

        Args:
            name: of the method.
            arguments: as plain data.
            act: passes it on to `inner`.
            encode: returns its result as plain data.
            decode: returns a result of such data.
        """

    def open(self) -> None:
        """Open the device; again: harmless."""
        if not self._is_open:
            self.call("open", {}, self.inner.open, self._opened, self._reopen)
            self._is_open = True

    def close(self) -> None:
        """Close the device; again: harmless."""
        if self._is_open:
            self._is_open = False
            self._memory.clear()
            self._do("close", {}, self.inner.close)

    def load_base(self, full: bytes) -> None:
        """Load the full bitstream of a static region."""
        self._do("load_base", {"full": digest(full)}, lambda: self.inner.load_base(full))

    def stage(
        self,
        partial: bytes,
        partition: int,
        static_id: int | None = None,
        module_id: int | None = None,
    ) -> Staged:
        """Verify a partial bitstream for a partition and put it near the port."""
        stated = {"partition": partition, "static_id": static_id, "module_id": module_id}
        return self.call(
            "stage",
            {"partial": digest(partial), **stated},
            lambda: self.inner.stage(partial, partition, static_id, module_id),
            lambda staged: {"number": self._number(staged), **vars(staged)},
            self._restaged,
        )

    def unstage(self, staged: Staged) -> None:
        """Give the memory of a staged bitstream back."""
        self._do("unstage", {"staged": self._known(staged)}, lambda: self.inner.unstage(staged))

    def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
        """Stream a staged bitstream through a configuration port."""
        return self.call(
            "begin_load",
            {"partition": partition, "staged": self._known(staged), "port": port},
            lambda: self.inner.begin_load(partition, staged, port),
            self._plain_pending,
            self._pending,
        )

    def quiesce(self, partition: int) -> None:
        """Return once the program that uses a partition has ended."""
        self._do("quiesce", {"partition": partition}, lambda: self.inner.quiesce(partition))

    def decouple(self, partition: int) -> None:
        """Isolate a partition."""
        self._do("decouple", {"partition": partition}, lambda: self.inner.decouple(partition))

    def recouple(self, partition: int) -> None:
        """Connect a partition again."""
        self._do("recouple", {"partition": partition}, lambda: self.inner.recouple(partition))

    def reset(self, partition: int) -> None:
        """Reset the module in a partition."""
        self._do("reset", {"partition": partition}, lambda: self.inner.reset(partition))

    def identify(self, partition: int) -> int:
        """Return the identity that the module in a partition answers."""
        return self._number_of(
            "identify", {"partition": partition}, lambda: self.inner.identify(partition)
        )

    def read32(self, offset: int) -> int:
        """Read a register."""
        return self._number_of("read32", {"offset": offset}, lambda: self.inner.read32(offset))

    def write32(self, offset: int, value: int) -> None:
        """Write a register."""
        arguments = {"offset": offset, "value": value}
        self._do("write32", arguments, lambda: self.inner.write32(offset, value))

    def now_ps(self) -> int:
        """Return the device's clock in picoseconds."""
        return self._number_of("now_ps", {}, self.inner.now_ps)

    def allocate(self, size_bytes: int) -> Buffer:
        """Allocate zeroed device memory."""
        return self.call(
            "allocate",
            {"size_bytes": size_bytes},
            lambda: self._wrapped(self.inner.allocate(size_bytes)),
            lambda buffer: {"number": self._number(buffer), "address": buffer.address},
            lambda plain: self._reallocated(plain, size_bytes),
        )

    def submit(self, submission: Submission) -> Pending:
        """Ring the doorbell for a submission."""
        return self.call(
            "submit",
            {"submission": digest(submission.encode())},
            lambda: self.inner.submit(submission),
            self._plain_pending,
            self._pending,
        )

    def wait(self, *pending: Pending, timeout_s: float | None = None) -> Completion:
        """Wait until the first of several pendings has ended, and return how."""
        return self.call(
            "wait",
            {"pending": [self._known(one) for one in pending], "timeout_s": timeout_s},
            lambda: self.inner.wait(*pending, timeout_s=timeout_s),
            self._plain_completion,
            self._completion,
        )

    def buffer_call(self, name: str, buffer: Buffer, act: Action[None]) -> None:
        """Carry a call of a buffer out: `flush`, `invalidate` or `free`."""
        self._do(f"buffer.{name}", {"buffer": self._known(buffer)}, act)

    def _do(self, name: str, arguments: Mapping[str, Plain], act: Action[None]) -> None:
        self.call(name, arguments, act, lambda result: None, lambda plain: None)

    def _number_of(self, name: str, arguments: Mapping[str, Plain], act: Action[int]) -> int:
        return self.call(name, arguments, act, int, int)

    def _number(self, value: object) -> int:
        """Return the number of a result, a new one for a new object."""
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return self._numbers[id(value)]

    def _known(self, value: object) -> int | str:
        """Return the number of an argument; in words what no call has returned."""
        return self._numbers.get(id(value), f"a {type(value).__name__} of another session")

    def _opened(self, result: None) -> Plain:
        found = self.inner.capabilities
        return {"memory_bytes": found.memory_bytes, "assumptions": list(found.assumptions)}

    def _reopen(self, plain: Plain) -> None:
        self.capabilities = replace(
            self.capabilities,
            memory_bytes=plain["memory_bytes"],
            assumptions=(*self.capabilities.assumptions[:1], *plain["assumptions"]),
        )

    def _restaged(self, plain: Plain) -> Staged:
        number, fields = plain["number"], {k: v for k, v in plain.items() if k != "number"}
        if number < len(self._objects):
            found: Any = self._objects[number]
        else:
            found = Staged(**fields)
            self._number(found)
        staged: Staged = found
        return staged

    def _plain_pending(self, pending: Pending) -> Plain:
        return {
            "number": self._number(pending),
            "kind": pending.kind,
            "started_ps": pending.started_ps,
            "partitions": list(pending.partitions),
        }

    def _pending(self, plain: Plain) -> Pending:
        pending = Pending(plain["kind"], plain["started_ps"], tuple(plain["partitions"]))
        self._number(pending)
        return pending

    def _plain_completion(self, done: Completion) -> Plain:
        return {
            "pending": self._number(done.pending),
            "started_ps": done.started_ps,
            "ended_ps": done.ended_ps,
            "size_bytes": done.size_bytes,
            "busy_ps": {str(p): list(span) for p, span in done.busy_ps.items()},
            "timeline": plain_timeline(done.timeline),
            "phases_ps": dict(done.phases_ps),
            "bank": done.bank,
        }

    def _completion(self, plain: Plain) -> Completion:
        pending: Any = self._objects[plain["pending"]]
        return Completion(
            pending,
            plain["started_ps"],
            plain["ended_ps"],
            plain["size_bytes"],
            {int(p): (first, last) for p, (first, last) in plain["busy_ps"].items()},
            timeline_of(plain["timeline"]),
            plain["phases_ps"],
            plain["bank"],
        )

    @abstractmethod
    def _wrapped(self, buffer: Buffer) -> Buffer:
        """Return a buffer of `inner` whose calls belong to the session."""

    @abstractmethod
    def _reallocated(self, plain: Plain, size_bytes: int) -> Buffer:
        """Return a buffer like the one that was recorded."""
