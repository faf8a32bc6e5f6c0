"""A million admitted requests with deadlines: none late, none lost, overload refused."""

from __future__ import annotations

import os
import time

import numpy as np

from benchmarks.measurement import Measurement
from fpga_rt.planner.admission import Work
from fpga_rt.study.online import Ends, poisson, simulate

ADMITTED = int(os.environ.get("FPGA_RT_ONLINE", "1000000"))
US = 10**6
A, B, C = 0xA, 0xB, 0xC
NETWORKS = (
    (Work(((0, A), (1, B)), 400 * US),),
    (Work(((0, C),), 150 * US), Work(((2, B),), 90 * US)),
    (Work(((2, A),), 60 * US),),
)
"""Three networks that share partitions; jobs and loads of about a PYNQ-Z2's."""
LOADS = {(0, A): 3500, (1, B): 3500, (0, C): 3500, (2, B): 2000, (2, A): 2000}
DEADLINES_MS = (40, 60, 30)
RATE_HZ, OVERLOAD_HZ = 600, 5000
CAPACITY = 32


def run() -> list[Measurement]:
    """Return what became of requests at a bearable rate, and of others at far too high a rate."""
    start = time.process_time()
    ends = _simulated(RATE_HZ, int(ADMITTED * 1.25))
    seconds = time.process_time() - start
    over = _simulated(OVERLOAD_HZ, ADMITTED // 10)
    late = ends.ended["late"] + over.ended["late"]
    lost = ends.lost + over.lost + ends.twice + over.twice
    refused = sum(over.refused.values())
    note = f"of {ends.accepted + over.accepted:,} admitted"
    longest = max(ends.longest_queue, over.longest_queue)
    share = 100 * refused / (refused + over.accepted)
    return [
        Measurement("requests admitted", ends.accepted, "requests", "none", ADMITTED, False,
                    f"{sum(ends.refused.values()):,} refused"),
        Measurement("deadlines missed", late, "requests", "none", 0, note=note),
        Measurement("requests lost or ended twice", lost, "requests", "none", 0, note=note),
        Measurement("longest queue", longest, "requests", "none", CAPACITY),
        Measurement("refused in overload", share, "%", "none", note=f"{OVERLOAD_HZ} a second"),
        Measurement("simulating them", seconds, "s", "wall", 120, note="processor time"),
    ]  # fmt: skip


def _simulated(rate_hz: float, count: int) -> Ends:
    loads = {load: microseconds * US for load, microseconds in LOADS.items()}
    deadlines = [milliseconds * 1000 * US for milliseconds in DEADLINES_MS]
    shares = np.random.default_rng(1).uniform(0.5, 1, 4096).tolist()
    arrivals = poisson([rate_hz / 3] * 3, deadlines, count, 1)

    def taken(number: int, most_ps: int) -> int:
        return int(most_ps * shares[number % 4096])

    def load_taken(number: int, most_ps: int) -> int:
        return int(most_ps * shares[-1 - number % 4096])

    return simulate(arrivals, NETWORKS, loads, CAPACITY, taken, load_taken=load_taken)
