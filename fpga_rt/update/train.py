"""Train an update: from samples of what a device sees to a network on the program that it runs.

The training itself, `fpga_rt.update.adapt`, needs torch; this says so where it is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import ToolchainError, UpdateError
from fpga_rt.update.adapt.policies import Policy
from fpga_rt.update.adapt.recipe import Recipe
from fpga_rt.update.adapt.samples import Samples
from fpga_rt.update.vectors import Codes

if TYPE_CHECKING:
    from fpga_rt.update.adapt.choice import Choice


@dataclass(frozen=True)
class Aim:
    """What an update shall be.

    Attributes:
        policy: which parameters move; None tries one policy after the other and chooses.
        budget_bytes: what the signed package may take; None for any.
        enough: accuracy on the samples held back at which a choice stops trying; None tries all.
    """

    policy: Policy | None = None
    budget_bytes: int | None = None
    enough: float | None = None


def train_update(
    base: Deployment,
    samples: Samples,
    aim: Aim | None = None,
    reference: Codes | None = None,
    recipe: Recipe | None = None,
    watch: Callable[[Policy], None] | None = None,
) -> Choice:
    """Adapt a deployed network to samples; with labels, a part held back judges what comes out.

    What was chosen is trained again on all samples then, unless the recipe says otherwise:
    `Choice.sent` is what to send, which no samples are left to judge.

    Args:
        base: what devices run.
        samples: what a device sees.
        aim: which policy, and in how many bytes; any unless given.
        reference: input codes like those of the base's own training, without labels; by them its
            folded normalisation is known, and without them the policy statistics is ruled out.
        recipe: how to train.
        watch: called with every policy that has been tried.

    Raises:
        ToolchainError: torch is not installed.
        ExecutionError: too few samples, or the policy needs labels or a reference.
        ModelError: the network has a layer that cannot be trained.
        UpdateError: nothing fits the budget, or nothing is better than what devices run.
    """
    try:
        from fpga_rt.update.adapt.adaptation import Adaptation, reference_moments
        from fpga_rt.update.adapt.choice import choose, judged, refitted
    except ImportError as error:
        raise ToolchainError(
            "training an update needs torch; pip install 'fpga-rt[torch]', or make the update from"
            " a model of your own: fpga-rt update make"
        ) from error
    aim, recipe = aim or Aim(), recipe or Recipe()
    fit = judge = samples  # without labels nothing is judged, so none are held back
    if samples.labels is not None:
        fit, judge = samples.split(recipe.held_back, recipe.seed)
    moments = None if reference is None else reference_moments(base.network, reference)
    adaptation = Adaptation(base, fit, judge, moments, recipe)
    watch = watch or (lambda policy: None)
    if aim.policy is None:
        choice = choose(adaptation, aim.budget_bytes, aim.enough, watch)
    else:
        choice = judged(adaptation, aim.policy, aim.budget_bytes)
        watch(aim.policy)
    if choice.trial.policy is None:
        raise UpdateError(f"there is nothing to send: {choice.reason}", "target")
    if samples.labels is not None and recipe.refit:
        choice = refitted(choice, adaptation, samples, aim.budget_bytes)
    return choice
