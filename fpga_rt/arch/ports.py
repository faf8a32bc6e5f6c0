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
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fpga_rt.errors import DeviceError

Origin = Literal["measured", "document", "assumed"]

_PS_PER_S = 10**12


@dataclass(frozen=True)
class ConfigurationPort:
    """A port and its calibration.

    Attributes:
        name: what a board calls it: `icap` or `pcap`.
        bytes_per_second: the sustained rate that loads are charged with.
        origin: where the sustained rate comes from.
        source: who measured or documented it.
        ceiling_bytes_per_second: clock times width where documented, never exceeded.
        setup_ps: time before the first word.
        contention_percent: how much longer the transfer takes because programs use the DRAM.
        contention_range_percent: lowest and highest measured with sequential accesses, if any.
    """

    name: str
    bytes_per_second: int
    origin: Origin
    source: str
    ceiling_bytes_per_second: int | None = None
    setup_ps: int = 0
    contention_percent: int = 0
    contention_range_percent: tuple[int, int] | None = None

    def load_ps(self, size_bytes: int) -> int:
        """Return the picoseconds that `size_bytes` take, rounded up; exact integer arithmetic.

        Raises:
            ValueError: The size is negative.
        """
        if size_bytes < 0:
            raise ValueError(f"a bitstream of {size_bytes} bytes")
        work = size_bytes * _PS_PER_S * (100 + self.contention_percent)
        return self.setup_ps - (-work // (100 * self.bytes_per_second))


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
)

_ZYNQMP_PCAP = ConfigurationPort(
    name="pcap",
    bytes_per_second=680_000_000,
    origin="measured",
    source="DPR-Characterization, bare metal: 0.010 ms + bytes / 680 MB/s",
    setup_ps=10_000_000,
    contention_range_percent=(9, 77),
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

_PORTS = {
    "zynq7-icap": _ZYNQ7_ICAP,
    "zynq7-pcap": _ZYNQ7_PCAP,
    "zynqmp-pcap": _ZYNQMP_PCAP,
    "ultrascale-icap": _ULTRASCALE_ICAP,
    "stacked-icap": _STACKED_ICAP,
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
