"""Applications that a latency budget is known for, and the network they are taken to sit on.

Conversation: turns follow each other after about 200 ms. The other limits, that a gap of more than
500 ms is noticed and people talk over one of more than 800 ms among them, and every path, are
assumptions to start from; the command's options replace each of them.

Ref: Stivers et al., Universals and cultural variation in turn-taking in conversation
Document: PNAS 106(26), 10587-10592 (2009): responses come 208 ms after a question, on average
"""

from __future__ import annotations

from dataclasses import dataclass

from fpga_rt.study.path import Path


@dataclass(frozen=True)
class Preset:
    """An application.

    Attributes:
        limit_ms: from the request's departure to the answer's arrival.
        limit_origin: `document` or `assumed`.
        basis: where the limit comes from.
        path: the network between.
    """

    limit_ms: float
    limit_origin: str
    basis: str
    path: Path


_REGION = Path(distance_km=500, hops=8, hop_us=50, link_mbps=100)
_SITE = Path(distance_km=0.5, hops=2, hop_us=20, link_mbps=100)
_CITY = Path(distance_km=50, hops=4, hop_us=50, link_mbps=10)

PRESETS = {
    "voice-200": Preset(
        200,
        "document",
        "the usual gap between turns of a conversation, Stivers et al., PNAS 106(26), 2009",
        _REGION,
    ),
    "voice-500": Preset(500, "assumed", "a longer gap in a conversation is noticed", _REGION),
    "voice-800": Preset(800, "assumed", "after a longer gap people talk over it", _REGION),
    "iot-control": Preset(10, "assumed", "a control loop of 100 Hz through a gateway", _SITE),
    "iot-monitor": Preset(100, "assumed", "a reading each 100 ms through a gateway", _CITY),
}
