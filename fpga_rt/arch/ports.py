"""Configuration ports: how long a bitstream takes to go through each.

Ref: Vivado Design Suite User Guide: Dynamic Function eXchange
Document: UG909, Configuration Time (maximum bandwidths)
Ref: DPR-Characterization, bare-metal measurements of the processor ports (Apache-2.0)
Document: github.com/alkalir/DPR-Characterization
Ref: ZyCAP, a DMA-fed controller for the 7-series ICAP
Document: the notes of its authors

A port takes a word per clock at best, and only if the memory behind it keeps up: an ICAP fed by a
processor over AXI reaches 19 MB/s of its 400. The ports of the processors (PCAP) have a DMA of
their own but less bandwidth, and programs that use the same DRAM slow them down.

A load is slowed only while such a program runs: `ended_ps` is the one place that says by how much.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fpga_rt.errors import DeviceError

Origin = Literal["measured", "document", "assumed", "calibrated"]

Interval = tuple[int, int]
"""First picosecond, and the one behind the last."""

_PS_PER_S = 10**12


@dataclass(frozen=True)
class ConfigurationPort:
    """A port and its calibration.

    Attributes:
        name: what a board calls it: `icap`, `pcap` or `xclbin`.
        bytes_per_second: the sustained rate that loads are charged with.
        origin: where the sustained rate comes from.
        source: who measured or documented it.
        ceiling_bytes_per_second: clock times width where documented, never exceeded.
        setup_ps: time before the first word.
        contention_percent: how much longer a transfer takes while a program uses the DRAM.
        contention_range_percent: lowest and highest measured with sequential accesses, if any.
        contention_source: who measured the contention, empty for an assumption.
        kernel_range_ms: lowest and highest time that an operating system's way to the port adds to
            a load, if any is known; no load is charged with it.
        kernel_source: who measured that.
    """

    name: str
    bytes_per_second: int
    origin: Origin
    source: str
    ceiling_bytes_per_second: int | None = None
    setup_ps: int = 0
    contention_percent: int = 0
    contention_range_percent: tuple[int, int] | None = None
    contention_source: str = ""
    kernel_range_ms: tuple[int, int] | None = None
    kernel_source: str = ""

    @property
    def origin_text(self) -> str:
        """Where the sustained rate comes from, for lists of assumptions."""
        return self.source if self.origin == "calibrated" else f"{self.origin} ({self.source})"

    @property
    def contention_text(self) -> str:
        """What its times assume about programs that use the DRAM, for lists of assumptions."""
        if self.contention_source:
            return f"contention: {self.contention_percent} %, {self.contention_source}"
        assumed = f"{self.contention_percent} %" if self.contention_percent else "none"
        if self.contention_range_percent is None:
            return f"contention: {assumed} assumed, not measured"
        low, high = self.contention_range_percent
        return f"contention: {assumed} assumed; measured range {low}-{high} %"

    @property
    def terms_text(self) -> str:
        """What may come on top of a load's time, each a term of its own, for such lists."""
        if self.kernel_range_ms is None:
            return self.contention_text
        low, high = self.kernel_range_ms
        return (
            f"{self.contention_text}; the kernel's path is not charged, {low}-{high} ms"
            f" ({self.kernel_source})"
        )

    def load_ps(self, size_bytes: int) -> int:
        """Return the picoseconds that `size_bytes` take while no program is in the way, rounded up.

        Raises:
            ValueError: The size is negative.
        """
        return self.setup_ps + self.transfer_ps(size_bytes)

    def transfer_ps(self, size_bytes: int) -> int:
        """Return the same without the time before the first word.

        Raises:
            ValueError: The size is negative.
        """
        if size_bytes < 0:
            raise ValueError(f"a bitstream of {size_bytes} bytes")
        return -(-size_bytes * _PS_PER_S // self.bytes_per_second)

    def ended_ps(
        self, started_ps: int, size_bytes: int, busy: Iterable[Interval] = (), factor: int = 1
    ) -> int:
        """Return when a load that starts at `started_ps` ends.

        Args:
            started_ps: when the port starts.
            size_bytes: of the bitstream.
            busy: when programs use the DRAM; in order, without overlaps.
            factor: how many times slower than calibrated the port is.

        Raises:
            ValueError: The size is negative.
        """
        work_ps = self.transfer_ps(size_bytes) * factor
        return stretched_end(started_ps + self.setup_ps, work_ps, busy, self.contention_percent)


def stretched_end(start_ps: int, work_ps: int, busy: Iterable[Interval], percent: int) -> int:
    """Return when `work_ps` picoseconds of transfer from `start_ps` on end, rounded up.

    While an interval of `busy` lasts, everything takes `percent` percent longer. The intervals are
    in order and do not overlap; those that are over before the start, or begin after the end, make
    no difference.
    """
    slow = 100 + percent
    left, now = work_ps * slow, start_ps  # in picoseconds / slow: all integers
    for begin, last in busy:
        first = max(begin, now)
        if last <= first:
            continue
        if left <= (first - now) * slow:
            break
        left -= (first - now) * slow
        if left <= (last - first) * 100:
            return first - (-left // 100)
        left -= (last - first) * 100
        now = last
    return now - (-left // slow)


_ZYNQ7_ICAP = ConfigurationPort(
    name="icap",
    bytes_per_second=382_000_000,
    ceiling_bytes_per_second=400_000_000,
    origin="measured",
    source="ZyCAP's notes: a DMA-fed controller, 382 of 400 MB/s (100 MHz x 32 bits, UG909)",
)

_ZYNQ7_PCAP = ConfigurationPort(
    name="pcap",
    bytes_per_second=128_500_000,
    origin="measured",
    source="DPR-Characterization, bare metal: 0.039 ms + bytes / 128.5 MB/s",
    setup_ps=39_000_000,
    kernel_range_ms=(21, 26),
    kernel_source="fpgautil, a full XC7Z010 of 2,083,740 bytes in 37-42 ms, 16 of them the port's",
)

_ZYNQMP_PCAP = ConfigurationPort(
    name="pcap",
    bytes_per_second=680_000_000,
    origin="measured",
    source="DPR-Characterization, bare metal: 0.010 ms + bytes / 680 MB/s",
    setup_ps=10_000_000,
    contention_range_percent=(9, 77),
    kernel_range_ms=(0, 901),
    kernel_source="fpgautil with a device-tree overlay took 901 ms in all",
)

_ULTRASCALE_ICAP = ConfigurationPort(
    name="icap",
    bytes_per_second=800_000_000,
    ceiling_bytes_per_second=800_000_000,
    origin="document",
    source="UG909: 200 MHz x 32 bits, the ceiling; no controller was measured",
)

_STACKED_ICAP = ConfigurationPort(
    name="icap",
    bytes_per_second=500_000_000,
    ceiling_bytes_per_second=500_000_000,
    origin="document",
    source="UG909: 125 MHz x 32 bits on stacked-silicon parts, the ceiling; no controller measured",
)

_XRT_XCLBIN = ConfigurationPort(
    name="xclbin",
    bytes_per_second=10_000_000,
    origin="document",
    source="XRT's documentation: an xclbin may take 8 s on a U250; 80 MB are charged with that",
)

_PORTS = {
    "zynq7-icap": _ZYNQ7_ICAP,
    "zynq7-pcap": _ZYNQ7_PCAP,
    "zynqmp-pcap": _ZYNQMP_PCAP,
    "ultrascale-icap": _ULTRASCALE_ICAP,
    "stacked-icap": _STACKED_ICAP,
    "xrt-xclbin": _XRT_XCLBIN,
}


def port(key: str) -> ConfigurationPort:
    """Return the port that a board's data file names, for example `zynq7-icap`.

    Raises:
        DeviceError: There is none of that name.
    """
    try:
        return _PORTS[key]
    except KeyError:
        raise DeviceError(
            f"unknown configuration port {key!r}: known are {', '.join(_PORTS)}"
        ) from None
