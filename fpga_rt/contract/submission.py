"""The submission header: what one doorbell runs, and where the segments of its programs lie.

The host writes the header to device memory and its address to the doorbell. The sequencer runs
every ring `repeat` times; in iteration i a segment starts at `base + (i % depth) * stride`, so a
batch is one doorbell. An iteration starts only after the one `features_depth` before it ended, so
feature maps are never overwritten while they are read. The header names the parameter bank
(its WEIGHTS and TABLES bases), so no inference mixes two versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fpga_rt.contract.command import COMMAND_BYTES, MAX_PARTITIONS, Segment
from fpga_rt.contract.layout import Field, Layout

MAGIC = 0x54524746  # "FGRT"

_SEGMENT_WORD = 4
_RING_WORD = _SEGMENT_WORD + 4 * len(Segment)

HEADER = Layout(
    "submission",
    _RING_WORD + 3 * MAX_PARTITIONS + 4,
    (
        Field("magic", 0, 0, 32, description="0x54524746"),
        Field("repeat", 1, 0, 32, description="iterations of every ring"),
        Field("bank", 2, 0, 32, description="parameter bank, returned with the completion"),
        Field("reserved", 3, 0, 32, description="zero"),
        *(
            field
            for s in Segment
            for field in (
                Field(f"{s.name.lower()}_base", _SEGMENT_WORD + 4 * s, 0, 64),
                Field(f"{s.name.lower()}_stride", _SEGMENT_WORD + 4 * s + 2, 0, 32),
                Field(f"{s.name.lower()}_depth", _SEGMENT_WORD + 4 * s + 3, 0, 32),
            )
        ),
        *(
            field
            for p in range(MAX_PARTITIONS)
            for field in (
                Field(f"ring{p}_address", _RING_WORD + 3 * p, 0, 64),
                Field(f"ring{p}_commands", _RING_WORD + 3 * p + 2, 0, 32),
            )
        ),
    ),
)


@dataclass(frozen=True)
class Placement:
    """Where a segment lies: base, bytes between iterations, reused after `depth` of them."""

    base: int
    stride: int = 0
    depth: int = 1

    def at(self, iteration: int) -> int:
        """Return the start address in an iteration."""
        return self.base + (iteration % self.depth) * self.stride


@dataclass(frozen=True)
class Ring:
    """A row of command descriptors in device memory."""

    address: int
    commands: int

    @property
    def size_bytes(self) -> int:
        """Length in bytes."""
        return self.commands * COMMAND_BYTES


@dataclass(frozen=True)
class Submission:
    """One doorbell: a ring for each partition that takes part, run `repeat` times."""

    rings: Mapping[int, Ring]
    segments: Mapping[Segment, Placement]
    repeat: int = 1
    bank: int = 0

    def encode(self) -> bytes:
        """Pack to the header that the sequencer reads."""
        values = {"magic": MAGIC, "repeat": self.repeat, "bank": self.bank}
        for segment, place in self.segments.items():
            name = segment.name.lower()
            values[f"{name}_base"] = place.base
            values[f"{name}_stride"] = place.stride
            values[f"{name}_depth"] = place.depth
        for partition, ring in self.rings.items():
            values[f"ring{partition}_address"] = ring.address
            values[f"ring{partition}_commands"] = ring.commands
        return HEADER.encode(values)

    @staticmethod
    def decode(data: bytes) -> Submission:
        """Unpack a header.

        Raises:
            ValueError: wrong length or magic.
        """
        values = HEADER.decode(data)
        if values["magic"] != MAGIC:
            raise ValueError(f"submission magic: got {values['magic']:#x}, expected {MAGIC:#x}")
        rings = {
            p: Ring(values[f"ring{p}_address"], values[f"ring{p}_commands"])
            for p in range(MAX_PARTITIONS)
            if values[f"ring{p}_commands"]
        }
        segments = {
            s: Placement(
                values[f"{s.name.lower()}_base"],
                values[f"{s.name.lower()}_stride"],
                max(1, values[f"{s.name.lower()}_depth"]),
            )
            for s in Segment
        }
        return Submission(rings, segments, values["repeat"], values["bank"])
