"""What the points of a study share: networks, boards, deployments, timelines, static designs.

Everything is made once for each setting it depends on, and kept: a thousand points of one trace
compile a handful of times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fpga_rt import frontend
from fpga_rt.arch.boards import Board
from fpga_rt.arch.boards import board as board_of
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import FpgaRtError, PlanningError
from fpga_rt.modules.registry import named
from fpga_rt.network.graph import Network
from fpga_rt.planner.baseline import SharedBaseline, StaticDesigns
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.relocation import movable
from fpga_rt.planner.timelines import Timelines
from fpga_rt.planner.together import compile_together
from fpga_rt.study.axes import ALL, Point
from fpga_rt.study.file import Study
from fpga_rt.study.values import calibrated

Partitions = int | tuple[int, ...] | None
"""How many, or which; None for all."""


class Context:
    """A study's networks, and what was made of them so far."""

    def __init__(self, study: Study) -> None:
        """Serve a study; nothing is loaded before it is asked for."""
        self.study = study
        self._known: dict[tuple[object, ...], Any] = {}

    def board(self, point: Point) -> Board:
        """Return the board of a point: calibrated, with its port, contention and bitstreams."""
        target: Board = self._once(
            ("board", point.board, point.calibration),
            lambda: calibrated(board_of(point.board), point.calibration),
        )
        port = target.default_port if point.port == "default" else point.port
        ports = dict(target.ports)
        if point.contention >= 0:
            ports[port] = replace(ports[port], contention_percent=point.contention)
        partitions = tuple(
            replace(p, bitstream_bytes=self._bytes(p.bitstream_bytes, p.plain_bytes, point))
            for p in target.partitions
        )
        return replace(target, default_port=port, ports=ports, partitions=partitions)

    def deployments(self, point: Point, names: Sequence[str]) -> dict[str, Deployment]:
        """Return networks compiled for a point, with bitstreams for wherever a module fits.

        Raises:
            FpgaRtError: one does not fit.
        """
        board = self.board(point)
        settings = (point.board, point.calibration, point.port, point.bitstream)
        key = ("compiled", *settings, point.partitions, point.modules)
        if point.placement == "together":
            found: dict[str, Deployment] = self._once(
                (*key, tuple(names), point.batch), lambda: self._together(board, point, names)
            )
            return found
        return {
            name: self._once((*key, name), partial(self._apart, board, point, name))
            for name in names
        }

    def timelines(self, point: Point) -> Timelines:
        """Return what is known of how long launches take: it does not depend on loads."""
        found: Timelines = self._once(
            ("timelines", point.board, point.calibration), lambda: Timelines(self.board(point))
        )
        return found

    def static(
        self, point: Point, names: Sequence[str], weights: Sequence[float]
    ) -> SharedBaseline | None:
        """Return the static design for the networks of a point in the same area."""
        found: SharedBaseline | None = self._once(
            (*self._area(point, names), point.batch, tuple(weights)),
            lambda: self._designs(point, names).best(point.batch, weights),
        )
        return found

    def static_of(
        self, point: Point, names: Sequence[str], modules: Sequence[str], batch: int
    ) -> SharedBaseline:
        """Return what a static design of a point takes for another batch than the point's."""
        found: SharedBaseline = self._once(
            (*self._area(point, names), batch, "of", tuple(modules)),
            lambda: self._designs(point, names).of(modules, batch),
        )
        return found

    def _designs(self, point: Point, names: Sequence[str]) -> StaticDesigns:
        networks = [self._network(name) for name in names]
        designs: StaticDesigns = self._once(
            self._area(point, names),
            lambda: StaticDesigns(networks, self.board(point), _partitions(point)),
        )
        return designs

    @staticmethod
    def _area(point: Point, names: Sequence[str]) -> tuple[object, ...]:
        return ("static", point.board, point.calibration, point.partitions, tuple(names))

    def _network(self, name: str) -> Network:
        path = self.study.networks[name].path
        network: Network = self._once(("network", name), lambda: frontend.load(path))
        return network

    def _apart(self, board: Board, point: Point, name: str) -> Deployment:
        modules = None if isinstance(point.modules, str) else named(point.modules)
        own = self.study.networks[name].partitions
        partitions = _partitions(point)
        home = partitions if own is None else own
        compiled = compile_network(self._network(name), board, home, modules)
        return movable(compiled, board, partitions)

    def _together(self, board: Board, point: Point, names: Sequence[str]) -> dict[str, Deployment]:
        own = [name for name in names if self.study.networks[name].partitions is not None]
        if own or point.modules != ALL:
            what = f"{', '.join(own)} have partitions of their own" if own else "modules are chosen"
            raise PlanningError(
                f"networks planned together choose among all of a point's partitions and modules,"
                f" but {what}; leave that out, or plan them apart"
            )
        networks, partitions = [self._network(name) for name in names], _partitions(point)
        found = compile_together(networks, board, partitions, point.batch)
        moved = [movable(deployment, board, partitions) for deployment in found]
        return dict(zip(names, moved, strict=True))

    def _once(self, key: tuple[object, ...], make: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Return what was made for a key, made now if it was not; errors are kept as well."""
        if key not in self._known:
            try:
                self._known[key] = make()
            except FpgaRtError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, FpgaRtError):
            raise found
        return found

    @staticmethod
    def _bytes(reset_bytes: int, plain_bytes: int, point: Point) -> int:
        if isinstance(point.bitstream, str):
            return plain_bytes if point.bitstream == "plain" else reset_bytes
        return max(1, round(reset_bytes * point.bitstream))


def _partitions(point: Point) -> Partitions:
    return None if isinstance(point.partitions, str) else point.partitions
