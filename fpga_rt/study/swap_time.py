"""How long a swap takes by each way that a board has, and which part of it is whose.

A way is a port with its software: the port's own time, what programs that use the DRAM add to it,
the kernel's path to it, and the host's program. Each part is a range with its origin; a total is a
sum of ranges and is modelled. A way without software or kernel is the port alone, as on bare metal:
no program on a host is counted in it. Of the kernel's path nobody published a figure for itself, so
it is bounded: at least nothing, as on bare metal, and at most what a whole `fpgautil` run takes
longer than the port.

Ref: Vivado Design Suite User Guide: Dynamic Function eXchange
Document: UG909, Configuration Time (ICAP 400 MB/s, JTAG 66 Mb/s on 7-series)
Ref: Kang and Park, Sensors 25(24), 7448, December 2025 (0.11 to 0.17 s)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fpga_rt.arch.boards import Board
from fpga_rt.arch.families import SERIES7
from fpga_rt.arch.partials import full_bytes
from fpga_rt.arch.ports import ConfigurationPort

Origin = Literal["document", "simulated", "measured", "assumed", "calibrated", "bounded"]
PARTS = ("software", "kernel", "port", "contention")
PUBLISHED_MS = (110.0, 170.0)
PUBLISHED = "Kang and Park, Sensors 25(24), 7448 (2025), a layer's update, measured by its authors"

_PS_PER_MS = 10**9
_PS_PER_US = 10**6


@dataclass(frozen=True)
class Part:
    """A part of a swap: picoseconds at least and at most, and where they come from."""

    name: str
    low_ps: int
    high_ps: int
    origin: Origin
    source: str


@dataclass(frozen=True)
class Way:
    """A port with its software.

    Attributes:
        name: what it is.
        parts: of `PARTS`, in that order; what is left out takes no time here.
        rate: bytes a second of the port.
    """

    name: str
    parts: tuple[Part, ...]
    rate: int

    @property
    def low_ps(self) -> int:
        """The least that a swap takes."""
        return sum(part.low_ps for part in self.parts)

    @property
    def high_ps(self) -> int:
        """The most."""
        return sum(part.high_ps for part in self.parts)

    def bytes_in(self, time_ps: int) -> int:
        """Return how much the port takes in a time, its set-up and all software left out."""
        return round(self.rate * time_ps / 10**12)


def ways(board: Board, size_bytes: int) -> list[Way]:
    """Return the ways to load a partial bitstream of a size, fastest port first.

    Args:
        board: whose ports.
        size_bytes: of the bitstream.
    """
    found = [_alone(_title(port), port, size_bytes) for port in board.ports.values()]
    if board.device.family is SERIES7:
        found += _of_7_series(size_bytes)
    pcap = board.ports.get("pcap")
    if pcap is not None:
        found += _through_linux(pcap, size_bytes)
    return sorted(found, key=lambda way: (way.low_ps, way.high_ps))


def full_way(board: Board) -> tuple[int, Way] | None:
    """Return the bytes of a full bitstream and its way through PCAP, None where not known."""
    size_bytes, port = full_bytes(board.device), board.ports.get("pcap")
    if size_bytes is None or port is None:
        return None
    return size_bytes, _alone("full bitstream by PCAP, bare metal", port, size_bytes)


def _title(port: ConfigurationPort) -> str:
    return {
        "icap": "ICAP, as others measured a controller" if port.origin == "measured" else "ICAP",
        "pcap": "PCAP, bare metal",
    }.get(port.name, port.name)


def _alone(name: str, port: ConfigurationPort, size_bytes: int) -> Way:
    time_ps = port.load_ps(size_bytes)
    part = Part("port", time_ps, time_ps, port.origin, port.source)
    return Way(name, (part, *_contention(port, size_bytes)), port.bytes_per_second)


def _contention(port: ConfigurationPort, size_bytes: int) -> Iterator[Part]:
    """Yield what programs that use the DRAM add, where somebody measured that."""
    if port.contention_range_percent is None:
        return
    low, high = port.contention_range_percent
    most_ps = port.transfer_ps(size_bytes) * high // 100
    yield Part(
        "contention", 0, most_ps, "measured",
        f"0 while no program uses the DRAM, else {low} to {high} % of the transfer"
        f" ({port.source.partition(',')[0]}, sequential accesses)",
    )  # fmt: skip


_RATES: tuple[tuple[str, int, Origin, str], ...] = (
    ("ICAP, every clock (its ceiling)", 400_000_000, "document", "UG909: 100 MHz x 32 bits"),
    ("ICAP, this project's controller", 399_600_000, "simulated",
     "0.999 words a clock of its RTL: python -m benchmarks --only simulation"),
    ("ICAP, AXI HWICAP fed by a DMA", 67_000_000, "measured", "published for AXI HWICAP"),
    ("ICAP, AXI HWICAP fed by the processor", 19_000_000, "measured", "published for AXI HWICAP"),
    ("JTAG", 8_250_000, "document", "UG909: 66 Mb/s"),
)  # fmt: skip


def _of_7_series(size_bytes: int) -> Iterator[Way]:
    for name, rate, origin, source in _RATES:
        time_ps = -(-size_bytes * 10**12 // rate)
        yield Way(name, (Part("port", time_ps, time_ps, origin, source),), rate)


_OWN_US = (87, 330)
_PR_DOWNLOAD_US = (5_100, 24_000)


def _through_linux(pcap: ConfigurationPort, size_bytes: int) -> Iterator[Way]:
    time_ps = pcap.load_ps(size_bytes)
    port = Part("port", time_ps, time_ps, pcap.origin, pcap.source)
    for name, (low, high), source in (
        ("PCAP, this project through fpga_manager", _OWN_US,
         "measured on x86: python -m benchmarks --only swap pynq_swap"),
        ("PCAP, PYNQ's pr_download", _PR_DOWNLOAD_US,
         "measured on x86, few to 28 IPs: python -m benchmarks --only pynq_swap"),
    ):  # fmt: skip
        software = Part("software", low * _PS_PER_US, high * _PS_PER_US, "measured", source)
        parts = (software, *_kernel(pcap), port, *_contention(pcap, size_bytes))
        yield Way(name + _unknown(pcap), parts, pcap.bytes_per_second)


def _kernel(pcap: ConfigurationPort) -> Iterator[Part]:
    """Yield what the kernel's path adds; a calibrated port was measured with it."""
    if pcap.kernel_range_ms is None:
        return
    _, most_ms = pcap.kernel_range_ms
    yield Part(
        "kernel", 0, most_ms * _PS_PER_MS, "bounded",
        f"0 is bare metal; {most_ms} ms at most: {pcap.kernel_source}",
    )  # fmt: skip


def _unknown(pcap: ConfigurationPort) -> str:
    known = pcap.kernel_range_ms is not None or pcap.origin == "calibrated"
    return "" if known else " (kernel not known)"
