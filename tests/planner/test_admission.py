"""Admission against completions added up by hand, and its texts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fpga_rt.errors import AdmissionError
from fpga_rt.planner.admission import Admission, Device, Waiting, Work

A, B = 0xA, 0xB
FIRST = (Work(((0, A),), 10),)
SECOND = (Work(((1, B),), 20),)
CLASH = (Work(((0, B),), 5),)
LOADS = {(0, A): 100, (1, B): 50, (0, B): 100}
EMPTY = Device(0, 0, {}, {})
NETWORKS = (FIRST, SECOND, CLASH)


def _ends(device: Device, queue: list[int], ahead: bool = True) -> list[int]:
    admission = Admission(NETWORKS, LOADS, 9, ahead)
    return [_end(admission, device, (), queue[: i + 1]) for i in range(len(queue))]


def _end(admission: Admission, device: Device, rest: tuple[Work, ...], queue: list[int]) -> int:
    """Return the earliest deadline that the last request of a queue is promised."""
    *before, last = (Waiting(network, 0, i) for i, network in enumerate(queue))

    def refused(deadline_ps: int) -> bool:
        try:
            admission.place(device, rest, before, replace(last, deadline_ps=deadline_ps))
        except AdmissionError:
            return True
        return False

    return next(deadline for deadline in range(1000) if not refused(deadline))


def test_loads_ahead_hide_behind_jobs() -> None:
    assert _ends(EMPTY, [0, 1]) == [110, 170]  # loads until 100 and 150, then 20
    assert _ends(EMPTY, [0, 1], ahead=False) == [110, 180]


def test_a_partition_in_use_is_loaded_when_its_job_has_ended() -> None:
    assert _ends(EMPTY, [0, 2]) == [110, 110 + 100 + 5]


def test_a_load_in_flight_blocks_the_port() -> None:
    # B is being loaded into partition 1 until 40, and A is not there.
    device = Device(0, 40, {1: B}, {1: 40})
    assert _ends(device, [0, 1]) == [150, 170]


def test_a_load_in_flight_for_another_is_overwritten() -> None:
    device = Device(0, 40, {0: A}, {0: 40})
    assert _ends(device, [2]) == [40 + 100 + 5]


def test_what_is_left_of_the_running_request_comes_first() -> None:
    admission = Admission(NETWORKS, LOADS, 9)
    device = Device(30, 0, {0: A}, {0: 30})
    rest = (Work(((1, B),), 20),)
    assert _end(admission, device, rest, [0]) == 50 + 20 + 10


def test_the_place_is_by_deadline() -> None:
    admission = Admission(NETWORKS, LOADS, 9)
    queue = [Waiting(0, 1000, 0), Waiting(0, 3000, 1)]
    assert admission.place(EMPTY, (), queue, Waiting(1, 2000, 2)) == 1
    assert admission.place(EMPTY, (), queue, Waiting(1, 3000, 2)) == 2


def test_a_deadline_of_its_own_that_cannot_hold_is_refused() -> None:
    admission = Admission(NETWORKS, LOADS, 9)
    assert admission.place(EMPTY, (), (), Waiting(0, 110, 7)) == 0
    with pytest.raises(AdmissionError, match=r"request 7 is refused: its deadline would be") as got:
        admission.place(EMPTY, (), (), Waiting(0, 109, 7))
    assert got.value.reason == "late"


def test_a_promise_to_another_is_kept() -> None:
    admission = Admission(NETWORKS, LOADS, 9)
    queue = [Waiting(0, 115, 3)]
    with pytest.raises(AdmissionError, match="request 4 is refused: request 3's deadline"):
        admission.place(EMPTY, (), queue, Waiting(2, 112, 4))


def test_a_full_queue_is_said() -> None:
    admission = Admission(NETWORKS, LOADS, 1)
    with pytest.raises(AdmissionError, match="1 requests wait, the queue takes 1") as got:
        admission.place(EMPTY, (), [Waiting(0, 9, 0)], Waiting(0, 10**9, 1))
    assert got.value.reason == "full"


def test_a_queue_for_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="a queue of 0 requests"):
        Admission(NETWORKS, LOADS, 0)
