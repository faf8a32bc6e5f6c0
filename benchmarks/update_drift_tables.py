"""The tables that the docs show of `benchmarks.update_drift`, made of its document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from benchmarks.update_drift_summary import RIVAL, Document

_NAMES = {
    "none": "nothing",
    "statistics": "statistics, unlabelled",
    "affine": "affine",
    "last_layer": "last layer",
    "first_blocks": "first blocks",
    "sensitive_blocks": "sensitive blocks",
    "sparse": "sparse",
    "full, same bytes": "full, cut to the budget",
    "full": "full",
    "auto": "auto",
}
_TRIED = ("none", "statistics", "affine", "sparse")
"""What `auto` chooses among in these budgets."""
_SENT = tuple(name for name in _NAMES if name != "none")
GOAL_SHARE, GOAL_MEAN, GOAL_WORST = 5.0, 0.5, 1.2
"""Per cent of the model's bytes; points below full fine-tuning, on average and for a shift."""
LINK_BITS_PER_S = 100_000
"""Of a radio link of the slow kind; an assumption."""


def overview(network: Document) -> str:
    """Return the table of policies in Markdown, below a line that says what it counts."""
    sizes, undrifted = network["sizes"], network["undrifted"]
    seeds = f"{network['seeds']} seed{'s' if network['seeds'] > 1 else ''}"
    lines = [
        f"{len(network['shifts'])} shifts, {seeds}, {sizes['report']} images each; without drift"
        f" {_accuracy(undrifted):.1f} % of {undrifted['images']:,} images are right. The budget is"
        f" {network['budget_bytes']:,} of {network['parameter_bytes']:,} bytes.",
        "",
        "| policy | package, bytes | of the model | mean | worst | mean to full | worst to full"
        " | auto chose it |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for policy in _NAMES:
        entries = [(shift, shift["policies"][policy]) for shift in network["shifts"]]
        sizes = [size for _, entry in entries for size in entry["bytes"]]
        share = 100 * max(sizes) / network["parameter_bytes"]
        accuracies = [_accuracy(entry) for _, entry in entries]
        errors = network["errors"][policy]
        mean = f"{np.mean([difference(e) for _, e in entries]):+.1f}{_error(errors['mean'])}"
        shift, low = min(entries, key=lambda pair: difference(pair[1]))
        worst = f"{difference(low):+.1f}{_error(error(low, errors))} ({_shift(shift)})"
        row = [
            _name(network, policy), f"{np.mean(sizes):,.0f}, at most {max(sizes):,}",
            f"{share:.1f} %",
            f"{np.mean(accuracies):.1f}", f"{min(accuracies):.1f}", mean, worst,
            f"{network['chosen'].get(policy, 0)} of {network['cells']}" if policy in _TRIED else "",
        ]  # fmt: skip
        if policy == "none":
            row[1:3] = ["0", ""]
        if policy == RIVAL:
            row[5:7] = ["", ""]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def by_shift(network: Document) -> str:
    """Return the table of shifts in Markdown."""
    policies = [name for name in _NAMES if name not in {"last_layer", "full, same bytes"}]
    lines = [
        f"| shift | {' | '.join(_name(network, p) for p in policies)} |",
        f"|---|{'---:|' * len(policies)}",
    ]
    for shift in network["shifts"]:
        figures = [f"{_accuracy(shift['policies'][policy]):.1f}" for policy in policies]
        lines.append(f"| {_shift(shift)} | {' | '.join(figures)} |")
    return "\n".join(lines)


def goals(network: Document) -> str:
    """Return in Markdown which goals each policy meets.

    A shift counts as surely below where its difference lies two standard errors below the goal.
    By chance alone, if every shift had the mean difference, the lowest would be below what the
    table says in half of all runs. One seed does not tell errors.
    """
    lines = [
        f"| policy | bytes at most {GOAL_SHARE} % | mean at least full - {GOAL_MEAN}"
        f" | no shift below full - {GOAL_WORST} | lowest by chance | shifts surely below |",
        "|---|---|---|---|---:|---:|",
    ]
    for policy in ("statistics", "affine", "first_blocks", "sensitive_blocks", "sparse", "auto"):
        entries = [shift["policies"][policy] for shift in network["shifts"]]
        share = 100 * max(s for e in entries for s in e["bytes"]) / network["parameter_bytes"]
        mean = float(np.mean([difference(e) for e in entries]))
        worst = min(map(difference, entries))
        errors = [error(each, network["errors"][policy]) for each in entries]
        row = [
            _name(network, policy),
            f"{share:.2f} %, {_verdict(share <= GOAL_SHARE)}",
            f"{mean:+.2f}, {_verdict(mean >= -GOAL_MEAN)}",
            f"{worst:+.2f}, {_verdict(worst >= -GOAL_WORST)}",
            *_by_chance(mean, entries, errors),
        ]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _by_chance(
    mean: float, entries: Sequence[Document], errors: Sequence[float | None]
) -> tuple[str, str]:
    """Return the lowest difference by chance, and how many shifts are surely below the goal."""
    known = [each for each in errors if each is not None]
    if len(known) < len(errors):
        return "", ""
    typical = float(np.sqrt(np.mean(np.square(known))))
    lowest = mean - typical * NormalDist().inv_cdf(0.5 ** (1 / len(entries)))
    both = zip(entries, known, strict=True)
    surely = sum(difference(entry) + 2 * each < -GOAL_WORST for entry, each in both)
    return f"{lowest:+.2f}", f"{surely} of {len(entries)}"


def by_seed(network: Document) -> str:
    """Return the table of mean differences to full fine-tuning by seed in Markdown."""
    seeds = range(network["seeds"])
    lines = [
        f"| policy | {' | '.join(f'seed {seed}' for seed in seeds)} |",
        f"|---|{'---:|' * len(seeds)}",
    ]
    images = network["sizes"]["report"]
    for policy in ("statistics", "affine", "last_layer", "sparse", "full, same bytes", "auto"):
        of = [shift["policies"][policy] for shift in network["shifts"]]
        better = np.mean([np.subtract(entry["gained"], entry["lost"]) for entry in of], axis=0)
        figures = " | ".join(f"{points:+.2f}" for points in 100 * better / images)
        lines.append(f"| {_NAMES[policy]} | {figures} |")
    return "\n".join(lines)


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def times(network: Document) -> str:
    """Return the table of times from sending a package to the first answer by it in Markdown.

    Where `auto` sends nothing there is no time, so bytes are the mean of the packages sent.
    """
    device = network["device"]
    device_ms = device["package_to_answer_us"] / 1e3
    lines = [
        f"On the device, {device['origin']}: {device['vectors']} test vectors, then an inference of"
        f" {device['inference_us'] / 1e3:.3f} ms. The link, of {LINK_BITS_PER_S // 1000} kbit/s, is"
        " assumed.",
        "",
        "| policy | bytes, mean of those sent | on the link, s | on the device, ms"
        " | from sending to the first answer, s |",
        "|---|---:|---:|---:|---:|",
    ]
    for policy in _SENT:
        sizes = [s for shift in network["shifts"] for s in shift["policies"][policy]["bytes"]]
        mean_bytes = float(np.mean([size for size in sizes if size]))
        link_s = 8 * mean_bytes / LINK_BITS_PER_S
        lines.append(
            f"| {_name(network, policy)} | {mean_bytes:,.0f} | {link_s:.3f} | {device_ms:.3f}"
            f" | {link_s + device_ms / 1e3:.3f} |"
        )
    return "\n".join(lines)


def difference(entry: Mapping[str, Any]) -> float:
    """Return the points by which a policy is better than full fine-tuning."""
    return float(100 * (sum(entry["gained"]) - sum(entry["lost"])) / entry["images"])


def error(entry: Document, errors: Document) -> float | None:
    """Return the standard error of a shift's `difference`, in points; None where it is not known.

    Images count by the shift's own, trainings by what they scatter for all shifts.
    """
    if errors["training"] is None:
        return None
    moved = sum(entry["gained"]) + sum(entry["lost"])
    images = 100 * moved**0.5 / entry["images"]
    return float((images**2 + errors["training"] ** 2 / len(entry["bytes"])) ** 0.5)


def _name(network: Document, policy: str) -> str:
    """Return a policy's name in prose, with the number of seeds where it is not that of all."""
    seeds = len(network["shifts"][0]["policies"][policy]["bytes"])
    if seeds == network["seeds"]:
        return _NAMES[policy]
    return f"{_NAMES[policy]}, {seeds} seed{'s' if seeds > 1 else ''}"


def _error(points: float | None) -> str:
    return "" if points is None else f" ± {points:.1f}"


def _accuracy(entry: Mapping[str, Any]) -> float:
    return float(100 * entry["right"] / entry["images"])


def _shift(shift: Mapping[str, Any]) -> str:
    name = shift["corruption"].replace("_", " ").replace("jpeg", "JPEG")
    return f"{name}, {('mild', 'strong')[shift['severity']]}"


_TABLES = {
    "policies": overview, "goals": goals, "seeds": by_seed, "times": times, "shifts": by_shift
}  # fmt: skip


def with_tables(page: str, found: Document) -> str:
    """Return a page with the tables of a document between their marks.

    `<!-- table: NETWORK policies -->`, or `goals`, `seeds`, `times` or `shifts`, begins one, and
    `<!-- end -->` ends it. Networks that the document does not have keep what they show.
    """

    def table(mark: re.Match[str]) -> str:
        if mark[1] not in found:
            return mark[0]
        made = _TABLES[mark[2]](found[mark[1]])
        return f"<!-- table: {mark[1]} {mark[2]} -->\n\n{made}\n\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) (\w+) -->.*?<!-- end -->", table, page, flags=re.DOTALL)
