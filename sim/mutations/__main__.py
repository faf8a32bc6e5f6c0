"""Run the scenarios of a swap on mutants of the gateware, and print which were noticed.

Noticed, or killed: the time-stamped log of a scenario differs from the intact design's. Judged
wrong: the mutant violates a property that knows no intact design.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from fpga_rt.errors import FpgaRtError
from sim.mutations.score import Verdict, score

COUNT, SEED, GOAL = 240, 1, 0.95


def main() -> int:
    """Print the score; 1 when fewer than 95 % were noticed, 2 when it cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m sim.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="mutants (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the lot (%(default)s)")
    parser.add_argument("--output", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        found = score(arguments.count, arguments.seed, _tell)
    except FpgaRtError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{found.table()}\n")
    if arguments.output:
        arguments.output.write_text(json.dumps(found.document(), indent=2) + "\n")
    return int(found.share < GOAL)


def _tell(verdict: Verdict) -> None:
    ended = f"noticed by {verdict.killed_by}" if verdict.killed_by else "survived"
    sys.stderr.write(f"{verdict.mutation.number} {verdict.mutation}: {ended}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
