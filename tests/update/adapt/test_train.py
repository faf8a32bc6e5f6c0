"""Training an update from end to end: policies that are chosen, asked for, or not worth sending."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import UpdateError
from fpga_rt.network import golden
from fpga_rt.update.adapt.adaptation import Adaptation, reference_moments, right_answers
from fpga_rt.update.adapt.choice import refitted
from fpga_rt.update.adapt.recipe import Recipe
from fpga_rt.update.adapt.samples import Samples
from fpga_rt.update.train import Aim, train_update
from tests.update.adapt.conftest import weighted

RECIPE = Recipe(epochs=1, least_steps=20)


def test_unlabelled_samples_are_enough_for_the_normalisation(
    base: Deployment, codes: np.ndarray, dim: Samples
) -> None:
    """Nothing but what the device sees, and some of what it was trained on, halves apart."""
    choice = train_update(base, Samples(dim.codes[:80]), None, codes[80:], RECIPE)
    assert choice.trial.policy == "statistics"
    assert choice.reason == "without labels only the normalisation can be adapted"
    report = dim.take(np.arange(80, 160))
    before, after = (
        np.mean(right_answers(network, report))  # type: ignore[arg-type] # there are labels
        for network in (base.network, choice.trial.network)
    )
    assert before < 0.4
    assert after > 0.7


def test_unlabelled_samples_are_all_used(base: Deployment, codes: np.ndarray, dim: Samples) -> None:
    """None are held back from the normalisation, for nobody judges by them."""
    bare, reference = Samples(dim.codes[:80]), reference_moments(base.network, codes[80:])
    found = weighted(train_update(base, bare, None, codes[80:], RECIPE).trial.network)
    every = weighted(Adaptation(base, bare, bare, reference).trial("statistics").network)
    for name, operation in every.items():
        wanted = operation.requantisation.multiplier
        np.testing.assert_array_equal(found[name].requantisation.multiplier, wanted)
        np.testing.assert_array_equal(found[name].bias, operation.bias)


def test_a_policy_that_is_asked_for_is_taken(
    base: Deployment, codes: np.ndarray, dim: Samples
) -> None:
    aim = Aim("affine", 5000)
    choice = train_update(base, dim, aim, codes, replace(RECIPE, held_back=0.5))
    assert [trial.policy for trial in choice.trials] == [None, "affine"]
    assert choice.trial.right is not None
    assert len(choice.trial.right) == 80
    assert choice.trial.package_bytes <= 5000


def test_what_was_chosen_is_trained_again_on_all_samples(
    base: Deployment, codes: np.ndarray, dim: Samples
) -> None:
    """What is sent is what the policy makes of every sample; what is judged made do with fewer."""
    choice = train_update(base, dim, Aim("statistics"), codes, RECIPE)
    assert choice.refitted is choice.sent
    assert choice.sent.right is None
    assert choice.reason == f"it was asked for; then trained again on all {len(dim)} samples"
    reference = reference_moments(base.network, codes)
    bare = Samples(dim.codes)
    every = weighted(Adaptation(base, bare, bare, reference).trial("statistics").network)
    judged = weighted(choice.trial.network)
    for name, operation in weighted(choice.sent.network).items():
        np.testing.assert_array_equal(operation.bias, every[name].bias)
    assert any((every[name].bias != judged[name].bias).any() for name in every)
    kept = train_update(base, dim, Aim("statistics"), codes, replace(RECIPE, refit=False))
    assert kept.sent is kept.trial
    assert kept.reason == "it was asked for"


def test_a_choice_stays_where_all_samples_make_too_large_a_package(
    base: Deployment, codes: np.ndarray, dim: Samples
) -> None:
    free = train_update(base, dim, Aim("statistics"), codes, RECIPE)
    sizes = free.trial.package_bytes, free.sent.package_bytes
    adaptation = Adaptation(base, dim, dim, reference_moments(base.network, codes), RECIPE)
    again = refitted(free, adaptation, dim, min(sizes) - 1)
    assert again.sent is free.sent
    assert f"not trained on all samples: policy statistics needs {sizes[1]} bytes" in again.reason


def test_what_all_samples_make_worse_than_the_base_is_not_sent(
    base: Deployment, codes: np.ndarray, dim: Samples
) -> None:
    """By labels that are what the base says, nothing can be right more often than the base."""
    choice = train_update(base, dim, Aim("statistics"), codes, replace(RECIPE, refit=False))
    answers = golden.run(base.network, dim.codes).reshape(len(dim), -1).argmax(axis=1)
    adaptation = Adaptation(base, dim, dim, reference_moments(base.network, codes), RECIPE)
    again = refitted(choice, adaptation, Samples(dim.codes, answers))
    assert again.refitted is None
    assert again.sent is choice.trial
    assert re.fullmatch(
        rf"it was asked for; trained again on all {len(dim)} samples it answers \d+\.\d% of them"
        r" rightly, less than what devices run, 100\.0%: sent as it was judged",
        again.reason,
    )


def test_what_has_not_drifted_needs_nothing(
    base: Deployment, codes: np.ndarray, labels: np.ndarray
) -> None:
    aim, tried = Aim(enough=0.9), list[str]()
    with pytest.raises(UpdateError, match=r"there is nothing to send: leaving it as it is") as seen:
        train_update(base, Samples(codes, labels), aim, codes, RECIPE, tried.append)
    assert seen.value.reason == "target"
    assert not tried
