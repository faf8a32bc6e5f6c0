"""The report of a self-check: checks, loads and figures, to be sent or calibrated by."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np

from fpga_rt import __version__
from fpga_rt.arch.boards import Board
from fpga_rt.arch.measurements import Figure, Measurements
from fpga_rt.device.diagnosis import Finding
from fpga_rt.device.interface import Capabilities
from fpga_rt.selfcheck.checks import Check
from fpga_rt.selfcheck.swaps import Swap

_PS_PER_US = 10**6


@dataclass(frozen=True)
class LoadTimes:
    """The loads of one module into one partition through one port: shortest, median, longest.

    Attributes:
        partition: name.
        module: name.
        port: name.
        size_bytes: what the port moved.
        total_us: of all phases together, the three of them.
        phases_us: median of each phase.
    """

    partition: str
    module: str
    port: str
    size_bytes: int
    total_us: tuple[float, float, float]
    phases_us: Mapping[str, float]


@dataclass
class Report:
    """What a self-check found.

    Attributes:
        board: as it is modelled.
        device: as in `--device`.
        command: that was run.
        measured: when, ISO 8601.
        capabilities: of the device, None when it could not be opened.
        findings: what the device found of what it needs, before it was opened.
        checks: in the order in which they ended.
        swaps: every load that brought its module.
        values: figures by name, value and unit.
    """

    board: Board
    device: str
    command: str
    measured: str
    capabilities: Capabilities | None = None
    findings: Sequence[Finding] = ()
    checks: Sequence[Check] = ()
    swaps: list[Swap] = field(default_factory=list)
    values: dict[str, tuple[float, str]] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, Figure]:
        """The figures with what says where they come from; none without a device."""
        if self.capabilities is None:
            return {}
        clock, origin = self.capabilities.clock, self.capabilities.origin
        return {
            name: Figure(name, value, unit, clock, origin, self.command, self.board.name)
            for name, (value, unit) in self.values.items()
        }

    @property
    def loads(self) -> list[LoadTimes]:
        """The loads by partition, module and port, in the order of the first of each."""
        groups: dict[tuple[int, str, str], list[Swap]] = defaultdict(list)
        for swap in self.swaps:
            groups[swap.partition, swap.module, swap.port].append(swap)
        return [self._times(group) for group in groups.values()]

    def data(self) -> dict[str, Any]:
        """Return the file's content, which `fpga-rt calibrate` takes."""
        measurements = Measurements(self.board.name, self.device, self.measured, self.figures)
        return measurements.data("selfcheck") | {
            "fpga_rt": __version__,
            "machine": {
                "system": platform.system(),
                "release": platform.release(),
                "machine": platform.machine(),
                "python": platform.python_version(),
                "numpy": np.__version__,
            },
            "clock": self.capabilities.clock if self.capabilities else None,
            "origin": self.capabilities.origin if self.capabilities else None,
            "assumptions": list(self.capabilities.assumptions) if self.capabilities else [],
            "findings": [asdict(finding) | {"state": finding.state} for finding in self.findings],
            "checks": [
                {
                    "name": check.name,
                    "result": check.result,
                    "detail": check.detail,
                    "error": type(check.error).__name__ if check.error else None,
                    "exit_code": check.exit_code,
                }
                for check in self.checks
            ],
            "loads": [vars(times) for times in self.loads],
        }

    def _times(self, group: Sequence[Swap]) -> LoadTimes:
        first = group[0]
        totals = [swap.total_ps for swap in group]
        return LoadTimes(
            self.board.partitions[first.partition].name,
            first.module,
            first.port,
            first.size_bytes,
            (_us(min(totals)), _us(median(totals)), _us(max(totals))),
            {name: _median_us(s.phases_ps[name] for s in group) for name in first.phases_ps},
        )


def _median_us(values_ps: Iterable[int]) -> float:
    return _us(median(values_ps))


def _us(value_ps: float) -> float:
    return round(value_ps / _PS_PER_US, 3)
