"""A stream of requests with updates: when everything ends, to the tick of the virtual clock.

A request is asked for when the one before has ended, so the device is never idle and an update
delays as much as it can. Updates are sent one at a time: the next one when it is due, or when the
one before is in place if that is later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fpga_rt.planner.one_by_one import Taken
from fpga_rt.study.updates import Updates

_HOUR_PS = 3600 * 10**12


class Target(Protocol):
    """What answers requests and takes updates. Version 0 is there first, `program` has another."""

    region_ps: int
    """Of a reconfiguration of its region, 0 where requests load it anyway."""

    def run(self, version: int, images: int) -> Taken:
        """Return what the next request takes."""

    def settled_ps(self, version: int, images: int) -> int:
        """Return what a request takes that nothing disturbs."""


@dataclass
class Update:
    """An update, in picoseconds of the virtual clock.

    Attributes:
        size_bytes: of its package.
        sent_ps: when its sending began.
        arrived_ps: when its last byte had come.
        test_ps: how long its test vectors took.
        switch_ps: how long nothing could run for it but for them.
        placed_ps: from when on inferences run it.
        answered_ps: when the first of them had ended.
        answer_ps: how long that took.
    """

    size_bytes: int
    sent_ps: int
    arrived_ps: int
    test_ps: int = 0
    switch_ps: int = 0
    placed_ps: int = 0
    answered_ps: int = 0
    answer_ps: int = 0

    @property
    def link_ps(self) -> int:
        """Time on the link."""
        return self.arrived_ps - self.sent_ps

    @property
    def total_ps(self) -> int:
        """Time from sending to the first answer."""
        return self.answered_ps - self.sent_ps

    @property
    def wait_ps(self) -> int:
        """Time in which requests were answered by the version before, once it had come."""
        return self.total_ps - self.link_ps - self.test_ps - self.switch_ps - self.answer_ps


@dataclass
class Stream:
    """What became of a stream of requests.

    Attributes:
        latencies_ps: of the requests in order, from when each was asked for.
        updates: those by which a request was answered.
        delay_ps: how much later than undisturbed any request ended because of updates.
        busy_ps: device time that updates took: test vectors and switches.
        total_ps: end of the last request.
        loads: through the port.
        load_ps: their time.
        hidden_ps: the part of it during which a program ran.
        runs: how often each version ran so many images, for requests and as test vectors.
        coming: the update that was on its way, or being tested, when the last request ended.
        tried: its test vectors that had run.
    """

    latencies_ps: list[int] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    delay_ps: int = 0
    busy_ps: int = 0
    total_ps: int = 0
    loads: int = 0
    load_ps: int = 0
    hidden_ps: int = 0
    runs: Counter[tuple[int, int]] = field(default_factory=Counter)
    coming: Update | None = None
    tried: int = 0

    @property
    def longest(self) -> Update | None:
        """The update that took longest from sending to the first answer, None if there is none."""
        return max(self.updates, key=lambda update: update.total_ps, default=None)

    @property
    def per_hour(self) -> float:
        """How many updates can be put in place in an hour, one after the other, at least."""
        return min(_HOUR_PS / (update.placed_ps - update.sent_ps) for update in self.updates)


def simulate(
    requests: int, images: int, updates: Updates, parameter_bytes: Sequence[int], target: Target
) -> Stream:
    """Run a stream of requests.

    Args:
        requests: how many.
        images: of each.
        updates: that come meanwhile.
        parameter_bytes: of all parameters of each version.
        target: what runs them.
    """
    simulation = _Simulation(images, updates, parameter_bytes, target)
    for _ in range(requests):
        simulation.request()
    return simulation.end()


class _Simulation:
    def __init__(
        self, images: int, updates: Updates, parameter_bytes: Sequence[int], target: Target
    ) -> None:
        self._images, self._updates, self._target = images, updates, target
        self._parameter_bytes = parameter_bytes
        self._version = 0
        self._tried = 0
        self._coming: Update | None = None
        self._placed: Update | None = None
        self._due = updates.every
        self._due_ps = round(updates.every_s * 1e12)
        self._free_ps = 0
        self.now = 0
        self.ends = Stream()

    def request(self) -> None:
        """Do what updates need between two requests, then answer one."""
        asked = self.now
        self._send()
        if self._coming is not None and self._coming.arrived_ps <= self.now:
            self._take(self._coming)
            self._send()
        taken = self._run(self._version, self._images)
        self.ends.latencies_ps.append(self.now - asked)
        if self.now - asked > taken.duration_ps or self._placed is not None:
            settled = self._target.settled_ps(self._version, self._images)
            self.ends.delay_ps = max(self.ends.delay_ps, self.now - asked - settled)
        if self._placed is not None:
            self._placed.answered_ps, self._placed.answer_ps = self.now, taken.duration_ps
            self.ends.updates.append(self._placed)
            self._placed = None

    def end(self) -> Stream:
        """Return what became of the requests."""
        self.ends.total_ps = self.now
        self.ends.coming, self.ends.tried = self._coming, self._tried
        return self.ends

    def _send(self) -> None:
        """Begin to send an update if one is due and the one before is in place."""
        if self._coming is not None:
            return
        if self._updates.every:
            if len(self.ends.latencies_ps) < self._due:
                return
            self._due += self._updates.every
            sent_ps = self.now
        else:
            if self._due_ps > self.now:
                return
            sent_ps = max(self._due_ps, self._free_ps)
            self._due_ps += round(self._updates.every_s * 1e12)
        size_bytes = self._updates.bytes_of(self._parameter_bytes[self._next])
        arrived_ps = sent_ps + self._updates.link_ps(size_bytes)
        self._coming = Update(size_bytes, sent_ps, arrived_ps)

    @property
    def _next(self) -> int:
        """The version that an update leads to."""
        return 1 - self._version if self._updates.way == "program" else self._version

    def _take(self, update: Update) -> None:
        """Do what an update needs that may be done before the next request."""
        wanted, began = self._updates, self.now
        if wanted.way == "region":
            update.switch_ps = self._target.region_ps
            if update.switch_ps:
                self._load(update.switch_ps)
        else:
            self._test(wanted)
            update.test_ps += self.now - began
        self.ends.busy_ps += self.now - began
        if wanted.way == "bank" and self._tried < wanted.vectors:
            return
        self._version, self._tried = self._next, 0
        update.placed_ps = self._free_ps = self.now
        self._coming, self._placed = None, update

    def _test(self, wanted: Updates) -> None:
        """Run test vectors: those of a program in one request, others as many as go in between."""
        if wanted.way == "program":
            if wanted.vectors:
                self._run(self._next, wanted.vectors)
            return
        for _ in range(min(wanted.between, wanted.vectors - self._tried)):
            self._run(self._version, 1)
            self._tried += 1

    def _load(self, length_ps: int) -> None:
        self.now += length_ps
        self.ends.loads += 1
        self.ends.load_ps += length_ps

    def _run(self, version: int, images: int) -> Taken:
        taken = self._target.run(version, images)
        self.now += taken.duration_ps
        self.ends.runs[version, images] += 1
        self.ends.loads += taken.loads
        self.ends.load_ps += taken.load_ps
        self.ends.hidden_ps += taken.hidden_ps
        return taken
