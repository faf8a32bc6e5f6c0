"""How far schedules are from the best: random rows of jobs, planned and held to CP-SAT.

`FPGA_RT_SCHEDULES` is the number of rows (500), `FPGA_RT_SCHEDULE_SECONDS` what the solver gets
for each (10, of processor time), in one thread. Gaps are counted, not timed; planning time is
measured on one core, the best of five runs of each row.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from benchmarks.measurement import Measurement
from fpga_rt.planner.bounds import lower_bound_ps
from fpga_rt.planner.look_ahead import look_ahead
from fpga_rt.planner.plan import carry_out
from fpga_rt.planner.policies import ByRule
from fpga_rt.study.instances import LOADS, RATIOS, Kind, random_kind, random_row
from fpga_rt.study.optimum import optimum

ROWS = int(os.environ.get("FPGA_RT_SCHEDULES", "500"))
SECONDS = float(os.environ.get("FPGA_RT_SCHEDULE_SECONDS", "10"))
PROCESSES = int(os.environ.get("FPGA_RT_SCHEDULE_PROCESSES", "1"))
STEPS, TIMED, RUNS = 100, 20, 5


@dataclass(frozen=True)
class _Result:
    """One row: times of the policies, the best known, and the bound."""

    kind: Kind
    totals: dict[str, int]
    best: int
    bound: int

    @property
    def proven(self) -> bool:
        return self.best <= self.bound

    def above(self, policy: str) -> float:
        """Percent above the optimum, or above the bound where there is no proof."""
        return (self.totals[policy] / (self.best if self.proven else self.bound) - 1) * 100


def run() -> list[Measurement]:
    """Return gaps of every policy, and how long planning takes."""
    if PROCESSES > 1:
        with ProcessPoolExecutor(PROCESSES) as pool:
            results = list(pool.map(_solve, range(ROWS)))
    else:
        results = list(map(_solve, range(ROWS)))
    return [*_gaps(results), *_by_kind(results), *_times()]


def _solve(number: int) -> _Result:
    row = random_row(number)
    totals = {
        "lru": carry_out(row, ByRule(row.jobs, oldest=True)).total_ps,
        "belady": carry_out(row, ByRule(row.jobs)).total_ps,
        "aggressive": carry_out(row, ByRule(row.jobs, ahead=True)).total_ps,
        "look-ahead": look_ahead(row).total_ps,
    }
    best = optimum(row, SECONDS)
    return _Result(random_kind(number), totals, best.outcome.total_ps, best.bound_ps)


def _gaps(results: Sequence[_Result]) -> list[Measurement]:
    proven = [r for r in results if r.proven]
    share = 100 * len(proven) / len(results)
    note = f"{len(results)} rows of up to 30 jobs, {SECONDS:g} s each on one thread"
    found = [Measurement("schedules proven optimal", share, "%", "none", 90, False, note)]
    for policy in results[0].totals:
        gaps = [r.above(policy) for r in proven]
        goals = (1, 3) if policy == "look-ahead" else (None, None)
        mean, most = sum(gaps) / len(gaps), max(gaps)
        found += [
            Measurement(f"{policy} above the optimum, mean", mean, "%", "none", goals[0]),
            Measurement(f"{policy} above the optimum, most", most, "%", "none", goals[1]),
        ]
    rest = [r.above("look-ahead") for r in results if not r.proven]
    if rest:
        note = f"{len(rest)} rows without a proof, most {max(rest):.2f} %"
        mean = sum(rest) / len(rest)
        found.append(Measurement("look-ahead above the bound, mean", mean, "%", "none", note=note))
    closed = [100 * (r.best / lower_bound_ps(random_row(i)) - 1) for i, r in enumerate(results)]
    mean = sum(closed) / len(closed)
    note = f"most {max(closed):.2f} %"
    return [*found, Measurement("best known above the closed bound", mean, "%", "none", note=note)]


def _by_kind(results: Sequence[_Result]) -> list[Measurement]:
    """Return where look-ahead is furthest from the optimum."""
    groups: dict[str, list[_Result]] = {}
    for result in results:
        groups.setdefault(f"loads {result.kind.loads}", []).append(result)
        groups.setdefault(f"r:p {result.kind.ratio:g}", []).append(result)
    names = [*(f"loads {loads}" for loads in LOADS), *(f"r:p {ratio:g}" for ratio in RATIOS)]
    found = []
    for name in names:
        gaps = [r.above("look-ahead") for r in groups.get(name, ()) if r.proven]
        if gaps:
            note = f"most {max(gaps):.2f} %, {len(gaps)} of {len(groups[name])} proven"
            mean = sum(gaps) / len(gaps)
            found.append(Measurement(f"look-ahead, {name}, mean", mean, "%", "none", note=note))
    return found


def _times() -> list[Measurement]:
    times = []
    for number in range(TIMED):
        kind = random_kind(number)
        row = random_row(number, Kind(STEPS, kind.partitions, kind.modules, kind.ratio, kind.loads))
        runs = []
        for _ in range(RUNS):
            start = time.perf_counter()
            look_ahead(row)
            runs.append(time.perf_counter() - start)
        times.append(min(runs))
    slowest, median = max(times) * 1e3, sorted(times)[TIMED // 2] * 1e3
    note = f"median {median:.1f} ms of {TIMED} rows"
    return [Measurement(f"{STEPS} steps planned, slowest", slowest, "ms", "wall", 10, note=note)]
