"""How much of what the exact planner's schedule hides the policies hide, all else being equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fpga_rt.study.axes import AXES

EXACT = "exact"


@dataclass(frozen=True)
class Against:
    """A policy beside the exact planner, over the points that both have.

    Attributes:
        policy: the policy.
        hidden: share of the load time that the exact schedule hides, by point.
        longer: time of the whole workload by that of the exact schedule, by point.
        proven: whether the exact schedule is proven the best, by point.
    """

    policy: str
    hidden: Mapping[str, float]
    longer: Mapping[str, float]
    proven: Mapping[str, bool]

    @property
    def proof(self) -> str:
        """Return how often the exact schedule is proven: else it may be no better."""
        return f"exact proven in {sum(self.proven.values())} of {len(self.proven)}"

    @property
    def text(self) -> str:
        """Return the comparison as a sentence."""
        where, least = min(self.hidden.items(), key=lambda item: item[1])
        slower, most = max(self.longer.items(), key=lambda item: item[1])
        return (
            f"{self.policy} hides at least {100 * least:.1f} % of what exact hides ({where}) and"
            f" takes at most {100 * (most - 1):.2f} % longer ({slower}); {self.proof}."
        )


def against_exact(rows: Sequence[Mapping[str, str]]) -> list[Against]:
    """Return every policy beside the exact planner, where results without errors have both.

    Args:
        rows: results of a study; points whose exact schedule hides nothing are left out.
    """
    exact = {others(row): row for row in rows if row["policy"] == EXACT and row["hidden_ms"]}
    hidden: dict[str, dict[str, float]] = {}
    longer: dict[str, dict[str, float]] = {}
    proven: dict[str, dict[str, bool]] = {}
    for row in rows:
        best = exact.get(others(row))
        if row["policy"] == EXACT or best is None or not float(best["hidden_ms"]):
            continue
        policy, point = row["policy"], row["point"]
        share = float(row["hidden_ms"]) / float(best["hidden_ms"])
        hidden.setdefault(policy, {})[point] = share
        longer.setdefault(policy, {})[point] = float(row["total_ms"]) / float(best["total_ms"])
        proven.setdefault(policy, {})[point] = best["proven"] == "yes"
    return [Against(policy, hidden[policy], longer[policy], proven[policy]) for policy in hidden]


def others(row: Mapping[str, str]) -> tuple[str, ...]:
    """Return a result's settings but its policy."""
    return tuple(row[axis] for axis in AXES if axis != "policy")
