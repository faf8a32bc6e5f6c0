"""`auto`: the smallest package that samples held back say is enough.

Under a budget, whose bytes may be spent, it is the package that is right most often on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fpga_rt.errors import UpdateError
from fpga_rt.update.adapt.adaptation import Adaptation, Trial
from fpga_rt.update.adapt.budget import full_bytes
from fpga_rt.update.adapt.policies import ESCALATION, Policy
from fpga_rt.update.adapt.samples import Samples

WORTH = 0.5
"""Standard errors by which a larger package must be better to be worth its bytes, where no budget
says that they may be spent."""

Watch = Callable[[Policy], None]


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen, among what, and why.

    Attributes:
        trial: the chosen one.
        trials: all that were made, the base as it is first.
        reason: a sentence for people.
        refusals: policies that were tried in vain, and why: most do not fit the budget.
        refitted: the chosen policy trained on all samples, so that none are left to judge it by;
            None where the chosen trial is sent.
    """

    trial: Trial
    trials: tuple[Trial, ...]
    reason: str
    refusals: tuple[tuple[Policy, UpdateError], ...] = ()
    refitted: Trial | None = None

    @property
    def sent(self) -> Trial:
        """Return what to send: what was trained again, which nobody has judged, or the choice."""
        return self.refitted or self.trial


def choose(
    adaptation: Adaptation,
    budget_bytes: int | None = None,
    enough: float | None = None,
    watch: Watch = lambda policy: None,
) -> Choice:
    """Try policies from the smallest up, and return what is good enough on the samples held back.

    Without a budget that is the smallest package that no larger one beats by more than `WORTH`
    standard errors. With one it is the package that is right most often, the smaller of equals.
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
    worth = WORTH if budget_bytes is None else 0.0
    refusals: list[tuple[Policy, UpdateError]] = []
    for policy in ESCALATION:
        if policy == "statistics" and adaptation.reference is None:
            continue
        if enough is not None and best.accuracy >= enough:
            break
        try:
            _check_room(policy, adaptation, budget_bytes)
            trial = adaptation.trial(policy, budget_bytes)
        except UpdateError as refusal:
            refusals.append((policy, refusal))
            continue
        finally:
            watch(policy)
        trials.append(trial)
        best = trial if _worth(trial, best, worth) else best
    if len(trials) == 1 and refusals:
        raise refusals[-1][1]
    reason = f"{_reason(best, trials, enough)}; these samples chose, report on others"
    if adaptation.reference is None:
        reason += "; statistics was not tried, it needs reference samples (--reference)"
    return Choice(best, tuple(trials), reason, tuple(refusals))


def _check_room(policy: Policy, adaptation: Adaptation, budget_bytes: int | None) -> None:
    """Refuse to train all weights where the budget holds changes of some: that is what sparse does.

    Raises:
        UpdateError: it would not fit.
    """
    expected = full_bytes(adaptation.base.network)
    if policy == "full" and budget_bytes is not None and expected > budget_bytes:
        raise UpdateError(
            f"policy full takes about {expected} bytes, the budget is {budget_bytes}; sparse trains"
            " as many of all weights as fit",
            "budget",
        )


def refitted(
    choice: Choice, adaptation: Adaptation, samples: Samples, budget_bytes: int | None = None
) -> Choice:
    """Return a choice whose policy was trained again on all samples.

    What comes out was judged on none. Only what is less often right on the samples that it was
    trained on than what devices run cannot be worth sending: the choice stays then.

    Args:
        choice: to train again.
        adaptation: that it was made by.
        samples: those that the adaptation fits, and those that it holds back.
        budget_bytes: what the signed package may take; where it gets too large the choice stays.
    """
    policy = choice.trial.policy
    if policy is None:
        return choice
    whole = replace(adaptation, samples=samples, held_back=samples, _trained={}, _trials={})
    try:
        again = whole.trial(policy, budget_bytes)
    except UpdateError as refusal:
        return replace(choice, reason=f"{choice.reason}; not trained on all samples: {refusal}")
    before, after = whole.untouched().accuracy, again.accuracy
    if after < before:
        reason = (
            f"{choice.reason}; trained again on all {len(samples)} samples it answers {after:.1%}"
            f" of them rightly, less than what devices run, {before:.1%}: sent as it was judged"
        )
        return replace(choice, reason=reason)
    reason = f"{choice.reason}; then trained again on all {len(samples)} samples"
    return replace(choice, refitted=replace(again, right=None), reason=reason)


def _worth(trial: Trial, best: Trial, errors: float) -> bool:
    """Tell whether a larger package is better by more than so many errors, on the same samples."""
    gain = trial.judged.astype(float) - best.judged
    if trial.package_bytes < best.package_bytes:
        return bool(gain.mean() >= 0)
    return bool(gain.mean() > errors * gain.std() / np.sqrt(len(gain)))


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
