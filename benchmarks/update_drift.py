"""What a few kilobytes win back when a camera's images change: policies of updates compared.

    python -m benchmarks.update_drift [--network resnet8|mnist] [--folder build/update_drift]
                                      [--part I/N] [--cells N] [--seeds N]
                                      [--summary FILE.json [--page FILE.md]]

A cell is a network, a corruption, a severity and a seed. The seed draws the 800 labelled samples
that a device sends home, the order of training, and the images that accuracy is reported on, which
nothing else sees. Every policy is trained on all 800, folded to integers and packed into a signed
package; accuracy is that of golden execution of what the package leads to. `auto` chooses by 200 of
them what it trained on the other 600, and sends what all 800 make of it.

Each cell is a file in the folder once it is done, so an interrupted run goes on where it was, and
parts of a run may go side by side. `--summary` makes a document of the cells, and
`--page` puts its tables into a page of the docs. The whole run takes two hours of processor time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.corruptions import CORRUPTIONS, OF_COLOUR, SEVERITIES, corrupt
from benchmarks.update_drift_bases import NETWORKS, Base, base
from benchmarks.update_drift_device import device_facts
from benchmarks.update_drift_summary import document, text
from benchmarks.update_drift_tables import with_tables
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.errors import ModelError
from fpga_rt.update.adapt.adaptation import (
    Adaptation,
    Trial,
    reference_moments,
    right_answers,
)
from fpga_rt.update.adapt.choice import choose
from fpga_rt.update.adapt.graph import Moments
from fpga_rt.update.adapt.policies import POLICIES
from fpga_rt.update.adapt.recipe import Recipe
from fpga_rt.update.adapt.samples import Samples

BUDGET_SHARES = {"resnet8": 0.05, "mnist": 0.12}
"""Of the model's parameter bytes. Gains and offsets take 2 % of ResNet8's, but 9 % of a network of
depthwise convolutions, which has few weights for each channel."""
FIRST_SEED_ALONE = ("first_blocks", "sensitive_blocks")
"""Policies that `auto` does not try, and that are not worth their processor time for every seed."""
RECIPES = {"resnet8": Recipe(epochs=6, mirrored=True), "mnist": Recipe(epochs=3)}
"""Chosen by `benchmarks.update_drift_recipes`. Digits know left and right."""


@dataclass(frozen=True)
class Sizes:
    """Images of a cell: to fit, to choose by, and to report on."""

    fit: int = 600
    held_back: int = 200
    report: int = 1000


@dataclass(frozen=True)
class Cell:
    """One drift of one device."""

    network: str
    corruption: str
    severity: int
    seed: int

    @property
    def file(self) -> str:
        """Its file's name."""
        return f"{self.network}-{self.corruption}-{self.severity}-{self.seed}.json"


def cells(network: str, seeds: int) -> Iterator[Cell]:
    """Yield the cells of a network, all corruptions before the next seed."""
    channels = 1 if network == "mnist" else 3
    for seed, severity, name in product(range(seeds), SEVERITIES, CORRUPTIONS):
        if channels == 3 or name not in OF_COLOUR:
            yield Cell(network, name, severity, seed)


def run_cell(
    cell: Cell, of: Base, reference: Mapping[str, Moments], sizes: Sizes
) -> dict[str, object]:
    """Return the cell as a document: for each policy bytes, and which reported images are right."""
    started = time.process_time()
    samples, report = _images(cell, of, sizes)
    recipe = replace(RECIPES[cell.network], seed=cell.seed)
    budget = int(BUDGET_SHARES[cell.network] * parameter_bytes(of))
    whole = Adaptation(of.deployment, samples, Samples(samples.codes), reference, recipe)
    trials: dict[str, Trial] = {"none": whole.untouched()}
    for policy in POLICIES:
        if policy in FIRST_SEED_ALONE and cell.seed:
            continue
        trials[policy] = whole.trial(policy, None if policy == "full" else budget)
    trials["full, same bytes"] = whole.trial("full", budget)
    found = {name: _entry(trial, report) for name, trial in trials.items()}
    fit, held_back = (samples.take(part) for part in np.split(np.arange(len(samples)), [sizes.fit]))
    choice = choose(Adaptation(of.deployment, fit, held_back, reference, recipe), budget)
    chosen = choice.trial.policy
    judged = {trial.policy or "none": int(trial.judged.sum()) for trial in choice.trials}
    sent = whole.untouched() if chosen is None else whole.trial(chosen, budget)
    found["auto"] = {**_entry(sent, report), "chose": chosen or "none", "judged": judged}
    return {
        **asdict(cell), "sizes": asdict(sizes), "recipe": asdict(recipe), "budget_bytes": budget,
        "parameter_bytes": parameter_bytes(of), "base": of.digest,
        "processor_s": time.process_time() - started, "policies": found,
    }  # fmt: skip


def parameter_bytes(of: Base) -> int:
    """Return the bytes of all weights and tables on the device."""
    segments = of.deployment.segments
    return segments.weights_bytes + segments.tables_bytes


def _images(cell: Cell, of: Base, sizes: Sizes) -> tuple[Samples, Samples]:
    """Return the images of a device, corrupted in one go: its samples, and those to report on."""
    rng = np.random.default_rng(
        [cell.seed, cell.severity, list(CORRUPTIONS).index(cell.corruption)]
    )
    count = sizes.fit + sizes.held_back
    field = of.field.take(rng.choice(len(of.field), count, replace=False))
    first = cell.seed * sizes.report
    report = of.report.take(np.arange(first, first + sizes.report))
    codes = np.concatenate([field.codes, report.codes])
    seen = corrupt(codes, cell.corruption, cell.severity, int(rng.integers(1 << 31)))
    return Samples(seen[:count], field.labels), Samples(seen[count:], report.labels)


def _entry(trial: Trial, report: Samples) -> dict[str, object]:
    """Return the bytes of a trial, and for every image whether the answer is right, as bits."""
    right = right_answers(trial.network, report)
    assert right is not None
    return {"bytes": trial.package_bytes, "report": np.packbits(right).tobytes().hex()}


def main() -> int:
    """Run the cells that are not there yet, then make the summary."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.update_drift", description=__doc__)
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--folder", type=Path, default=Path("build/update_drift"))
    parser.add_argument(
        "--part", default="1/1", metavar="I/N", help="every N-th cell, from the I-th"
    )
    parser.add_argument("--cells", type=int, metavar="N", help="no more than the first N")
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--summary", type=Path, metavar="FILE.json", help="of all cells there")
    parser.add_argument("--page", type=Path, metavar="FILE.md", help="put the tables there, too")
    for name, default in asdict(Sizes()).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=default, metavar="IMAGES")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    sizes = Sizes(arguments.fit, arguments.held_back, arguments.report)
    for network in arguments.network:
        wanted = list(cells(network, arguments.seeds))[: arguments.cells]
        _run_missing(network, wanted, arguments.folder, arguments.part, sizes)
    if arguments.summary:
        _summarise(arguments)
    return 0


def _summarise(arguments: argparse.Namespace) -> None:
    """Write the document, in which networks that are not asked for stay, and the page."""
    path = arguments.summary
    found = json.loads(path.read_text()) if path.exists() else {}
    for network in arguments.network:
        wanted = list(cells(network, arguments.seeds))[: arguments.cells]
        entry = document([arguments.folder / cell.file for cell in wanted])
        of = base(network, arguments.folder)
        images = entry["seeds"] * entry["sizes"]["report"]
        found[network] = {**device_facts(of, images), **entry}
    write_atomically(path, [text(found).encode()])
    if arguments.page:
        page = with_tables(arguments.page.read_text(), found)
        write_atomically(arguments.page, [page.encode()])


def _run_missing(network: str, wanted: list[Cell], folder: Path, part: str, sizes: Sizes) -> None:
    index, parts = map(int, part.split("/"))
    folder.mkdir(parents=True, exist_ok=True)
    missing = [cell for cell in wanted[index - 1 :: parts] if not (folder / cell.file).exists()]
    if not missing:
        return
    of = base(network, folder)
    wanted_images, images = (1 + max(cell.seed for cell in wanted)) * sizes.report, len(of.report)
    if wanted_images > images:
        raise ModelError(
            f"{network}: {wanted_images} images are to be reported on, there are {images}; ask for"
            " fewer --seeds, or a smaller --report"
        )
    reference = reference_moments(of.deployment.network, of.trained_on.codes)
    for number, cell in enumerate(missing, 1):
        if (folder / cell.file).exists():  # by another run meanwhile
            continue
        found = run_cell(cell, of, reference, sizes)
        write_atomically(folder / cell.file, [(json.dumps(found, indent=1) + "\n").encode()])
        print(f"{number}/{len(missing)} {cell.file} {found['processor_s']:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
