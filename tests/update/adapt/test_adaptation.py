"""Policies against a drift that the normalisation can undo, and budgets that hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import ExecutionError, UpdateError
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.update.adapt.adaptation import Adaptation, reference_moments, right_answers
from fpga_rt.update.adapt.choice import choose
from fpga_rt.update.adapt.graph import Moments
from fpga_rt.update.adapt.policies import ESCALATION, POLICIES
from fpga_rt.update.adapt.recipe import Recipe
from fpga_rt.update.adapt.samples import Samples
from fpga_rt.update.make import make_package, make_target
from tests.update.adapt.conftest import weighted
from tests.update.signing import Secret

RECIPE = Recipe(epochs=1, least_steps=20, seed=1)


@pytest.fixture(scope="module")
def adaptation(base: Deployment, network: Network, codes: np.ndarray, dim: Samples) -> Adaptation:
    """Return 100 images to fit and 60 to judge by."""
    fit, judge = dim.take(np.arange(100)), dim.take(np.arange(100, 160))
    return Adaptation(base, fit, judge, reference_moments(network, codes), RECIPE)


def test_right_answers_are_those_of_golden_execution(network: Network, dim: Samples) -> None:
    answers = golden.run(network, dim.codes).reshape(len(dim), 4).argmax(axis=1)
    assert dim.labels is not None
    right = right_answers(network, dim)
    assert right is not None
    assert right.mean() == pytest.approx(np.mean(answers == dim.labels))
    assert right_answers(network, Samples(dim.codes)) is None


def test_statistics_undo_the_drift_and_change_no_weight(adaptation: Adaptation) -> None:
    before, after = adaptation.untouched(), adaptation.trial("statistics")
    assert before.accuracy < 0.6
    assert after.accuracy > 0.8
    assert (before.package_bytes, before.policy) == (0, None)
    assert adaptation.base.network.tensors == after.network.tensors
    new = weighted(after.network)
    for name, old in weighted(adaptation.base.network).items():
        np.testing.assert_array_equal(old.weights, new[name].weights)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_trial_runs_on_the_program_of_the_base(adaptation: Adaptation, policy: str) -> None:
    """Its bytes are those of the package that the owner signs, but for chance."""
    trial = adaptation.trial(policy)  # type: ignore[arg-type] # a literal type
    target = make_target(adaptation.base, trial.network)
    assert target.obstacle is None
    assert target.deployment.same_program(adaptation.base)
    signed = make_package(adaptation.base, target.deployment, 7, Secret())
    signature_bytes = 64 - len(Secret().sign(b""))
    assert abs(len(signed) + signature_bytes - trial.package_bytes) <= 8
    assert adaptation.trial(policy) is trial  # type: ignore[arg-type]


def test_a_trial_says_what_was_cut_off(adaptation: Adaptation) -> None:
    assert adaptation.trial("statistics").clipped == 0
    assert adaptation.reference is not None
    # Sums that vary a thousandth of what they did, at least in the stem's eight channels.
    wild = {
        name: Moments(known.mean, known.variance * 1e6)
        for name, known in adaptation.reference.items()
    }
    narrow = replace(adaptation, reference=wild, _trained={}, _trials={})
    assert narrow.trial("statistics").clipped >= 8


def test_full_moves_weights_of_every_layer(adaptation: Adaptation) -> None:
    trial = adaptation.trial("full")
    new = weighted(trial.network)
    for name, old in weighted(adaptation.base.network).items():
        assert not np.array_equal(old.weights, new[name].weights)


def test_the_last_layer_moves_alone(adaptation: Adaptation) -> None:
    trial = adaptation.trial("last_layer")
    new = weighted(trial.network)
    for name, old in weighted(adaptation.base.network).items():
        assert np.array_equal(old.bias, new[name].bias) == (name != "dense")


def test_a_budget_makes_steps_coarser(adaptation: Adaptation) -> None:
    whole = adaptation.trial("full")
    least = adaptation.trial("affine").package_bytes
    budget = (whole.package_bytes + least) // 2
    cut = adaptation.trial("full", budget)
    assert cut.package_bytes <= budget < whole.package_bytes
    assert cut.step_codes > whole.step_codes == 1
    kept = 0
    networks = (adaptation.base.network, whole.network, cut.network)
    for name in weighted(adaptation.base.network):
        old, full, thin = (weighted(n)[name].weights.astype(int) for n in networks)
        assert (np.abs(thin - full) <= (cut.step_codes + 1) / 2).all()
        inside = np.abs(thin) < 127
        assert ((thin - old)[inside] % cut.step_codes == 0).all()
        kept += int((thin != old).sum())
    assert kept


def test_a_budget_that_nothing_fits_is_refused(adaptation: Adaptation) -> None:
    needed = adaptation.trial("statistics").package_bytes
    with pytest.raises(UpdateError, match=f"policy statistics needs {needed} bytes, the budget is"):
        adaptation.trial("statistics", 400)


def test_what_is_missing_is_named(adaptation: Adaptation, dim: Samples) -> None:
    blind = replace(adaptation, reference=None, _trained={}, _trials={})
    with pytest.raises(ExecutionError, match="policy statistics compares the samples with what"):
        blind.trial("statistics")
    bare = Samples(dim.codes)
    unlabelled = replace(adaptation, samples=bare, held_back=bare, _trained={}, _trials={})
    assert np.isnan(unlabelled.trial("statistics").accuracy)
    with pytest.raises(ExecutionError, match=r"samples have no labels, expected a class for each"):
        unlabelled.trial("affine")
    with pytest.raises(ExecutionError, match=r"samples have no labels, expected a class for each"):
        unlabelled.trial("sensitive_blocks")


def test_auto_takes_the_smallest_that_is_good_enough(adaptation: Adaptation) -> None:
    watched: list[str] = []
    choice = choose(adaptation, None, 0.8, watched.append)
    assert watched == ["statistics"]
    assert choice.trial is adaptation.trial("statistics")
    assert [trial.policy for trial in choice.trials] == [None, "statistics"]
    assert "on the samples held back, 80.0% was asked for; these samples chose" in choice.reason
    tried = choose(adaptation)
    assert [trial.policy for trial in tried.trials][1:] == list(ESCALATION)
    assert tried.trial.accuracy > 0.8
    assert "on the samples held back" in tried.reason
    assert tried.reason.endswith("; these samples chose, report on others")
    assert tried.refusals == ()


def test_sparse_moves_no_more_weights_than_it_counts(adaptation: Adaptation) -> None:
    """5 % of 896 weights, where no budget says how many."""
    trial = adaptation.trial("sparse")
    new = weighted(trial.network)
    moved = [old.weights != new[n].weights for n, old in weighted(adaptation.base.network).items()]
    assert 0 < sum(int(each.sum()) for each in moved) <= 44
    assert trial.accuracy >= adaptation.trial("affine").accuracy - 0.05


def test_where_no_step_fits_no_weight_moves(adaptation: Adaptation) -> None:
    """A step has to leave some bytes free, for normalisation is measured again behind it."""
    trial = adaptation.trial("full", adaptation.trial("affine").package_bytes + 20)
    assert trial.step_codes == 0
    new = weighted(trial.network)
    for name, old in weighted(adaptation.base.network).items():
        np.testing.assert_array_equal(old.weights, new[name].weights)


def test_full_is_not_tried_where_it_cannot_fit(adaptation: Adaptation) -> None:
    """896 weights are expected to take 224 bytes, and 28 channels about 550 and 4 for each."""
    budget = adaptation.trial("affine").package_bytes + 20
    expected = 224 + 550 + 4 * 28
    assert budget < expected
    refusals = dict(choose(adaptation, budget).refusals)
    assert str(refusals["full"]) == (
        f"policy full takes about {expected} bytes, the budget is {budget}; sparse trains as many"
        " of all weights as fit"
    )


def test_auto_names_what_it_did_not_try(adaptation: Adaptation) -> None:
    blind = replace(adaptation, reference=None, _trained={}, _trials={})
    choice = choose(blind, None, 0.0)
    assert choice.trial.policy is None
    assert choice.reason.endswith(
        "; statistics was not tried, it needs reference samples (--reference)"
    )


def test_auto_keeps_what_was_refused(adaptation: Adaptation) -> None:
    budget = adaptation.trial("statistics").package_bytes
    assert adaptation.trial("affine").package_bytes > budget
    choice = choose(adaptation, budget)
    tried = [trial.policy for trial in choice.trials[1:]]
    refused = dict(choice.refusals)
    assert {*tried, *refused} == set(ESCALATION)
    assert len(tried) + len(refused) == len(ESCALATION)
    assert f"the budget is {budget}" in str(refused["affine"])


def test_a_trial_without_labels_judges_nothing(adaptation: Adaptation) -> None:
    trial = replace(adaptation.trial("statistics"), right=None)
    with pytest.raises(ExecutionError, match=r"statistics was tried without labels, expected"):
        trial.judged.mean()


def test_auto_leaves_alone_what_has_not_drifted(
    adaptation: Adaptation, codes: np.ndarray, labels: np.ndarray
) -> None:
    same = Samples(codes, labels)
    fit, judge = same.take(np.arange(100)), same.take(np.arange(100, 160))
    still = replace(adaptation, samples=fit, held_back=judge, _trained={}, _trials={})
    choice = choose(still)
    assert choice.trial.policy is None
    assert choice.trial.accuracy == 1.0
    assert choice.reason.startswith("leaving it as it is is the best of")


def test_auto_keeps_to_the_budget(adaptation: Adaptation) -> None:
    budget = adaptation.trial("statistics").package_bytes
    choice = choose(adaptation, budget)
    assert all(trial.package_bytes <= budget for trial in choice.trials)
    with pytest.raises(UpdateError, match="the budget is 300"):
        choose(adaptation, 300)


def test_training_repeats_exactly(adaptation: Adaptation) -> None:
    again = replace(adaptation, _trained={}, _trials={})
    first, second = adaptation.trial("full"), again.trial("full")
    assert first is not second
    assert first.package_bytes == second.package_bytes
    np.testing.assert_array_equal(first.right, second.right)
