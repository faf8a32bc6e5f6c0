"""How to train updates: recipes compared on images that `benchmarks.update_drift` does not report.

    python -m benchmarks.update_drift_recipes [--network resnet8|mnist] [--folder FOLDER]

Two strong shifts and two mild ones; a recipe is trained on 800 samples of a device, and judged by
1,500 other images that samples are drawn from. Full fine-tuning has recipes of its own, so that
what is compared with it is compared with its best.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.corruptions import corrupt
from benchmarks.update_drift import BUDGET_SHARES, parameter_bytes
from benchmarks.update_drift_bases import NETWORKS, Base, base
from fpga_rt.update.adapt.adaptation import Adaptation, reference_moments
from fpga_rt.update.adapt.policies import Policy
from fpga_rt.update.adapt.recipe import Recipe
from fpga_rt.update.adapt.samples import Samples

SHIFTS = (("impulse_noise", 1), ("vignette", 1), ("jpeg", 0), ("fog", 0))
SAMPLES, JUDGED = 800, 1500
RECIPES: dict[Policy, tuple[Recipe, ...]] = {
    "affine": (
        Recipe(epochs=3), Recipe(epochs=6), Recipe(epochs=6, affine_rate=5e-3),
        Recipe(epochs=3, mirrored=True), Recipe(epochs=6, mirrored=True),
    ),
    "sparse": (
        Recipe(epochs=3, sparse_rate=1e-2), Recipe(epochs=6, sparse_rate=5e-3),
        Recipe(epochs=3, mirrored=True, sparse_rate=1e-2),
        Recipe(epochs=6, mirrored=True, sparse_rate=1e-2),
        Recipe(epochs=6, mirrored=True, sparse_rate=5e-3),
        Recipe(epochs=6, mirrored=True, sparse_rate=2e-2),
    ),
    "full": (
        Recipe(epochs=3), Recipe(epochs=6), Recipe(epochs=6, affine_rate=5e-3, weight_rate=5e-4),
        Recipe(epochs=3, mirrored=True), Recipe(epochs=6, mirrored=True),
        Recipe(epochs=6, mirrored=True, affine_rate=5e-3, weight_rate=5e-4),
        Recipe(epochs=6, mirrored=True, weight_rate=5e-3),
        Recipe(epochs=12, mirrored=True),
    ),
}  # fmt: skip


def rows(network: str, of: Base) -> Iterator[str]:
    """Yield a row of a Markdown table for each recipe: accuracy on every shift, and the mean."""
    named = [f"{name.replace('_', ' ')}, {('mild', 'strong')[level]}" for name, level in SHIFTS]
    yield f"| policy | recipe | {' | '.join(named)} | mean |"
    yield f"|---|---|{'---:|' * (len(SHIFTS) + 1)}"
    reference = reference_moments(of.deployment.network, of.trained_on.codes)
    budget = int(BUDGET_SHARES[network] * parameter_bytes(of))
    divided = [_divided(of, *shift) for shift in SHIFTS]
    for policy, recipes in RECIPES.items():
        for recipe in recipes:
            if recipe.mirrored and network == "mnist":
                continue
            found = [
                100
                * Adaptation(of.deployment, *samples, reference, recipe)
                .trial(policy, None if policy == "full" else budget)
                .accuracy
                for samples in divided
            ]
            figures = " | ".join(f"{each:.1f}" for each in (*found, float(np.mean(found))))
            yield f"| {policy} | {_text(recipe, policy)} | {figures} |"


def _divided(of: Base, corruption: str, severity: int) -> tuple[Samples, Samples]:
    """Return samples of a device to train on, and others to judge by."""
    rng = np.random.default_rng([len(SHIFTS), severity])
    drawn = of.field.take(rng.choice(len(of.field), SAMPLES + JUDGED, replace=False))
    seen = Samples(corrupt(drawn.codes, corruption, severity, 0), drawn.labels)
    return seen.take(np.arange(SAMPLES)), seen.take(np.arange(SAMPLES, SAMPLES + JUDGED))


def _text(recipe: Recipe, policy: Policy) -> str:
    rates = {"affine": "", "sparse": f" and {recipe.sparse_rate:g}"}
    more = rates.get(policy, f" and {recipe.weight_rate:g}")
    mirrored = ", mirrored" if recipe.mirrored else ""
    return f"{recipe.epochs} epochs{mirrored}, rates {recipe.affine_rate:g}{more}"


def main() -> int:
    """Print the table of a network."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.update_drift_recipes", description=__doc__
    )
    parser.add_argument("--network", choices=NETWORKS, default=NETWORKS[0])
    parser.add_argument("--folder", type=Path, default=Path("build/update_drift"))
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for row in rows(arguments.network, base(arguments.network, arguments.folder)):
        print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
