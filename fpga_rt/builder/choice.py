"""Which modules are built for which partitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fpga_rt.arch.boards import Board
from fpga_rt.arch.floorplan import Partition
from fpga_rt.builder.card_platform import check_platform
from fpga_rt.errors import DeviceError, PlanningError
from fpga_rt.modules.module import Module
from fpga_rt.modules.registry import modules as installed
from fpga_rt.modules.registry import named


@dataclass(frozen=True)
class Choice:
    """What to build.

    Attributes:
        runs: the modules that get a partial bitstream, by partition.
        initial: the module that is in a partition while the static region is implemented. It does
            not depend on the runs, so more modules can be built later against the same region.
        platform: what a card's kernels are linked with; "" for the one that is known of the board.
    """

    runs: Mapping[str, tuple[Module, ...]]
    initial: Mapping[str, Module]
    platform: str = ""

    @property
    def modules(self) -> tuple[Module, ...]:
        """Every module that is needed, by name."""
        found = {m.name: m for modules in self.runs.values() for m in modules}
        found |= {module.name: module for module in self.initial.values()}
        return tuple(found[name] for name in sorted(found))


def choose(
    board: Board, wanted: Sequence[str] = (), initial: Sequence[str] = (), platform: str = ""
) -> Choice:
    """Return what to build.

    Args:
        board: the board.
        wanted: `MODULE` for every partition that it fits, or `MODULE@PARTITION`; every installed
            module by default.
        initial: `MODULE@PARTITION`; for a partition that is not named it is the installed module
            that fills it most, as the vendor advises to begin with the hardest (UG909, Building Up
            Implementation Requirements).
        platform: that the kernels of a card are linked with; "" for the one that is known of it.

    Raises:
        PlanningError: a module is unknown, or does not fit where it is wanted; or the platform is
            none of the board's card.
        DeviceError: the board has no such partition.
    """
    if platform:
        check_platform(platform, board)
    runs: dict[str, dict[str, Module]] = {p.name: {} for p in board.partitions}
    for text in wanted or [module.name for module in installed() if _places(board, module)]:
        name, _, place = text.partition("@")
        (module,) = named([name])
        for partition in _asked(board, module, place):
            runs[partition.name][module.name] = module
    first = {p.name: _largest(board, p) for p in board.partitions}
    for text in initial:
        name, _, place = text.partition("@")
        (module,) = named([name])
        for partition in _asked(board, module, place):
            first[partition.name] = module
    return Choice({name: tuple(found.values()) for name, found in runs.items()}, first, platform)


def _largest(board: Board, partition: Partition) -> Module:
    """Return the installed module that fills a partition most."""
    fitting = [module for module in installed() if partition in _places(board, module)]
    if not fitting:
        raise PlanningError(
            f"no installed module fits partition {partition.name} of {board.name}, which offers"
            f" {partition.resources}; make it larger, or install a smaller module"
        )
    return max(fitting, key=lambda module: (_share(module, partition), module.name))


def _share(module: Module, partition: Partition) -> float:
    """Return how much of a partition a module takes: what of it is scarcest counts."""
    need, offer = module.resources, partition.resources
    pairs: Iterable[tuple[int, int]] = (
        (need.lut, offer.lut),
        (need.dsp, offer.dsp),
        (need.bram36, offer.bram36),
    )
    return max(wanted / available for wanted, available in pairs if available)


def _asked(board: Board, module: Module, place: str) -> tuple[Partition, ...]:
    """Return the partitions that one argument asks for."""
    if not place:
        places = _places(board, module)
        if not places:
            offers = "; ".join(f"{p.name}: {p.resources}" for p in board.partitions)
            raise PlanningError(
                f"{module.name} takes {module.resources} and fits no partition of {board.name}"
                f" ({offers}); choose a smaller one"
            )
        return places
    found = [partition for partition in board.partitions if partition.name == place]
    if not found:
        known = ", ".join(partition.name for partition in board.partitions)
        raise DeviceError(f"board {board.name} has no partition {place!r}, expected one of {known}")
    if not module.resources.fits_in(found[0].resources):
        raise PlanningError(
            f"{module.name} takes {module.resources}, expected at most {found[0].resources} of"
            f" partition {place}; choose a larger partition or a smaller module"
        )
    return (found[0],)


def _places(board: Board, module: Module) -> tuple[Partition, ...]:
    return tuple(p for p in board.partitions if module.resources.fits_in(p.resources))
