"""Named bit fields in little-endian 32-bit words: the one way a bit is placed in this project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from fpga_rt.errors import PlanningError

WORD_BITS = 32


@dataclass(frozen=True)
class Field:
    """`width` bits at bit `low` of word `word`; `signed` fields hold two's complement."""

    name: str
    word: int
    low: int
    width: int
    signed: bool = False
    description: str = ""

    @property
    def minimum(self) -> int:
        """Smallest value the field holds."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """Largest value the field holds."""
        return (1 << (self.width - 1)) - 1 if self.signed else (1 << self.width) - 1


@dataclass(frozen=True)
class Layout:
    """A record of `words` little-endian 32-bit words made of fields that do not overlap.

    A field may run over into the following words (a 64-bit address has width 64).
    """

    name: str
    words: int
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        """Refuse overlapping or overhanging fields.

        Raises:
            ValueError: two fields share a bit, a name repeats, or a field leaves the record.
        """
        used = 0
        for field in self.fields:
            start = field.word * WORD_BITS + field.low
            mask = ((1 << field.width) - 1) << start
            if used & mask or start + field.width > self.words * WORD_BITS:
                raise ValueError(f"{self.name}.{field.name} overlaps or leaves the record")
            used |= mask
        if len({field.name for field in self.fields}) != len(self.fields):
            raise ValueError(f"{self.name} has two fields of one name")

    @property
    def size_bytes(self) -> int:
        """Length of an encoded record in bytes."""
        return self.words * 4

    @cached_property
    def _places(self) -> tuple[tuple[str, int, int, Field], ...]:
        return tuple(
            (f.name, f.word * WORD_BITS + f.low, (1 << f.width) - 1, f) for f in self.fields
        )

    def encode(self, values: Mapping[str, int]) -> bytes:
        """Pack `values` (absent fields are zero) into `size_bytes` bytes.

        Raises:
            KeyError: a name is not a field of this record.
            PlanningError: a value does not fit its field.
        """
        unknown = values.keys() - {field.name for field in self.fields}
        if unknown:
            raise KeyError(f"{self.name} has no field {sorted(unknown)}")
        packed = 0
        for name, start, mask, field in self._places:
            value = int(values.get(name, 0))
            if not field.minimum <= value <= field.maximum:
                raise PlanningError(
                    f"{self.name}.{name}: got {value}, expected {field.minimum}..{field.maximum};"
                    " the tensor is too large for one command, use a smaller input"
                )
            packed |= (value & mask) << start
        return packed.to_bytes(self.size_bytes, "little")

    def decode(self, data: bytes) -> dict[str, int]:
        """Unpack `size_bytes` bytes into a value per field.

        Raises:
            ValueError: `data` has another length.
        """
        if len(data) != self.size_bytes:
            raise ValueError(f"{self.name}: got {len(data)} bytes, expected {self.size_bytes}")
        packed = int.from_bytes(data, "little")
        values = {}
        for name, start, mask, field in self._places:
            value = (packed >> start) & mask
            values[name] = value - mask - 1 if field.signed and value > field.maximum else value
        return values
