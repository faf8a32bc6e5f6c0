"""Adapt a deployed network to samples: what each policy leads to, judged on samples held back.

Every trial is folded back to integers and judged by golden execution. The samples held back choose
between policies, so what they say of the chosen one is a little too good: report accuracy on
samples that were given to none of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import ExecutionError, UpdateError
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.update.adapt.budget import MARGINS_BYTES, affine_bytes, coarsen, package_bytes
from fpga_rt.update.adapt.fit import Masks, fit, settle
from fpga_rt.update.adapt.fold import fold, fold_and_count
from fpga_rt.update.adapt.graph import Graph, Moments, moments, to_images
from fpga_rt.update.adapt.policies import Plan, Policy, plan
from fpga_rt.update.adapt.recipe import Recipe
from fpga_rt.update.adapt.samples import Samples
from fpga_rt.update.adapt.sensitivity import sensitivities, steepest
from fpga_rt.update.vectors import Codes

REFERENCE_IMAGES = 1024


@dataclass(frozen=True, eq=False)
class Trial:
    """What a policy led to.

    Attributes:
        policy: which; None for the base as it is.
        network: of integers, on the program of the base where that is possible.
        package_bytes: of the signed package that sends it.
        right: for every sample held back whether its answer is right; None without labels.
        step_codes: weights moved by multiples of so many codes, for the budget; 0 if none did.
        clipped: channels whose gain or bias was cut off at what the integers hold (`fold`).
    """

    policy: Policy | None
    network: Network
    package_bytes: int
    right: NDArray[np.bool_] | None
    step_codes: int = 0
    clipped: int = 0

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Return for every sample held back whether its answer is right.

        Raises:
            ExecutionError: they have no labels.
        """
        if self.right is None:
            raise ExecutionError(
                f"policy {self.policy} was tried without labels, expected a class for each sample"
                " held back to judge by; give labels"
            )
        return self.right

    @property
    def accuracy(self) -> float:
        """The share of right answers, NaN without labels."""
        return float("nan") if self.right is None else float(self.right.mean())


def reference_moments(network: Network, codes: Codes) -> dict[str, Moments]:
    """Return what batch norms knew of a network's training, measured on samples like those."""
    return moments(Graph(network), to_images(network, codes[:REFERENCE_IMAGES]))


def right_answers(network: Network, samples: Samples) -> NDArray[np.bool_] | None:
    """Return for every sample whether golden execution answers with its label."""
    if samples.labels is None:
        return None
    outputs = golden.run(network, samples.codes).reshape(len(samples), -1)
    right: NDArray[np.bool_] = outputs.argmax(axis=1) == samples.labels
    return right


@dataclass(eq=False)
class Adaptation:
    """A deployed network, and what to adapt it to.

    Attributes:
        base: what devices run.
        samples: to fit.
        held_back: to judge by; shares none with `samples`, unless there are no labels to judge by.
        reference: of the base's own training (`reference_moments`); None where there are no such
            samples, which rules out the policy statistics.
        recipe: how to train.
    """

    base: Deployment
    samples: Samples
    held_back: Samples
    reference: Mapping[str, Moments] | None = None
    recipe: Recipe = field(default_factory=Recipe)
    _trained: dict[Plan, Graph] = field(default_factory=dict)
    _trials: dict[tuple[Policy, int | None], Trial] = field(default_factory=dict)

    def untouched(self) -> Trial:
        """Return the base as a trial that sends nothing."""
        network = self.base.network
        return Trial(None, network, 0, right_answers(network, self.held_back))

    def trial(self, policy: Policy, budget_bytes: int | None = None) -> Trial:
        """Return what a policy leads to in a package of at most so many bytes; None for any.

        Weights move in coarser steps until the package is small enough. What was trained or tried
        before is not trained or tried again.

        Raises:
            ExecutionError: it needs labels, or reference samples, which are not there.
            UpdateError: it does not fit the budget even with no weight changed, or changes nothing.
        """
        if (policy, budget_bytes) not in self._trials:
            self._trials[policy, budget_bytes] = self._tried(policy, budget_bytes)
        return self._trials[policy, budget_bytes]

    def _tried(self, policy: Policy, budget_bytes: int | None) -> Trial:
        chosen = self._plan(policy, budget_bytes)
        for margin_bytes in MARGINS_BYTES:
            room = None if budget_bytes is None else budget_bytes - margin_bytes
            graph, step = self._coarsened(chosen, room)
            network, clipped = fold_and_count(graph)
            size = package_bytes(self.base, network)
            if budget_bytes is None or size <= budget_bytes or not step:
                break
        if budget_bytes is not None and size > budget_bytes:
            raise UpdateError(
                f"policy {policy} needs {size} bytes, the budget is {budget_bytes}; raise it, or"
                " choose last_layer, which sends least",
                "budget",
            )
        right = right_answers(network, self.held_back)
        return Trial(policy, network, size, right, step, clipped)

    def _coarsened(self, chosen: Plan, room_bytes: int | None) -> tuple[Graph, int]:
        """Return what was trained, its weights in steps that fit before moments are taken again."""
        graph = deepcopy(self._graph_of(chosen))
        if not chosen.weights:
            return graph, 0

        def fits() -> bool:
            return room_bytes is None or package_bytes(self.base, fold(graph)) <= room_bytes

        step = coarsen(graph, fits)
        if chosen.normalise:
            graph.normalise_by(True)
            settle(graph, to_images(graph.network, self.samples.codes))
        return graph, step

    def _plan(self, policy: Policy, budget_bytes: int | None) -> Plan:
        if policy == "statistics" and self.reference is None:
            raise ExecutionError(
                "policy statistics compares the samples with what the network was trained on, and"
                " no reference samples are given; give some, they need no labels"
            )
        network = self.base.network
        room = None if budget_bytes is None else budget_bytes - affine_bytes(network)
        gains = self._gains if policy == "sensitive_blocks" else {}
        return plan(policy, network, room, gains)

    def _graph_of(self, chosen: Plan) -> Graph:
        if chosen not in self._trained:
            graph = self._untrained()
            fit(graph, self.samples, chosen, self.recipe, self._masks(chosen))
            self._trained[chosen] = graph
        return self._trained[chosen]

    def _masks(self, chosen: Plan) -> Masks | None:
        """Return which weights a plan lets move that counts them; None where all of them do."""
        if not chosen.count:
            return None
        trained = deepcopy(self._graph_of(Plan(affine=True)))
        return steepest(trained, self.samples, chosen.count)

    def _untrained(self) -> Graph:
        """Return the base in real numbers; without a reference the samples stand for it."""
        reference = self.reference
        if reference is None:
            reference = reference_moments(self.base.network, self.samples.codes)
        return Graph(self.base.network, reference)

    @cached_property
    def _gains(self) -> dict[str, float]:
        return sensitivities(self._untrained(), self.samples)
