"""An event simulation of a device under requests with deadlines.

Requests arrive, pass the admission test or are refused, wait by deadline and run. Jobs and loads
may take less than the most they were admitted with, never more unless overruns are asked for. Every
accepted request ends exactly once: in time, late, or failed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fpga_rt.errors import AdmissionError
from fpga_rt.planner.admission import Admission, Device, Waiting, Work
from fpga_rt.planner.schedule import Load

_NEVER = 1 << 127
"""Later than anything: the least rate and the most requests of a study end after 2^84 ps."""


@dataclass(frozen=True)
class Arrival:
    """A request: when it comes, for which network, and when it must have ended."""

    at_ps: int
    network: int
    deadline_ps: int


@dataclass
class Ends:
    """What became of the requests.

    Attributes:
        accepted: by the admission test.
        refused: by reason.
        ended: `result`, `late` or `failed`, and how often.
        twice: requests that ended more than once.
        longest_queue: most requests that waited.
        latencies_ps: from arrival to end, of those that ended with a result.
        busy_ps: how long jobs ran.
        loads: through the port.
        last_ps: end of the last request.
    """

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    twice: int = 0
    longest_queue: int = 0
    latencies_ps: list[int] = field(default_factory=list)
    busy_ps: int = 0
    loads: int = 0
    last_ps: int = 0

    @property
    def lost(self) -> int:
        """Accepted requests that never ended."""
        return self.accepted - sum(self.ended.values())


def poisson(
    rates_hz: Sequence[float], relative_deadlines_ps: Sequence[int], count: int, seed: int
) -> Iterator[Arrival]:
    """Yield arrivals of several networks, each by a Poisson process of its own.

    Raises:
        ValueError: a rate is not positive.
    """
    if min(rates_hz) <= 0:
        raise ValueError(f"rates {list(rates_hz)} a second, expected all above 0")
    rng = np.random.default_rng(seed)
    total, now = sum(rates_hz), 0
    shares = np.array(rates_hz) / total
    while count > 0:
        size = min(count, 4096)
        gaps = rng.exponential(1e12 / total, size)
        networks = rng.choice(len(shares), size, p=shares)
        for gap, network in zip(gaps.tolist(), networks.tolist(), strict=True):
            now += round(gap)
            yield Arrival(now, network, now + relative_deadlines_ps[network])
        count -= size


def simulate(  # noqa: PLR0913 - requests, a device, and what in it is shortened
    arrivals: Iterable[Arrival],
    networks: Sequence[Sequence[Work]],
    load_ps: Mapping[Load, int],
    capacity: int,
    taken: Callable[[int, int], int] | None = None,
    ahead: bool = True,
    *,
    load_taken: Callable[[int, int], int] | None = None,
) -> Ends:
    """Run arrivals, in order of time, through admission and a device.

    Args:
        arrivals: requests; at equal times the earlier in the row comes first.
        networks: the launches of each network, with the most that they take.
        load_ps: the most that every load takes.
        capacity: requests that may wait.
        taken: what a job really takes, given its request and its most; -1 when it fails.
        ahead: modules are loaded while other jobs run; otherwise when a job needs them.
        load_taken: what a load really takes, given its number and its most.
    """
    really, loaded = taken or _most, load_taken or _most
    simulation = _Simulation(networks, load_ps, capacity, really, ahead, loaded)
    for number, arrival in enumerate(arrivals):
        simulation.advance(arrival.at_ps)
        simulation.arrive(number, arrival)
    simulation.advance(_NEVER)
    return simulation.ends


def _most(_: int, most_ps: int) -> int:
    return most_ps


class _Simulation:
    """A device with a queue in front of it."""

    def __init__(
        self,
        networks: Sequence[Sequence[Work]],
        load_ps: Mapping[Load, int],
        capacity: int,
        taken: Callable[[int, int], int],
        ahead: bool,
        load_taken: Callable[[int, int], int],
    ) -> None:
        self._networks = [tuple(network) for network in networks]
        self._load_ps, self._ahead = load_ps, ahead
        self._taken, self._load_taken = taken, load_taken
        self._admission = Admission(networks, load_ps, capacity, ahead)
        self._queue: list[Waiting] = []
        self._arrived: dict[int, int] = {}
        self._rest: deque[Work] = deque()
        self._running: Waiting | None = None
        self._job: Work | None = None
        self._job_end = self._job_most = 0
        self._failing = False
        self._contents: dict[int, int] = {}
        self._loading: Load | None = None
        self._load_end = self._load_most = 0
        self._now = 0
        self.ends = Ends()

    def arrive(self, number: int, arrival: Arrival) -> None:
        """Test a request and queue it, or refuse it."""
        request = Waiting(arrival.network, arrival.deadline_ps, number)
        try:
            place = self._admission.place(self._device(), self._rest, self._queue, request)
        except AdmissionError as error:
            self.ends.refused[error.reason] += 1
            return
        self.ends.accepted += 1
        self._arrived[number] = arrival.at_ps
        self._queue.insert(place, request)
        self.ends.longest_queue = max(self.ends.longest_queue, len(self._queue))
        self._begin()

    def advance(self, until_ps: int) -> None:
        """Let everything happen that happens up to a time."""
        while True:
            job_end = self._job_end if self._job is not None else _NEVER
            load_end = self._load_end if self._loading is not None else _NEVER
            now = min(job_end, load_end)
            if now >= _NEVER or now > until_ps:
                break
            self._now = now
            if load_end == now:
                self._loading = None
            if job_end == now:
                self._end_job()
            self._begin()
        self._now = min(max(self._now, until_ps), _NEVER - 1)

    def _device(self) -> Device:
        """Return the device as it is, job and load in flight taking as long as they may."""
        busy = self._job is not None
        end = max(self._job_most, self._now) if busy else self._now
        port = max(self._load_most, self._now) if self._loading else self._now
        free = dict.fromkeys(self._contents, self._now)
        if self._job is not None:
            free.update((partition, end) for partition, _ in self._job.modules)
        if self._loading is not None:
            free[self._loading[0]] = port
        return Device(end, port, self._contents, free)

    def _begin(self) -> None:
        """Begin the next job if its modules are there, and the next load if it may begin."""
        while True:
            if not self._rest and self._job is None and self._queue:
                self._running = self._queue.pop(0)
                self._rest.extend(self._networks[self._running.network])
            if self._job is None and self._rest and self._is_ready(self._rest[0]):
                self._begin_job()
            if self._loading is not None or not self._begin_load():
                return

    def _is_ready(self, work: Work) -> bool:
        loading = self._loading[0] if self._loading else None
        return all(
            self._contents.get(partition) == module and partition != loading
            for partition, module in work.modules
        )

    def _begin_job(self) -> None:
        self._job = work = self._rest.popleft()
        running = self._running
        taken = self._taken(running.number if running else -1, work.duration_ps)
        self._failing = taken < 0
        length = work.duration_ps if self._failing else taken
        self._job_end = self._now + length
        self._job_most = self._now + work.duration_ps
        self.ends.busy_ps += length

    def _begin_load(self) -> bool:
        """Begin the first load that is needed next, if nothing uses its partition before."""
        if self._job is not None and not self._ahead:
            return False
        used = {partition for partition, _ in self._job.modules} if self._job else set()
        for work in self._coming():
            for partition, module in work.modules:
                if self._contents.get(partition) != module:
                    if partition in used:
                        return False
                    self._contents[partition] = module
                    self._loading = (partition, module)
                    most_ps = self._load_ps[partition, module]
                    self._load_most = self._now + most_ps
                    self._load_end = self._now + self._load_taken(self.ends.loads, most_ps)
                    self.ends.loads += 1
                    return True
            used.update(partition for partition, _ in work.modules)
        return False

    def _coming(self) -> Iterator[Work]:
        yield from self._rest
        if not self._ahead:
            return
        for waiting in self._queue:
            yield from self._networks[waiting.network]

    def _end_job(self) -> None:
        self._job = None
        running = self._running
        if self._failing:
            self._rest.clear()
        if self._rest or running is None:
            return
        self._running = None
        arrived = self._arrived.pop(running.number, None)
        if arrived is None:
            self.ends.twice += 1
            return
        if self._failing:
            self.ends.ended["failed"] += 1
        elif self._now > running.deadline_ps:
            self.ends.ended["late"] += 1
        else:
            self.ends.ended["result"] += 1
            self.ends.latencies_ps.append(self._now - arrived)
        self.ends.last_ps = self._now
