"""The package's own data files: JSON, one a device or board, read when asked for."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.abc import Traversable  # moves between Python versions

_SUFFIX = ".json"


@cache
def names(folder: str) -> tuple[str, ...]:
    """Return the names of the files of a folder of `data/`, without suffix, sorted."""
    files = (entry.name for entry in _folder(folder).iterdir())
    return tuple(sorted(name[: -len(_SUFFIX)] for name in files if name.endswith(_SUFFIX)))


def read(folder: str, name: str) -> dict[str, Any]:
    """Return the content of a file that `names` lists."""
    text = _folder(folder).joinpath(name + _SUFFIX).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def _folder(folder: str) -> Traversable:
    return resources.files("fpga_rt.arch").joinpath("data").joinpath(folder)
