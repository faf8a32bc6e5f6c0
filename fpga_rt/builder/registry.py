"""Find what makes projects for a vendor's tool: it lies beside the gateware, not in here."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from fpga_rt.arch.boards import Board
from fpga_rt.builder.choice import Choice
from fpga_rt.builder.project import Project
from fpga_rt.errors import ToolchainError

GROUP = "fpga_rt.builders"
"""Entry points: the name is a tool's, the value makes a project for it."""

Builder = Callable[[Board, Choice, Callable[[str], None]], Project]
"""Takes a board, a choice of modules, and what it tells that it begins with what takes long."""


def builder(tool: str) -> Builder:
    """Return what makes projects for a tool.

    Raises:
        ToolchainError: no package offers it, two do, or it does not import.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise ToolchainError(
                f"two packages offer projects for {entry.name}: {other.value} and {entry.value};"
                " remove one"
            )
    if tool not in found:
        raise ToolchainError(
            f"nothing here makes projects for {tool!r}: expected one of"
            f" {', '.join(sorted(found)) or 'those of an installed package'}"
        )
    try:
        make: Builder = found[tool].load()
    except (ImportError, AttributeError) as error:
        raise ToolchainError(
            f"the gateware is not here ({found[tool].value}: {error}); projects are made in a clone"
            " of the repository: run `pip install -e '.[sim]'` there"
        ) from error
    return make
