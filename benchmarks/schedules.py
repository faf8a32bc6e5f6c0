"""How far schedules are from the best: random rows of jobs, planned and held to CP-SAT.

    python -m benchmarks --only schedules
    python -m benchmarks.schedules ROW ...

The second form shows some rows one by one: what every policy comes to, and the optimum.
`FPGA_RT_SCHEDULES` is the number of rows (500), `FPGA_RT_SCHEDULE_FIRST` the first of them (0),
`FPGA_RT_SCHEDULE_SECONDS` what the solver gets for each (10, of processor time), in one thread of
`FPGA_RT_SCHEDULE_PROCESSES` processes (1). Gaps are counted, not timed; planning is timed in
processor time, the shortest of several runs of each row.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from benchmarks.measurement import Measurement
from fpga_rt.planner.bounds import lower_bound_ps
from fpga_rt.planner.look_ahead import look_ahead
from fpga_rt.planner.plan import carry_out
from fpga_rt.planner.policies import ByRule
from fpga_rt.study.instances import LOADS, RATIOS, Kind, at_home, random_kind, random_row
from fpga_rt.study.optimum import optimum

FIRST = int(os.environ.get("FPGA_RT_SCHEDULE_FIRST", "0"))
ROWS = int(os.environ.get("FPGA_RT_SCHEDULES", "500"))
SECONDS = float(os.environ.get("FPGA_RT_SCHEDULE_SECONDS", "10"))
PROCESSES = int(os.environ.get("FPGA_RT_SCHEDULE_PROCESSES", "1"))
STEPS, TIMED, RUNS = 100, 20, 7
FURTHEST = 3
"""Rows that are named, for the second form."""


@dataclass(frozen=True)
class Result:
    """One row: times of the policies, the best known, the bound, whether nothing is better."""

    number: int
    kind: Kind
    totals: dict[str, int]
    best: int
    bound: int
    proven: bool

    def above(self, policy: str) -> float:
        """Return percent above the optimum, or above the bound where there is no proof."""
        return (self.totals[policy] / (self.best if self.proven else self.bound) - 1) * 100


def run() -> list[Measurement]:
    """Return gaps of every policy, and how long planning takes."""
    rows = range(FIRST, FIRST + ROWS)
    if PROCESSES > 1:
        with ProcessPoolExecutor(PROCESSES) as pool:
            results = list(pool.map(solve, rows))
    else:
        results = list(map(solve, rows))
    return [*_gaps(results), *_by_kind(results), *_times()]


def solve(number: int) -> Result:
    """Return what the policies and the solver make of a row."""
    row = random_row(number)
    fixed = at_home(row)
    totals = {
        "none": carry_out(fixed, ByRule(fixed.jobs)).total_ps,
        "lru": carry_out(row, ByRule(row.jobs, oldest=True)).total_ps,
        "belady": carry_out(row, ByRule(row.jobs)).total_ps,
        "aggressive": carry_out(row, ByRule(row.jobs, ahead=True)).total_ps,
        "look-ahead": look_ahead(row).total_ps,
    }
    best = optimum(row, SECONDS)
    totals["exact"] = best.outcome.total_ps
    return Result(
        number, random_kind(number), totals, best.outcome.total_ps, best.bound_ps, best.proven
    )


def _gaps(results: Sequence[Result]) -> Iterator[Measurement]:
    proven = [r for r in results if r.proven]
    share = 100 * len(proven) / len(results)
    note = f"{len(results)} rows of up to 30 jobs, {SECONDS:g} s each on one thread"
    yield Measurement("schedules proven optimal", share, "%", "none", 90, False, note)
    for policy in results[0].totals if proven else ():
        if policy == "exact":  # it is what the others are held to
            continue
        gaps = [r.above(policy) for r in proven]
        goals = (1, 3) if policy == "look-ahead" else (None, None)
        yield Measurement(
            f"{policy} above the optimum, mean", sum(gaps) / len(gaps), "%", "none", goals[0]
        )
        note = _furthest(proven, policy)
        yield Measurement(
            f"{policy} above the optimum, most", max(gaps), "%", "none", goals[1], note=note
        )
    rest = [r for r in results if not r.proven]
    for policy in ("look-ahead", "exact") if rest else ():
        gaps = [r.above(policy) for r in rest]
        note = f"{len(rest)} rows without a proof, {_furthest(rest, policy)}"
        mean = sum(gaps) / len(gaps)
        yield Measurement(f"{policy} above the bound, mean", mean, "%", "none", note=note)
        yield Measurement(f"{policy} above the bound, most", max(gaps), "%", "none")
    closed = [100 * (r.best / lower_bound_ps(random_row(r.number)) - 1) for r in results]
    mean = sum(closed) / len(closed)
    note = f"most {max(closed):.2f} %"
    yield Measurement("best known above the closed bound", mean, "%", "none", note=note)


def _furthest(results: Sequence[Result], policy: str) -> str:
    """Return the numbers of the rows in which a policy does worst."""
    worst = sorted(results, key=lambda result: -result.above(policy))[:FURTHEST]
    found = [f"{r.number} ({r.above(policy):.2f})" for r in worst if r.above(policy) > 0]
    return f"rows {', '.join(found)}" if found else ""


def _by_kind(results: Sequence[Result]) -> Iterator[Measurement]:
    """Yield where look-ahead is furthest from the optimum."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(f"loads {result.kind.loads}", []).append(result)
        groups.setdefault(f"r:p {result.kind.ratio:g}", []).append(result)
    names = [*(f"loads {loads}" for loads in LOADS), *(f"r:p {ratio:g}" for ratio in RATIOS)]
    for name in names:
        gaps = [r.above("look-ahead") for r in groups.get(name, ()) if r.proven]
        if gaps:
            note = f"most {max(gaps):.2f} %, {len(gaps)} of {len(groups[name])} proven"
            mean = sum(gaps) / len(gaps)
            yield Measurement(f"look-ahead, {name}, mean", mean, "%", "none", note=note)


def _times() -> Iterator[Measurement]:
    times = []
    for number in range(TIMED):
        kind = random_kind(number)
        row = random_row(number, Kind(STEPS, kind.partitions, kind.modules, kind.ratio, kind.loads))
        runs = []
        for _ in range(RUNS):
            start = time.process_time()
            look_ahead(row)
            runs.append(time.process_time() - start)
        times.append(min(runs))
    slowest, median = max(times) * 1e3, sorted(times)[TIMED // 2] * 1e3
    note = f"median {median:.1f} ms of {TIMED} rows, processor time"
    yield Measurement(f"{STEPS} steps planned, slowest", slowest, "ms", "wall", 10, note=note)


def main() -> None:
    """Print what the policies make of some rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedules")
    parser.add_argument("rows", type=int, nargs="+", metavar="ROW", help="numbers, from 0 on")
    for result in map(solve, parser.parse_args().rows):
        kind, proof = result.kind, "proven" if result.proven else f"bound {result.bound}"
        print(
            f"row {result.number}: {kind.jobs} jobs, {kind.partitions} partitions, {kind.modules}"
            f" modules, r:p {kind.ratio:g}, loads {kind.loads}; {proof}"
        )
        for policy, total in result.totals.items():
            print(f"  {policy:<12}{total:>8} ticks {result.above(policy):>8.2f} % above")


if __name__ == "__main__":
    main()
