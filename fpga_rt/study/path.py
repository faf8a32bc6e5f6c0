"""The network between a request and the device: fibre, hops and the slowest link.

Ref: Characteristics of a single-mode optical fibre and cable
Document: ITU-T G.652 (fibres of a group index of about 1.468: 1.468 / 299,792 km/s = 4.9 us/km)
"""

from __future__ import annotations

from dataclasses import dataclass

FIBRE_PS_PER_KM = 4_900_000
"""One way."""
FRAME_BYTES = 1_500
"""What a hop has to receive before it sends it on: an Ethernet frame's payload at most."""
HALF_WAY_ROUND_KM = 20_015
"""Half of the Earth's circumference: nothing is farther away."""

_PS_PER_US = 1_000_000


@dataclass(frozen=True)
class Path:
    """A way that request and answer both take; all of it one way.

    Attributes:
        distance_km: length of the fibre.
        hops: switches and routers on it.
        hop_us: what each adds, besides receiving a frame.
        link_mbps: rate of the slowest link, at which every hop is taken to send.
    """

    distance_km: float
    hops: int
    hop_us: float
    link_mbps: float

    @property
    def fibre_ps(self) -> int:
        """Light there and back."""
        return round(2 * self.distance_km * FIBRE_PS_PER_KM)

    def hops_ps(self, *sizes_bytes: int) -> int:
        """Return what the hops add to messages of some bytes: their own time, and a frame each."""
        frames = sum(self._sent_ps(min(size, FRAME_BYTES)) for size in sizes_bytes)
        own = len(sizes_bytes) * self.hop_us * _PS_PER_US
        return round(self.hops * (own + frames))

    def transfer_ps(self, *sizes_bytes: int) -> int:
        """Return the time to put messages of some bytes on the slowest link, once each."""
        return round(sum(map(self._sent_ps, sizes_bytes)))

    def _sent_ps(self, size_bytes: int) -> float:
        return size_bytes * 8 / self.link_mbps * _PS_PER_US


def reach_km(spare_ps: int) -> float:
    """Return the length of fibre, one way, that light goes there and back in a time."""
    return spare_ps / (2 * FIBRE_PS_PER_KM)
