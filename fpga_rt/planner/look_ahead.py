"""Plan a row of jobs with its times: aggressive prefetching that weighs what to give up.

Loads go through the port in the order in which jobs need them (for equal loads no other order is
better: Cao et al., SIGMETRICS 1995), each as early as port and partition allow. What is left to
decide is which partition gives up its module. `aggressive` decides once and for all; here a beam of
partial plans is kept, job by job, ranked by what they can still come to. Where loads differ, two
more things may help, and plans that do them are kept too: while a load waits for its partition,
others of the next jobs go first, into partitions that are free before; and where some modules may
run in some partitions only, a module is loaded a second time to make room for them.
The width of the beam depends on nothing but the row, so the same row always has the same plan.
"""

from __future__ import annotations

from fpga_rt.planner.beam import Beam
from fpga_rt.planner.bounds import quick_bound_ps
from fpga_rt.planner.plan import Outcome, Planned, Row, carry_out
from fpga_rt.planner.policies import ByRule
from fpga_rt.planner.row_index import RowIndex

WORK = 480
"""Partial plans that are kept, over all jobs: long rows get a narrower beam."""
MOST, LEAST = 30, 4
"""Width of the beam."""


def look_ahead(row: Row, width: int | None = None) -> Outcome:
    """Return the best schedule found, with its plan.

    Args:
        row: jobs and times.
        width: partial plans that are kept; by default what gives every row about the same work.

    Raises:
        PlanningError: a job needs more modules at once than there are partitions for.
    """
    best = carry_out(row, ByRule(row.jobs, ahead=True))
    if not row.jobs or best.total_ps == quick_bound_ps(row):
        return best
    width = width or max(LEAST, min(MOST, WORK // len(row.jobs)))
    found = carry_out(row, Planned(Beam(RowIndex(row), width).plan()))
    return min(best, found, key=lambda outcome: outcome.total_ps)
