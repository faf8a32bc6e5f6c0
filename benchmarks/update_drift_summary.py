"""One document of all cells of a network of `benchmarks.update_drift`.

A shift is a corruption at a severity; its accuracy counts the images of all seeds. Policies are
compared with full fine-tuning on the same images: `gained` images are answered right by the policy
alone and `lost` ones by full fine-tuning alone, so that the difference of their shares has the
standard error `sqrt(gained + lost) / images`.
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
        ModelError: one of them has not been run.
    """
    missing = [path.name for path in files if not path.exists()]
    if missing:
        raise ModelError(
            f"{len(missing)} of {len(files)} cells have not been run, such as {missing[0]}; run all"
            " parts first, or ask for fewer seeds"
        )
    cells = [json.loads(path.read_text()) for path in files]
    by_shift: dict[tuple[str, int], list[Document]] = defaultdict(list)
    for cell in cells:
        by_shift[cell["corruption"], cell["severity"]].append(cell)
    first = cells[0]
    return {
        "parameter_bytes": first["parameter_bytes"],
        "budget_bytes": first["budget_bytes"],
        "sizes": first["sizes"],
        "recipe": {name: value for name, value in first["recipe"].items() if name != "seed"},
        "cells": len(cells),
        "seeds": len({cell["seed"] for cell in cells}),
        "processor_s": round(sum(cell["processor_s"] for cell in cells)),
        "chosen": dict(Counter(cell["policies"]["auto"]["chose"] for cell in cells)),
        "shifts": [
            {"corruption": name, "severity": severity, "policies": _policies(of_shift)}
            for (name, severity), of_shift in sorted(by_shift.items())
        ],
    }


def _policies(cells: Sequence[Document]) -> Document:
    rights = {
        policy: np.concatenate([_bits(cell, policy) for cell in cells])
        for policy in cells[0]["policies"]
    }
    rival = rights[RIVAL]
    return {
        policy: {
            "bytes": [cell["policies"][policy]["bytes"] for cell in cells],
            "right": int(right.sum()),
            "images": len(right),
            "gained": int((right & ~rival).sum()),
            "lost": int((rival & ~right).sum()),
        }
        for policy, right in rights.items()
    }


def _bits(cell: Document, policy: str) -> NDArray[np.bool_]:
    packed = np.frombuffer(bytes.fromhex(cell["policies"][policy]["report"]), np.uint8)
    return np.unpackbits(packed)[: cell["sizes"]["report"]].astype(bool)


def text(found: Document) -> str:
    """Return a document in JSON, what has no parts of its own on one line."""
    indented = json.dumps(found, indent=1)
    return re.sub(r"\{[^{}]*\}", lambda part: " ".join(part[0].split()), indented) + "\n"
