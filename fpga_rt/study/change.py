"""What a change of network costs published designs: by a fixed load time, and by calibrated ones.

A design's inferences a second are published; its full bitstream goes through a port whose rate was
measured. Both are put into the formula that fpgaConvNet's models use for designs that take turns on
a device, `load + images x inference`, in place of one time for every device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fpga_rt.arch.boards import board, boards
from fpga_rt.arch.devices import device, devices
from fpga_rt.arch.partials import full_bytes
from fpga_rt.arch.ports import ConfigurationPort
from fpga_rt.arch.ports import port as port_of
from fpga_rt.study.text_file import read_text
from fpga_rt.study.toml_file import TomlFile
from fpga_rt.study.values import above_zero, is_text, one_of, positive

_PS_PER_MS = 10**9
_TABLES = ("change", "design")
_CHANGE_KEYS = ("title", "fixed_ms", "fixed_source", "port")
_DESIGN_KEYS = ("part", "full_bytes", "inferences_per_s", "regions")


@dataclass(frozen=True)
class Design:
    """A published design.

    Attributes:
        name: board and network.
        part: the FPGA.
        inference_ms: of an image, published.
        full_bytes: of the full bitstream.
        full_ms: of loading it, modelled.
        regions_ms: of loading every region of a board with partitions by its own port, modelled;
            None where no such board is known.
        regions_port: that port, empty where none is.
    """

    name: str
    part: str
    inference_ms: float
    full_bytes: int
    full_ms: float
    regions_ms: float | None
    regions_port: str = ""

    def first_ms(self, load_ms: float) -> float:
        """Return the latency of the first image after a change."""
        return load_ms + self.inference_ms

    def images_to_halve(self, load_ms: float) -> float:
        """Return how many images take as long as a change."""
        return load_ms / self.inference_ms


@dataclass(frozen=True)
class Changes:
    """Published designs, and the fixed time that a change of any of them is charged with."""

    title: str
    fixed_ms: float
    fixed_source: str
    port: ConfigurationPort
    designs: Sequence[Design]


def read(path: Path) -> Changes:
    """Read published designs.

    Raises:
        ArtifactError: the file cannot be read, or something in it is wrong or missing.
        ToolchainError: this Python has no reader of TOML.
    """
    return _Reader(path, read_text(path)).changes()


class _Reader(TomlFile):
    """What a file of published designs says."""

    tables = _TABLES
    form = "a file of published designs"

    def changes(self) -> Changes:
        self._check_keys((), self._data, _TABLES)
        self._check_keys(("change",), self._table("change"), _CHANGE_KEYS)
        port: ConfigurationPort = self._checked(("change", "port"), _port)
        return Changes(
            title=self._checked(("change", "title"), is_text, self._path.stem),
            fixed_ms=self._checked(("change", "fixed_ms"), above_zero),
            fixed_source=self._checked(("change", "fixed_source"), is_text),
            port=port,
            designs=[self._design(name, port) for name in self._table("design")],
        )

    def _design(self, name: str, port: ConfigurationPort) -> Design:
        at = ("design", name)
        self._check_keys(at, self._table(*at), _DESIGN_KEYS)
        part: str = self._checked((*at, "part"), is_text)
        known = full_bytes(device(part)) if part in devices() else None
        size_bytes: int = self._checked((*at, "full_bytes"), positive, known)
        rate: float = self._checked((*at, "inferences_per_s"), above_zero)
        named: str = self._checked((*at, "regions"), one_of((*boards(), "")), "")
        full_ms = port.load_ps(size_bytes) / _PS_PER_MS
        regions_ms, by = _regions(named) if named else (None, "")
        return Design(name, part, 1e3 / rate, size_bytes, full_ms, regions_ms, by)


def _regions(name: str) -> tuple[float, str]:
    """Return what loading all regions of a board takes, and by which port."""
    target = board(name)
    port = target.ports[target.default_port]
    loads = (port.load_ps(partition.bitstream_bytes) for partition in target.partitions)
    return sum(loads) / _PS_PER_MS, port.name


def _port(value: object) -> ConfigurationPort:
    return port_of(is_text(value))
