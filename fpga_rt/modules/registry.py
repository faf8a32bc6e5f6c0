"""Find the modules that are installed: this package's own and those of others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import entry_points

from fpga_rt.errors import PlanningError, ToolchainError
from fpga_rt.modules.module import Module

GROUP = "fpga_rt.modules"


@lru_cache(maxsize=1)
def modules() -> tuple[Module, ...]:
    """Return every variant of every module behind the entry point group.

    Raises:
        ToolchainError: a module package fails to import, or two variants share a name.
    """
    found: dict[str, Module] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        try:
            variants: tuple[Module, ...] = entry.load()()
        except ImportError as error:
            raise ToolchainError(
                f"module package {entry.value} does not import: {error}; reinstall or remove it"
            ) from error
        for variant in variants:
            if variant.name in found:
                raise ToolchainError(
                    f"two module packages offer {variant.name}, the second is {entry.value};"
                    " remove one"
                )
            found[variant.name] = variant
    if not found:
        raise ToolchainError("no modules are installed; run `pip install fpga-rt` again")
    return tuple(found.values())


def named(names: Sequence[str]) -> tuple[Module, ...]:
    """Return the installed variants of these names, in this order.

    Raises:
        PlanningError: one is not installed.
    """
    installed = {module.name: module for module in modules()}
    unknown = [name for name in names if name not in installed]
    if unknown:
        raise PlanningError(f"unknown module {unknown[0]!r}: installed are {', '.join(installed)}")
    return tuple(installed[name] for name in names)


@lru_cache(maxsize=1)
def by_identity() -> dict[int, Module]:
    """Return the installed variants by `module_id`."""
    return {module.module_id: module for module in modules()}
