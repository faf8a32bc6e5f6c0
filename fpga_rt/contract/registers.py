"""Register maps: named registers of named fields, from which everything else is generated.

The gateware's AXI4-Lite slave, the host's accessors, the simulation's checks and
`docs/reference/registers.md` all come from a `RegisterMap`. A register is one or two little-endian
32-bit words; the low word of a pair comes first and each is accessed by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from fpga_rt.contract.layout import WORD_BITS, Field, Layout
from fpga_rt.errors import DeviceError

WORD_BYTES = 4
_WORD_MASK = (1 << WORD_BITS) - 1


class Access(Enum):
    """What the host may do with a register."""

    READ_ONLY = "ro"
    """The gateware drives it; a write is a bus error."""
    READ_WRITE = "rw"
    """The host's writes stay; the gateware reads them."""
    WRITE_ONE = "w1"
    """A one starts what the field names, a zero does nothing; it reads as zero."""


@dataclass(frozen=True)
class Register:
    """A register at a byte offset: its fields lie in `words` 32-bit words."""

    name: str
    offset: int
    access: Access
    fields: tuple[Field, ...]
    description: str = ""
    words: int = 1

    def __post_init__(self) -> None:
        """Refuse an offset that is not aligned, and fields that overlap.

        Raises:
            ValueError: either is the case.
        """
        if self.offset % self.size_bytes:
            raise ValueError(
                f"register {self.name} at {self.offset:#x}: expected a multiple of"
                f" {self.size_bytes}"
            )
        Layout(self.name, self.words, self.fields)

    @cached_property
    def _places(self) -> Mapping[str, tuple[int, int, Field]]:
        """Lowest bit, mask and field by name."""
        return {f.name: (f.word * WORD_BITS + f.low, (1 << f.width) - 1, f) for f in self.fields}

    @property
    def size_bytes(self) -> int:
        """Length in bytes."""
        return self.words * WORD_BYTES

    def pack(self, **values: int) -> int:
        """Join field values (absent ones are zero) to the register's value.

        Raises:
            ValueError: a name is unknown or a value does not fit.
        """
        packed = 0
        for name, value in values.items():
            if name not in self._places:
                raise ValueError(f"register {self.name} has no field {name}")
            low, mask, field = self._places[name]
            if not field.minimum <= value <= field.maximum:
                raise ValueError(
                    f"{self.name}.{name}: got {value}, expected {field.minimum}..{field.maximum}"
                )
            packed |= (value & mask) << low
        return packed

    def unpack(self, value: int) -> dict[str, int]:
        """Split the register's value into a value per field."""
        values = {}
        for name, (low, mask, field) in self._places.items():
            bits = value >> low & mask
            values[name] = bits - mask - 1 if field.signed and bits > field.maximum else bits
        return values

    def word_values(self, value: int) -> tuple[int, ...]:
        """Split the register's value into 32-bit words, the low one first."""
        if self.words == 1:
            return (value & _WORD_MASK,)
        return tuple((value >> (WORD_BITS * word)) & _WORD_MASK for word in range(self.words))


@dataclass(frozen=True)
class RegisterMap:
    """Registers of one address range, and the records in memory that the same gateware reads."""

    name: str
    registers: tuple[Register, ...]
    records: tuple[Layout, ...] = ()

    def __post_init__(self) -> None:
        """Refuse registers that share a word or a name.

        Raises:
            ValueError: two do.
        """
        owners: dict[int, str] = {}
        for register in self.registers:
            for word in range(register.words):
                at = register.offset + word * WORD_BYTES
                other = owners.setdefault(at, register.name)
                if other != register.name:
                    raise ValueError(f"{register.name} and {other} overlap at {at:#x}")
        if len({register.name for register in self.registers}) != len(self.registers):
            raise ValueError(f"{self.name} has two registers of one name")

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of address space: up to the last register, rounded up to a power of two."""
        end = max(register.offset + register.size_bytes for register in self.registers)
        return 1 << (end - 1).bit_length()

    @cached_property
    def map_id(self) -> int:
        """32-bit hash of everything but the prose: offsets, accesses, fields, records."""
        lines = [f"{self.name}"]
        for r in sorted(self.registers, key=lambda r: r.offset):
            lines.append(f"{r.offset:#x} {r.name} {r.access.value} {r.words} {_places(r.fields)}")
        for record in self.records:
            lines.append(f"{record.name} {record.words} {_places(record.fields)}")
        digest = hashlib.sha256("\n".join(lines).encode()).digest()
        return int.from_bytes(digest[:4], "big")

    @cached_property
    def _by_name(self) -> Mapping[str, Register]:
        return {register.name: register for register in self.registers}

    @cached_property
    def _by_offset(self) -> Mapping[int, tuple[Register, int]]:
        return {
            register.offset + word * WORD_BYTES: (register, word)
            for register in self.registers
            for word in range(register.words)
        }

    def __getitem__(self, name: str) -> Register:
        """Return the register of a name.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    def at(self, offset: int) -> tuple[Register, int]:
        """Return the register at a byte offset, and which of its words lies there.

        Raises:
            DeviceError: there is none.
        """
        try:
            return self._by_offset[offset]
        except KeyError:
            raise DeviceError(
                f"{self.name} has no register at offset {offset:#x}; expected a multiple of"
                f" {WORD_BYTES} that docs/reference/registers.md lists"
            ) from None


def _places(fields: tuple[Field, ...]) -> str:
    return ",".join(f"{f.name}:{f.word}.{f.low}+{f.width}{'s' * f.signed}" for f in fields)
