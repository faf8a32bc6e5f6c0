"""Whether requests with deadlines can be promised to end in time, before any of them runs.

One request runs at a time, to its end; those that wait are taken by their deadlines, the earliest
first. Loads go through the port in the order in which jobs need them, each as soon as the port and
its partition are free. In that order nothing ever waits longer because something before it took
less time, so if all deadlines hold when everything takes as long as it may at most, they hold.

A request that arrives is put in its place and all completions are computed from what the device
holds and does at that moment: a load in flight blocks the port until it ends, and what it has
overwritten must be loaded again. It is accepted if every request, it and those it delays, still
meets its deadline.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fpga_rt.errors import AdmissionError
from fpga_rt.planner.schedule import Load


@dataclass(frozen=True)
class Work:
    """A launch: the modules it needs by partition, and the most that it takes."""

    modules: tuple[Load, ...]
    duration_ps: int


@dataclass(frozen=True)
class Device:
    """What a device holds and when it is free; times are absolute.

    Attributes:
        end_ps: when the job in flight has ended.
        port_ps: when the port is free.
        contents: modules by partition, one that is being loaded included.
        free_ps: when each partition is loaded and its last job has ended.
    """

    end_ps: int
    port_ps: int
    contents: Mapping[int, int]
    free_ps: Mapping[int, int]


@dataclass(frozen=True)
class Waiting:
    """A request that waits: its network, its deadline, and who it is."""

    network: int
    deadline_ps: int
    number: int


class Admission:
    """The test for a set of networks on a device."""

    def __init__(
        self,
        networks: Sequence[Sequence[Work]],
        load_ps: Mapping[Load, int],
        capacity: int,
        ahead: bool = True,
    ) -> None:
        """Keep what everything takes at most.

        Args:
            networks: the launches of each, in order.
            load_ps: of every load, by partition and module.
            capacity: requests that may wait.
            ahead: modules are loaded while other jobs run; otherwise when a job needs them.

        Raises:
            ValueError: nothing may wait.
        """
        if capacity < 1:
            raise ValueError(f"a queue of {capacity} requests, expected at least 1")
        self._networks = [
            tuple((work.modules, work.duration_ps) for work in network) for network in networks
        ]
        self._load_ps = dict(load_ps)
        self._capacity = capacity
        self._ahead = ahead

    def place(
        self, device: Device, rest: Iterable[Work], queue: Sequence[Waiting], request: Waiting
    ) -> int:
        """Return the place in the queue that an accepted request takes.

        Args:
            device: as it is now, with the job in flight taking as long as it may.
            rest: what is left of the request that runs.
            queue: what waits, by deadline.
            request: what arrived.

        Raises:
            AdmissionError: the queue is full, or a deadline would be missed.
        """
        if len(queue) >= self._capacity:
            raise AdmissionError(
                f"request {request.number} is refused: {len(queue)} requests wait, the queue takes"
                f" {self._capacity}; send it later",
                "full",
            )
        place = bisect_right(queue, request.deadline_ps, key=lambda other: other.deadline_ps)
        clock = _Clock(device, self._load_ps, self._ahead)
        clock.run((work.modules, work.duration_ps) for work in rest)
        for waiting in queue[:place]:
            clock.run(self._networks[waiting.network])
        for waiting in (request, *queue[place:]):
            end = clock.run(self._networks[waiting.network])
            if end > waiting.deadline_ps:
                late = "its" if waiting is request else f"request {waiting.number}'s"
                raise AdmissionError(
                    f"request {request.number} is refused: {late} deadline would be missed by"
                    f" {(end - waiting.deadline_ps) / 1e6:,.1f} us at worst; send it later or give"
                    " it more time",
                    "late",
                )
        return place


class _Clock:
    """Jobs in order, loads in the order of need."""

    def __init__(self, device: Device, load_ps: Mapping[Load, int], ahead: bool) -> None:
        self._end, self._port = device.end_ps, device.port_ps
        self._contents, self._free = dict(device.contents), dict(device.free_ps)
        self._load_ps, self._ahead = load_ps, ahead

    def run(self, works: Iterable[tuple[tuple[Load, ...], int]]) -> int:
        """Return when the last of some jobs ends."""
        contents, free = self._contents, self._free
        for modules, duration_ps in works:
            start = self._end
            for load in modules:
                partition, module = load
                if contents.get(partition) != module:
                    begin = max(self._port, free.get(partition, 0))
                    if not self._ahead:
                        begin = max(begin, start)
                    self._port = free[partition] = begin + self._load_ps[load]
                    contents[partition] = module
                start = max(start, free.get(partition, 0))
            self._end = start + duration_ps
            for partition, _ in modules:
                free[partition] = self._end
        return self._end
