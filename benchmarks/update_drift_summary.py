"""One document of all cells of a network of `benchmarks.update_drift`.

A shift is a corruption at a severity; its accuracy counts the images of all seeds. Policies are
compared with full fine-tuning on the same images: `gained` images are answered right by the policy
alone and `lost` ones by full fine-tuning alone, by seed.

Errors are those of a difference, in points, and hold what chance there is: which images are
reported on, which samples a device sent, and the order of training.

- `training`, of one cell: what the scatter between seeds, pooled over all shifts, exceeds that of
  single images by.
- `mean`, of the mean over shifts: those of a seed share the images that are reported on, so the
  images' part is the scatter of each image's sum over all shifts; trainings they do not share.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ModelError

RIVAL = "full"
Document = dict[str, Any]


def document(files: Sequence[Path]) -> Document:
    """Return what the cells of one network say.

    Raises:
        ModelError: one of them has not been run, or they were not run alike.
    """
    missing = [path.name for path in files if not path.exists()]
    if missing:
        raise ModelError(
            f"{len(missing)} of {len(files)} cells have not been run, such as {missing[0]}; run all"
            " parts first, or ask for fewer seeds"
        )
    cells = [json.loads(path.read_text()) for path in files]
    _check_alike(cells, files)
    by_shift: dict[tuple[str, int], list[Document]] = defaultdict(list)
    for cell in cells:
        by_shift[cell["corruption"], cell["severity"]].append(cell)
    first = cells[0]
    shifts = [
        {"corruption": name, "severity": severity, "policies": _policies(of_shift)}
        for (name, severity), of_shift in sorted(by_shift.items())
    ]
    return {
        "parameter_bytes": first["parameter_bytes"],
        "budget_bytes": first["budget_bytes"],
        "sizes": first["sizes"],
        "recipe": {name: value for name, value in first["recipe"].items() if name != "seed"},
        "cells": len(cells),
        "seeds": len({cell["seed"] for cell in cells}),
        "processor_s": round(sum(cell["processor_s"] for cell in cells)),
        "chosen": dict(Counter(cell["policies"]["auto"]["chose"] for cell in cells)),
        "errors": {policy: _errors(cells, shifts, policy) for policy in first["policies"]},
        "shifts": shifts,
    }


def _check_alike(cells: Sequence[Document], files: Sequence[Path]) -> None:
    """Refuse cells of another recipe, budget, base or number of images than the first one's.

    Raises:
        ModelError: there are some.
    """
    for cell, path in zip(cells, files, strict=True):
        for what in ("recipe", "sizes", "budget_bytes", "parameter_bytes", "base"):
            one, other = (_apart_from_seed(each.get(what)) for each in (cells[0], cell))
            if one != other:
                raise ModelError(
                    f"{what} of {path.name} is {other}, of {files[0].name} {one}; expected cells"
                    " of one run: remove one of them, and run what is missing again"
                )


def _apart_from_seed(value: object) -> object:
    if isinstance(value, dict):
        return {name: each for name, each in value.items() if name != "seed"}
    return value


def _policies(cells: Sequence[Document]) -> Document:
    found = {}
    for policy in cells[0]["policies"]:
        tried = [cell for cell in cells if policy in cell["policies"]]
        pairs = [(_bits(cell, policy), _bits(cell, RIVAL)) for cell in tried]
        found[policy] = {
            "bytes": [cell["policies"][policy]["bytes"] for cell in tried],
            "right": sum(int(right.sum()) for right, _ in pairs),
            "images": sum(len(right) for right, _ in pairs),
            "gained": [int((right & ~rival).sum()) for right, rival in pairs],
            "lost": [int((rival & ~right).sum()) for right, rival in pairs],
        }
    return found


def _errors(cells: Sequence[Document], shifts: Sequence[Document], policy: str) -> Document:
    """Return the standard errors of a policy's differences; None where there is but one seed."""
    by_seed: dict[int, list[NDArray[np.int64]]] = defaultdict(list)
    tried = [cell for cell in cells if policy in cell["policies"]]
    for cell in tried:
        by_seed[cell["seed"]].append(
            _bits(cell, policy).astype(np.int64) - _bits(cell, RIVAL).astype(np.int64)
        )
    seeds, images = len(by_seed), cells[0]["sizes"]["report"]
    if seeds < 2:
        return {"training": None, "mean": None}
    sums = [np.sum(of_shifts, axis=0) for of_shifts in by_seed.values()]
    shared = sum(images * float(each.var(ddof=1)) for each in sums) / (len(tried) * images) ** 2
    differences = [
        np.subtract(entry["gained"], entry["lost"]) / images
        for entry in (shift["policies"][policy] for shift in shifts)
    ]
    scatter = float(np.mean([each.var(ddof=1) for each in differences]))
    alone = float(np.mean([d.var(ddof=1) / images for each in by_seed.values() for d in each]))
    training = max(0.0, scatter - alone)
    of_mean = shared + training / len(tried)
    return {"training": 100 * training**0.5, "mean": 100 * of_mean**0.5}


def _bits(cell: Document, policy: str) -> NDArray[np.bool_]:
    packed = np.frombuffer(bytes.fromhex(cell["policies"][policy]["report"]), np.uint8)
    return np.unpackbits(packed)[: cell["sizes"]["report"]].astype(bool)


def text(found: Document) -> str:
    """Return a document in JSON, what has no parts of its own on one line."""
    indented = json.dumps(found, indent=1)
    return re.sub(r"\{[^{}]*\}", lambda part: " ".join(part[0].split()), indented) + "\n"
