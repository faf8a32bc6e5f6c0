"""Runs the scenarios on mutants and tells which were noticed, and which of them judged wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sim.mutations.netlist import Mutation, library, mutants
from sim.mutations.properties import first_violation
from sim.mutations.rig import outcome
from sim.mutations.scenarios import SCENARIOS

MEANING = "a scenario's time-stamped log differs from the intact design's"
"""What "killed" is: something was noticed, which is not to say that it was judged wrong."""
JUDGED = "a property is violated that knows no intact design"
"""What "judged wrong" is: the mutant does what a swap must never do, whatever others do."""


@dataclass(frozen=True)
class Verdict:
    """Which scenario killed a mutant, and which property it violates; None where none does."""

    mutation: Mutation
    killed_by: str | None
    violated: str | None = None


@dataclass(frozen=True)
class Score:
    """What became of some mutants."""

    seed: int
    verdicts: tuple[Verdict, ...]

    @property
    def killed(self) -> int:
        """How many mutants were noticed: see `MEANING`."""
        return sum(verdict.killed_by is not None for verdict in self.verdicts)

    @property
    def share(self) -> float:
        """Which share of the mutants was noticed."""
        return self.killed / len(self.verdicts) if self.verdicts else 0.0

    @property
    def judged(self) -> int:
        """How many mutants were judged wrong: see `JUDGED`."""
        return sum(verdict.violated is not None for verdict in self.verdicts)

    @property
    def judged_share(self) -> float:
        """Which share of the mutants was judged wrong."""
        return self.judged / len(self.verdicts) if self.verdicts else 0.0

    @property
    def survivors(self) -> tuple[Mutation, ...]:
        """The mutants that nothing noticed."""
        return tuple(v.mutation for v in self.verdicts if v.killed_by is None)

    def table(self) -> str:
        """Return killed and survived for each module, and the survivors."""
        parts = Counter(v.mutation.part for v in self.verdicts)
        left = Counter(mutation.part for mutation in self.survivors)
        rows = [("module", "mutants", "killed", "survived")]
        rows += [(p, str(n), str(n - left[p]), str(left[p])) for p, n in sorted(parts.items())]
        total = len(self.verdicts)
        rows.append(("all", str(total), str(self.killed), str(total - self.killed)))
        lines = [f"{a:30}{b:>9}{c:>9}{d:>9}" for a, b, c, d in rows]
        lines.append(f"killed: {100 * self.share:.1f} % (seed {self.seed}); {MEANING}")
        lines.append(f"judged wrong: {100 * self.judged_share:.1f} %; {JUDGED}")
        by = Counter(v.killed_by for v in self.verdicts if v.killed_by)
        lines += [f"  first noticed by {name}: {count}" for name, count in by.most_common()]
        lines += [f"survived: {m.number} {m}" for m in self.survivors]
        return "\n".join(lines)

    def document(self) -> dict[str, object]:
        """Return everything for a file of JSON."""
        found = [
            {**asdict(v.mutation), "killed_by": v.killed_by, "violated": v.violated}
            for v in self.verdicts
        ]
        return {
            "seed": self.seed,
            "killed": self.killed,
            "share": self.share,
            "judged": self.judged,
            "judged_share": self.judged_share,
            "mutants": found,
        }


class Suite:
    """The scenarios, with what they show on the gateware as it is."""

    def __init__(self, where: Path) -> None:
        """Run them on the unmutated design of a library."""
        self._expected = {name: outcome(where, 0, scenario) for name, scenario in _named()}

    def kills(self, where: Path, mutant: int) -> str | None:
        """Return the first scenario that a mutant of a library ends in another way."""
        for name, scenario in _named():
            if outcome(where, mutant, scenario) != self._expected[name]:
                return name
        return None


def score(
    count: int, seed: int, progress: Callable[[Verdict], object] = lambda verdict: None
) -> Score:
    """Draw mutants, build them, and run scenarios and properties on each.

    Args:
        count: how many.
        seed: of the lot.
        progress: is told each verdict.

    Raises:
        ToolchainError: a tool is missing or fails.
    """
    chosen = mutants(count, seed)
    where = library(chosen)
    verdicts = []
    for verdict in _verdicts(where, chosen):
        progress(verdict)
        verdicts.append(verdict)
    return Score(seed, tuple(verdicts))


def _verdicts(where: Path, chosen: Sequence[Mutation]) -> Iterator[Verdict]:
    suite = Suite(where)
    for mutation in chosen:
        number = mutation.number
        yield Verdict(mutation, suite.kills(where, number), first_violation(where, number))


def _named() -> list[tuple[str, Callable[..., None]]]:
    return [(scenario.__name__, scenario) for scenario in SCENARIOS]
