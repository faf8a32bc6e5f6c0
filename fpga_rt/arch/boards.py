"""Boards: a device, its floorplan, its configuration ports and its memories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from fpga_rt.arch import data_files, floorplan, ports
from fpga_rt.arch.devices import Device, device
from fpga_rt.arch.floorplan import Partition, Rectangle
from fpga_rt.arch.ports import ConfigurationPort
from fpga_rt.arch.resources import Resources
from fpga_rt.errors import DeviceError


@dataclass(frozen=True)
class MemoryPort:
    """A 64-bit port to a memory: compute cycles to the first beat, and for the beats after it.

    `numerator / denominator` is the cost of a beat of 8 bytes in cycles at the port itself;
    `shared_numerator / shared_denominator` is its cost in the memory behind all ports.
    `burst_beats` of a burst are stored together, once the last of them is there.
    """

    latency_cycles: int
    numerator: int = 1
    denominator: int = 1
    shared_numerator: int = 0
    shared_denominator: int = 1
    burst_beats: int = 1

    def shared(self, ports: int) -> MemoryPort:
        """Return the port when `ports` of its kind divide the memory's bandwidth evenly."""
        numerator = ports * self.shared_numerator
        if numerator * self.denominator <= self.numerator * self.shared_denominator:
            rate = (self.numerator, self.denominator)
        else:
            rate = (numerator, self.shared_denominator)
        return MemoryPort(self.latency_cycles, *rate, burst_beats=self.burst_beats)

    def cycles(self, beats: int) -> int:
        """Return the cycles that `beats` take once they flow, rounded up; latency comes apart."""
        return -(-beats * self.numerator // self.denominator)


@dataclass(frozen=True)
class Board:
    """A board as the planner and the devices see it.

    Attributes:
        name: what `--board` takes.
        title: its name in prose.
        device: the FPGA.
        clock_ps: period of the compute clock.
        partitions: the reconfigurable partitions, by index.
        ports: the configuration ports by name.
        default_port: name of the port that loads use unless told otherwise.
        dram: the static region's port to DRAM.
        on_chip: the port to feature memory in the static region.
        feature_memory_bytes: size of that memory.
        estimate: whether the floorplan is declared because the geometry is unknown.
        assumed: what is assumed of a memory, as a sentence, by what it is about: `dram port` or
            `dram shared`.
        remarks: what else a reader of its figures must know, a sentence each.
        swap_software_ps: what the host's software adds to a swap.
        calibration: which measurements replaced parameters, empty for none.
    """

    name: str
    title: str
    device: Device
    clock_ps: int
    partitions: tuple[Partition, ...]
    ports: Mapping[str, ConfigurationPort] = field(hash=False)
    default_port: str
    dram: MemoryPort
    on_chip: MemoryPort
    feature_memory_bytes: int
    estimate: bool = False
    assumed: Mapping[str, str] = field(default_factory=dict, hash=False)
    remarks: tuple[str, ...] = ()
    swap_software_ps: int = 0
    calibration: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Assumptions a reader of its figures must know, a sentence each."""
        return (*self.assumed.values(), *self.remarks)

    @property
    def origin(self) -> Literal["modelled", "calibrated"]:
        """Where times come from that are computed from its parameters."""
        return "calibrated" if self.calibration else "modelled"

    @property
    def origin_text(self) -> str:
        """The same in words: `modelled`, or the measurements that replaced parameters."""
        return self.calibration or self.origin

    @property
    def static_resources(self) -> Resources:
        """What the partitions leave to the static region, feature memory included."""
        return floorplan.static_resources(self.device, self.partitions)


@cache
def board(name: str) -> Board:
    """Return the board called `name`, for example `pynq-z2`.

    Raises:
        DeviceError: There is no data file of that name; the message lists those there are.
        PlanningError: Its floorplan is not legal on its device.
    """
    if name not in boards():
        raise DeviceError(f"unknown board {name!r}: use one of {', '.join(boards())}")
    return _parse(data_files.read("boards", name))


def boards() -> tuple[str, ...]:
    """Return the names of the boards there are, sorted."""
    return data_files.names("boards")


def _parse(data: Mapping[str, Any]) -> Board:
    chip = device(data["device"])
    partitions = tuple(_partition(chip, i, entry) for i, entry in enumerate(data["partitions"]))
    floorplan.check_disjoint(chip, partitions)
    return Board(
        name=data["name"],
        title=data["title"],
        device=chip,
        clock_ps=data["clock_ps"],
        partitions=partitions,
        ports={name: ports.port(key) for name, key in data["ports"].items()},
        default_port=data["default_port"],
        dram=_memory(data["memory"]["dram"]),
        on_chip=_memory(data["memory"]["on_chip"]),
        feature_memory_bytes=data["feature_memory_bytes"],
        estimate=any(partition.is_estimate for partition in partitions),
        assumed=data["assumed"],
        remarks=tuple(data["notes"]),
    )


def _memory(data: Mapping[str, Any]) -> MemoryPort:
    numerator, denominator = data["cycles_per_beat"]
    shared_numerator, shared_denominator = data.get("shared_cycles_per_beat", (0, 1))
    return MemoryPort(
        data["latency_cycles"],
        numerator,
        denominator,
        shared_numerator,
        shared_denominator,
        data.get("burst_beats", 1),
    )


def _partition(chip: Device, index: int, data: Mapping[str, Any]) -> Partition:
    if "declared" in data:
        declared = dict(data["declared"])
        amount = Resources(**declared.pop("resources"))
        return Partition(name=data["name"], index=index, resources=amount, **declared)
    rectangles = [
        Rectangle((first, last), tuple(rows)) for (first, last), rows in data["rectangles"]
    ]
    return floorplan.place(chip, data["name"], index, rectangles)
