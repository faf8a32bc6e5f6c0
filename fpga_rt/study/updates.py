"""Updates of a network's parameters that come while it answers requests: what a study asks for.

How a device takes an update is its way:

`bank`: parameters are written into the inactive bank while the region computes. Test vectors run
between inferences, then the next inference reads that bank.

`program`: another network, with a program of its own. All test vectors run in one request, with the
swaps that its modules need, then it is the next to run.

`region`: this study's model of a reconfiguration for each update, where parameters are part of a
region's bitstream. The link carries parameters and no bitstream; making the bitstream on the device
is not charged; the largest partition is reconfigured before the next inference (by no load of its
own where inferences load it anyway), and nothing is tested, by the static design neither. Kang and
Park published 27 % of the parameters sent and 110 to 170 ms; their board, model, what crosses their
link and what those times include are not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Way = Literal["bank", "program", "region"]
WAYS: tuple[Way, ...] = ("bank", "program", "region")
TEST_VECTORS = 4
"""Test vectors that a device tries an update with where none are given."""
PUBLISHED = "Kang and Park, Sensors 25(24), 7448, 2025"


@dataclass(frozen=True)
class Updates:
    """When updates are sent, how large they are, and how the device takes them.

    Attributes:
        link_kbit_s: of the link that they come by.
        every: requests between two of them, 0 where `every_s` says it.
        every_s: seconds between two of them.
        size_bytes: of a package, 0 where `share` says it.
        share: of the bytes of all parameters.
        link_delay_ms: from a byte's sending to its arrival, beside the rate.
        way: how the device takes them.
        vectors: test vectors.
        between: test vectors that run between two inferences at most.
        network: that is updated, as a study calls it.
        other: network that `program` changes to, and back from with the next update.
    """

    link_kbit_s: float
    every: int = 0
    every_s: float = 0.0
    size_bytes: int = 0
    share: float = 0.0
    link_delay_ms: float = 0.0
    way: Way = "bank"
    vectors: int = TEST_VECTORS
    between: int = 1
    network: str = ""
    other: str = ""

    def bytes_of(self, parameter_bytes: int) -> int:
        """Return the bytes of an update of a network that has so many bytes of parameters."""
        return self.size_bytes or max(1, round(self.share * parameter_bytes))

    def link_ps(self, size_bytes: int) -> int:
        """Return how long an update of some bytes is on the link."""
        return max(1, round(size_bytes * 8e9 / self.link_kbit_s + self.link_delay_ms * 1e9))

    @property
    def assumptions(self) -> list[str]:
        """What the times rest on, a sentence each."""
        delay = f" after a delay of {self.link_delay_ms:g} ms" if self.link_delay_ms else ""
        found = [
            f"the link carries {self.link_kbit_s:g} kbit/s{delay}, as the study assumes, and only"
            " packages; checking and storing one is host software"
        ]
        if self.way == "region":
            found.append(
                "this study's model of a reconfiguration for each update: the link carries"
                " parameters and no bitstream, making the bitstream on the device is not charged,"
                " the largest partition is reconfigured before the next inference (by no load of"
                " its own where inferences load it anyway), and nothing is tested. The static"
                " design takes the same bytes into a parameter bank and tests"
                f" nothing either. {PUBLISHED}, report 27 % of the parameters sent and 110-170 ms;"
                " their board, model, what crosses their link and what those times include are not"
                " known"
            )
        else:
            found.append(
                "they are written into memory that nothing reads while the region computes, which"
                " costs neither device time nor a slower DRAM"
            )
        return found
