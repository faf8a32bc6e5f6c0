"""Rate and set-up of a configuration port: a line through the loads of different sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fpga_rt.arch.ports import ConfigurationPort
from fpga_rt.selfcheck.checks import NotDoneError
from fpga_rt.selfcheck.swaps import Swap

_PS_PER_S = 10**12
_ABOVE_CEILING = 1.001
"""A fit this close above clock times width is that: the ends of loads are noticed in steps."""


@dataclass(frozen=True)
class Fit:
    """Time of a load: `setup_ps + bytes / bytes_per_second`.

    Attributes:
        bytes_per_second: sustained rate.
        setup_ps: before the first word, 0 or more.
        deviation: largest deviation of a size from the line, as a share of its time.
        sizes: number of different sizes.
    """

    bytes_per_second: float
    setup_ps: float
    deviation: float
    sizes: int

    def __str__(self) -> str:
        """Return it as people read it."""
        return (
            f"{self.bytes_per_second / 1e6:,.1f} MB/s after {self.setup_ps / 1e6:.2f} us,"
            f" a line through {self.sizes} sizes, at most {100 * self.deviation:.2g} % from it"
        )


def fit(port: ConfigurationPort, loads: Iterable[Swap]) -> Fit:
    """Return the line through the shortest load of every size, by least squares.

    What disturbs a load only makes it longer, so the shortest of several is the best.

    Raises:
        NotDoneError: there are not two sizes, or larger ones take no longer, or less time than
            the port's ceiling allows.
    """
    shortest: dict[int, int] = {}
    for load in loads:
        shortest[load.size_bytes] = min(load.port_ps, shortest.get(load.size_bytes, load.port_ps))
    if len(shortest) < 2:
        sizes = ", ".join(f"{size:,}" for size in shortest) or "none"
        raise NotDoneError(
            f"no figure: rate and set-up need loads of two sizes, got bytes {sizes}; build a"
            " module for a partition of another size"
        )
    mean_size = sum(shortest) / len(shortest)
    mean_ps = sum(shortest.values()) / len(shortest)
    above = sum((size - mean_size) * (ps - mean_ps) for size, ps in shortest.items())
    slope = above / sum((size - mean_size) ** 2 for size in shortest)  # picoseconds a byte
    ceiling = port.ceiling_bytes_per_second
    if slope <= 0 or (ceiling and _PS_PER_S / slope > ceiling * _ABOVE_CEILING):
        got = "no longer for larger bitstreams" if slope <= 0 else f"{1e6 / slope:,.1f} MB/s"
        most = f"at most {ceiling / 1e6:,.1f} MB/s" if ceiling else "a time that grows with size"
        raise NotDoneError(f"no figure: got {got}, expected {most}; measure on a quiet machine")
    rate = _PS_PER_S / slope
    setup = max(0.0, mean_ps - slope * mean_size)
    worst = max(abs(ps - setup - slope * size) / ps for size, ps in shortest.items())
    return Fit(min(rate, ceiling or rate), setup, worst, len(shortest))
