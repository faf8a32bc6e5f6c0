"""Find the RTL half of a module: this project's own and those of others."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from amaranth.lib.wiring import Component

from fpga_rt.errors import ToolchainError
from fpga_rt.modules.module import Module
from hw.blocks.boundary import BOUNDARY

GROUP = "fpga_rt.gateware"
"""Entry points: the name is a module's family, the value makes its RTL from its host half."""


def families() -> tuple[str, ...]:
    """Return the families that have gateware, sorted.

    Raises:
        ToolchainError: two packages offer gateware for one family.
    """
    return tuple(sorted(_entries()))


def gateware(module: Module) -> Component:
    """Return the RTL half of a module: a component with the ports of the module boundary.

    Raises:
        ToolchainError: no package offers gateware for the family, it does not import, it does not
            offer the lanes, or what it makes has other ports.
    """
    entries = _entries()
    if module.family not in entries:
        raise ToolchainError(
            f"module {module.name} has no gateware: expected one of the families"
            f" {', '.join(sorted(entries)) or 'of an installed package'}; register RTL for"
            f" {module.family} under the entry point group {GROUP}, or plan with modules that have"
            " it"
        )
    entry = entries[module.family]
    try:
        make = entry.load()
    except (ImportError, AttributeError) as error:
        raise ToolchainError(
            f"gateware {entry.value} of module {module.name} does not import: {error};"
            " reinstall or remove its package"
        ) from error
    component: Component = make(module)
    if getattr(component, "signature", None) != BOUNDARY.flip():
        raise ToolchainError(
            f"gateware {entry.value} of module {module.name} does not have the ports of the module"
            " boundary; give its component the signature hw.blocks.boundary.BOUNDARY.flip()"
        )
    return component


def _entries() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise ToolchainError(
                f"two packages offer gateware for {entry.name}: {other.value} and {entry.value};"
                " remove one"
            )
    return found
