"""Documents in JSON: their plain values by place, and the one way to write them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fpga_rt.errors import UpdateError
from fpga_rt.network.serialise import Json


def unfit(problem: str) -> UpdateError:
    """Return the refusal of changes that do not fit what they are to change."""
    return UpdateError(
        f"the package's changes do not fit its base: {problem}; make the package again", "damaged"
    )


def leaves(document: Json, place: str = "") -> list[tuple[str, str]]:
    """Return every plain value of a document: its place, and what it is in JSON.

    The length of a list counts as one, so that documents of other lists have other places.
    """
    if isinstance(document, dict):
        return [leaf for k, v in document.items() for leaf in leaves(v, f"{place}.{k}")]
    if isinstance(document, list):
        numbered = enumerate(document)
        return [(f"{place}#", str(len(document)))] + [
            leaf for i, v in numbered for leaf in leaves(v, f"{place}[{i}]")
        ]
    return [(place, json.dumps(document))]


def with_values(document: Json, values: Mapping[str, str], place: str = "") -> Json:
    """Return a document with other values in some places."""
    if isinstance(document, dict):
        return {k: with_values(v, values, f"{place}.{k}") for k, v in document.items()}
    if isinstance(document, list):
        return [with_values(v, values, f"{place}[{i}]") for i, v in enumerate(document)]
    return load(values[place]) if place in values else document


def dump(document: Json) -> str:
    """Return a document as text, the same for equal documents."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def load(text: str) -> Json:
    """Return the document that a text holds.

    Raises:
        UpdateError: it holds none.
    """
    try:
        found: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise unfit(f"a document that is no JSON ({error})") from error
    return found
