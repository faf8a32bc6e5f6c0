"""JSON files that commands of a study keep for its report: read back, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fpga_rt.errors import ArtifactError

Json = dict[str, Any]


def read_json(path: Path, kind: tuple[str, int], what: str, again: str) -> Json:
    """Return what a file holds.

    Args:
        path: of the file.
        kind: its `format` and `version`.
        what: it is, for messages.
        again: the command that makes it again.

    Raises:
        ArtifactError: it cannot be read, or is of another format.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); {again}") from error
    if not isinstance(data, dict) or (data.get("format"), data.get("version")) != kind:
        raise ArtifactError(f"{path} is no {what} of version {kind[1]}; {again}")
    return data
