"""Streams with updates: against live ones on the emulator, and against times added up by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.emulator import Emulator
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.one_by_one import OneByOne, Taken
from fpga_rt.planner.timelines import Timelines
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.study import drift_target, updates
from fpga_rt.study.drift import Stream, simulate
from fpga_rt.study.updates import Updates
from fpga_rt.update import vectors
from fpga_rt.update.live import Live
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.store import Store
from tests.update.disk import Disk
from tests.update.networks import drifted, small, swapping
from tests.update.signing import Secret

pytestmark = pytest.mark.usefixtures("signatures")
PYNQ = board("pynq-z2")
CODES = np.random.default_rng(3).integers(-128, 128, (3, 4, 4, 8)).astype(np.int8)


@dataclass
class Emulated:
    """What the emulator's clock says of a stream, in picoseconds from its start."""

    latencies: list[int]
    answered: list[int]
    self_tests: list[int]
    versions: list[int]


def _emulated(
    first: Deployment, targets: Sequence[Deployment], requests: int, wanted: Updates
) -> Emulated:
    """Send packages to a live network, and run test vectors between its inferences."""
    base, packages = first, []
    for number, target in enumerate(targets, 2):
        packages.append(make_package(base, target, number, Secret()))
        base = target
    store = Store.install(Disk(), first, [Secret().public_key])
    found = Emulated([], [], [], [])
    with Emulator("pynq-z2", memory_bytes=16 << 20) as device, Runtime(device) as runtime:
        live, start = Live(runtime, store), device.now_ps()
        coming, tried, due, arrived, placed = None, 0, wanted.every, 0, False
        for number in range(requests):
            asked = device.now_ps()
            if coming is None and packages and number >= due:
                coming, tried = live.begin(packages.pop(0)), 0
                arrived, due = asked + wanted.link_ps(wanted.size_bytes), due + wanted.every
            elif coming is not None and asked >= arrived:
                whole = wanted.way == "program"
                steps = 1 if whole else min(wanted.between, wanted.vectors - tried)
                for _ in range(steps):
                    before = device.now_ps()
                    while device.now_ps() == before:
                        assert coming.step()
                    tried += 1
                if whole or tried == wanted.vectors:
                    found.self_tests.append(coming.finish().self_test_ps)
                    coming, placed = None, True
                    if packages and number >= due:  # the link is free again
                        coming, tried = live.begin(packages.pop(0)), 0
                        arrived = device.now_ps() + wanted.link_ps(wanted.size_bytes)
                        due += wanted.every
            found.versions.append(live.run(CODES).version)
            found.latencies.append(device.now_ps() - asked)
            if placed:
                found.answered.append(device.now_ps() - start)
                placed = False
    return found


def _predicted(
    deployments: Sequence[Deployment], requests: int, wanted: Updates
) -> tuple[Stream, OneByOne]:
    device = OneByOne(PYNQ, "aggressive", Timelines(PYNQ))
    target = drift_target.Swapped(device, deployments, 0)
    sizes = [0] * len(deployments)
    return simulate(requests, len(CODES), wanted, sizes, target), device


def _versions(base: Deployment, count: int) -> list[Deployment]:
    """Return deployments that follow each other, with other parameters each."""
    found = [base]
    for seed in range(1, count + 1):
        changed = drifted(found[-1].network, seed, weights=seed == 1)
        found.append(make_target(found[-1], changed).deployment)
    return found[1:]


@pytest.mark.parametrize("between", [1, 3, 4])
@pytest.mark.parametrize(
    ("network", "partitions", "link_kbit_s"), [(small(), 2, 4e5), (swapping(), 1, 400)]
)
def test_parameters_take_what_a_live_update_takes_on_the_emulator(
    network: Network, partitions: int, link_kbit_s: float, between: int
) -> None:
    """Modules stay in place, or every inference swaps them, and so does every test vector."""
    base = compile_network(network, PYNQ, partitions)
    wanted = Updates(link_kbit_s, every=2, size_bytes=900, between=between)
    got = _emulated(base, _versions(base, 8), 20, wanted)
    stream, device = _predicted([base], 20, wanted)
    assert stream.latencies_ps == got.latencies
    assert [update.answered_ps for update in stream.updates] == got.answered
    assert [update.test_ps for update in stream.updates] == got.self_tests
    assert len(got.answered) >= 2
    warm = device.settled_ps(base, len(CODES))
    assert warm == got.latencies[1]
    assert (warm > 10**9) == (partitions == 1)  # with swaps, milliseconds
    assert stream.delay_ps == max(got.latencies[1:]) - warm
    assert stream.total_ps == sum(got.latencies)


def test_an_update_with_another_program_goes_through_swaps_as_on_the_emulator() -> None:
    base = compile_network(small(), PYNQ, 1)
    target = make_target(base, swapping()).deployment
    assert target.module_ids.keys() - base.module_ids.keys()
    wanted = Updates(4e5, every=2, size_bytes=900, way="program", network="a", other="b")
    got = _emulated(base, [target], 10, wanted)
    stream, _ = _predicted([base, target], 10, wanted)
    first = stream.updates[0]
    count = got.versions.index(2) + 1
    assert 3 < count < 10
    assert stream.latencies_ps[:count] == got.latencies[:count]
    assert (first.answered_ps, first.test_ps) == (got.answered[0], got.self_tests[0])
    assert first.test_ps > 10**9  # with swaps
    assert first.answer_ps < got.latencies[count - 1]  # the vectors come before


class _Fixed:
    """Answers in 10 ps and tests in 3; version 1 takes twice as long."""

    region_ps = 7

    def run(self, version: int, images: int) -> Taken:
        return Taken(self.settled_ps(version, images))

    def settled_ps(self, version: int, images: int) -> int:
        return (10 if images == 8 else images * 3) << version


def _by_hand(wanted: Updates, requests: int = 20) -> Stream:
    return simulate(requests, 8, wanted, [1000, 2000], _Fixed())


LINK = 8e9 / 25  # a byte in 25 ps


def test_terms_and_delay_added_up_by_hand() -> None:
    """Sent at 20, there at 45, vectors at 50, 63, 76 and 89, so the first answer is at 102."""
    stream = _by_hand(Updates(link_kbit_s=LINK, every=2, size_bytes=1), 10)
    [update] = stream.updates
    assert (update.sent_ps, update.arrived_ps, update.placed_ps) == (20, 45, 92)
    assert (update.answered_ps, update.total_ps) == (102, 82)
    terms = (update.link_ps, update.wait_ps, update.test_ps, update.switch_ps, update.answer_ps)
    assert terms == (25, 5 + 3 * 10, 4 * 3, 0, 10)
    assert stream.delay_ps == 3
    assert stream.latencies_ps == [10] * 5 + [13] * 4 + [10]
    assert stream.busy_ps == 12
    assert stream.per_hour == pytest.approx(3600e12 / 72)


def test_vectors_at_once_are_sooner_and_delay_one_request_more() -> None:
    stream = _by_hand(Updates(link_kbit_s=LINK, every=2, size_bytes=1, between=9), 7)
    [update] = stream.updates
    assert (update.placed_ps, update.answered_ps, update.wait_ps) == (62, 72, 5)
    assert stream.delay_ps == 12


def test_a_region_is_reconfigured_before_the_next_inference() -> None:
    wanted = Updates(link_kbit_s=LINK, every=2, share=0.002, way="region", vectors=0)
    stream = _by_hand(wanted, 8)
    [update] = stream.updates  # 2 of 1000 bytes: sent at 20, there at 70
    assert (update.size_bytes, update.placed_ps, update.answered_ps) == (2, 77, 87)
    assert (update.wait_ps, update.test_ps, update.switch_ps) == (0, 0, 7)
    assert (stream.loads, stream.load_ps, stream.delay_ps) == (1, 7, 7)


def test_seconds_count_while_a_request_runs_and_one_update_is_sent_at_a_time() -> None:
    """Due at 12 and 24 ps: the second waits until the first is in place, at 40."""
    wanted = Updates(link_kbit_s=LINK, every_s=12e-12, size_bytes=1, vectors=0,
                     link_delay_ms=1e-9)  # fmt: skip
    first, second = _by_hand(wanted, 8).updates
    assert (first.sent_ps, first.arrived_ps, first.placed_ps) == (12, 38, 40)
    assert (second.sent_ps, second.arrived_ps) == (40, 66)


def test_programs_change_there_and_back() -> None:
    """Four vectors are a request of four images; each package is a share of what it brings."""
    wanted = Updates(link_kbit_s=LINK, every=2, share=0.001, way="program")
    there, back = _by_hand(wanted, 12).updates[:2]
    assert (there.size_bytes, back.size_bytes) == (2, 1)
    assert (there.placed_ps, there.test_ps, there.answer_ps) == (70 + 24, 24, 20)
    assert (back.test_ps, back.answer_ps) == (12, 10)


BYTE_IN_5 = 5 * LINK


def test_of_updates_that_differ_the_worst_counts() -> None:
    """What is longer on the link is sooner there.

    There: on the link for 5, 5 of a request, 24 for vectors, 20 for the answer. Back: 15, 5, 12
    and 10.
    """
    wanted = Updates(link_kbit_s=BYTE_IN_5, every=3, share=0.001, way="program")
    stream = simulate(9, 8, wanted, [3000, 1000], _Fixed())
    there, back = stream.updates
    assert [(u.sent_ps, u.arrived_ps, u.placed_ps, u.answered_ps) for u in stream.updates] == [
        (30, 35, 64, 84), (104, 119, 136, 146),
    ]  # fmt: skip
    assert (there.total_ps, back.total_ps) == (54, 42)
    assert stream.longest is there
    assert stream.delay_ps == 24  # the second delays by 12
    assert stream.busy_ps == 24 + 12
    assert stream.per_hour == pytest.approx(3600e12 / 34)
    assert stream.total_ps == 4 * 10 + 24 + 3 * 20 + 12 + 2 * 10


def test_an_update_that_is_overdue_is_sent_when_the_one_before_is_in_place() -> None:
    """Due after 4, 8 and 12 requests. The first is in place after 10, when the second is sent."""
    wanted = Updates(link_kbit_s=BYTE_IN_5, every=4, share=0.001, way="program", vectors=0)
    stream = simulate(19, 8, wanted, [1000, 11_000], _Fixed())
    assert [(u.sent_ps, u.placed_ps) for u in stream.updates] == [(40, 100), (100, 120), (130, 190)]
    assert stream.per_hour == pytest.approx(3600e12 / 60)
    assert stream.coming is not None
    assert stream.coming.sent_ps == 190


class _Swapping(_Fixed):
    """Every run, of a request or of test vectors, loads twice for 4 ps, and hides 3 of one."""

    def run(self, version: int, images: int) -> Taken:
        return Taken(self.settled_ps(version, images), 2, 8, 3)


def test_loads_of_requests_and_vectors_are_added_up() -> None:
    wanted = Updates(link_kbit_s=LINK, every=2, size_bytes=1, way="program")
    stream = simulate(7, 8, wanted, [1000, 2000], _Swapping())
    assert stream.runs == {(0, 8): 5, (1, 4): 1, (1, 8): 2}
    assert (stream.loads, stream.load_ps, stream.hidden_ps) == (16, 64, 24)


def test_every_run_is_counted_by_version_and_images() -> None:
    wanted = Updates(link_kbit_s=LINK, every=2, size_bytes=1, way="program")
    stream = _by_hand(wanted, 6)  # sent at 20, there at 45, placed at 74: two more requests
    assert stream.runs == {(0, 8): 5, (1, 4): 1, (1, 8): 1}


def test_bytes_and_their_time_on_the_link() -> None:
    share = Updates(link_kbit_s=100, every=1, share=0.27, link_delay_ms=20)
    assert share.bytes_of(57_344) == 15_483
    assert share.link_ps(15_483) == 1_238_640_000_000 + 20_000_000_000  # 123,864 bits
    assert share.bytes_of(1) == 1
    assert Updates(link_kbit_s=1e300, every=1, size_bytes=7).link_ps(7) == 1
    assert Updates(link_kbit_s=1, every=1, size_bytes=7).bytes_of(57_344) == 7


def test_vectors_are_as_many_as_an_update_has() -> None:
    assert updates.TEST_VECTORS == vectors.GENERATED
