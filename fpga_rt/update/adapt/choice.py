"""`auto`: the smallest package that samples held back say is enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpga_rt.errors import UpdateError
from fpga_rt.update.adapt.adaptation import Adaptation, Trial
from fpga_rt.update.adapt.policies import ESCALATION, Policy

WORTH = 0.5
"""Standard errors by which a larger package must be better to be worth its bytes."""

Watch = Callable[[Policy], None]


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen, among what, and why.

    Attributes:
        trial: the chosen one.
        trials: all that were made, the base as it is first.
        reason: a sentence for people.
        refusals: policies that were tried in vain, and why: most do not fit the budget.
    """

    trial: Trial
    trials: tuple[Trial, ...]
    reason: str
    refusals: tuple[tuple[Policy, UpdateError], ...] = ()


def choose(
    adaptation: Adaptation,
    budget_bytes: int | None = None,
    enough: float | None = None,
    watch: Watch = lambda policy: None,
) -> Choice:
    """Try policies from the smallest up, and return the smallest that is good enough.

    Without labels only the policy statistics can be tried, and nothing can be judged.

    Args:
        adaptation: of a network to samples.
        budget_bytes: what the signed package may take; None for any.
        enough: accuracy on the samples held back at which to stop; None tries every policy.
        watch: called with every policy that has been tried.

    Raises:
        ExecutionError: there are neither labels nor reference samples.
        UpdateError: no policy fits the budget.
    """
    if adaptation.held_back.labels is None:
        trial = adaptation.trial("statistics", budget_bytes)
        watch("statistics")
        return Choice(trial, (trial,), "without labels only the normalisation can be adapted")
    trials = [adaptation.untouched()]
    best = trials[0]
    refusals: list[tuple[Policy, UpdateError]] = []
    for policy in ESCALATION:
        if policy == "statistics" and adaptation.reference is None:
            continue
        if enough is not None and best.accuracy >= enough:
            break
        try:
            trial = adaptation.trial(policy, budget_bytes)
        except UpdateError as refusal:
            refusals.append((policy, refusal))
            continue
        finally:
            watch(policy)
        trials.append(trial)
        best = trial if _worth(trial, best) else best
    if len(trials) == 1 and refusals:
        raise refusals[-1][1]
    reason = f"{_reason(best, trials, enough)}; these samples chose, report on others"
    if adaptation.reference is None:
        reason += "; statistics was not tried, it needs reference samples (--reference)"
    return Choice(best, tuple(trials), reason, tuple(refusals))


def _worth(trial: Trial, best: Trial) -> bool:
    """Tell whether a larger package is better by more than chance, on the same samples."""
    gain = trial.judged.astype(float) - best.judged
    if trial.package_bytes < best.package_bytes:
        return bool(gain.mean() >= 0)
    return bool(gain.mean() > WORTH * gain.std() / np.sqrt(len(gain)))


def _reason(best: Trial, trials: list[Trial], enough: float | None) -> str:
    named = "leaving it as it is" if best.policy is None else best.policy
    if enough is not None and best.accuracy >= enough:
        return (
            f"{named} reaches {best.accuracy:.1%} on the samples held back, {enough:.1%} was asked"
            " for"
        )
    top = max(trials, key=lambda trial: trial.accuracy)
    if top.accuracy <= best.accuracy:
        return f"{named} is the best of {len(trials)} on the samples held back, {best.accuracy:.1%}"
    return (
        f"{named} gives {best.accuracy:.1%} on the samples held back; {top.policy} gives"
        f" {top.accuracy:.1%}, which may be chance"
    )


def judged(adaptation: Adaptation, policy: Policy, budget_bytes: int | None = None) -> Choice:
    """Return what one policy leads to, beside the base as it is.

    Raises:
        ExecutionError: it needs labels, or reference samples, which are not there.
        UpdateError: it does not fit the budget, or changes nothing.
    """
    trial = adaptation.trial(policy, budget_bytes)
    return Choice(trial, (adaptation.untouched(), trial), "it was asked for")
