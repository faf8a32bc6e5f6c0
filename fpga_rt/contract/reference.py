"""Write the reference of the register maps: `python -m fpga_rt.contract.reference`.

The file `docs/reference/registers.md` is what this prints, for the static region and for the kernel
that it is part of on a card.
"""

from __future__ import annotations

import sys

from fpga_rt.contract.kernel import KERNEL
from fpga_rt.contract.layout import Field, Layout
from fpga_rt.contract.registers import Register, RegisterMap
from fpga_rt.contract.static_region import STATIC_REGION

_HEAD = """\
# Registers of the {name}

Written by `python -m fpga_rt.contract.reference`; do not edit. Map identity `{map_id:#010x}`,
{size} bytes of address space. A register of 64 bits is two words, the low one first.
`ro`: the gateware drives it. `rw`: the host's writes stay. `w1`: a one acts, reads are zero.
"""


def reference_markdown(registers: RegisterMap) -> str:
    """Return the documentation of a register map and its records."""
    head = _HEAD.format(
        name=registers.name.replace("_", " "),
        map_id=registers.map_id,
        size=registers.size_bytes,
    )
    parts = [head, *(_register(r) for r in sorted(registers.registers, key=lambda r: r.offset))]
    if registers.records:
        parts += ["# Records in memory\n", *(_record(record) for record in registers.records)]
    return "\n".join(parts)


def _register(register: Register) -> str:
    title = f"## `{register.offset:#05x}` {register.name} ({register.access.value})\n"
    prose = f"\n{register.description}\n" if register.description else ""
    return f"{title}{prose}\n{_fields(register.fields, register.words)}"


def _record(record: Layout) -> str:
    return f"## {record.name}: {record.size_bytes} bytes\n\n{_fields(record.fields, record.words)}"


def _fields(fields: tuple[Field, ...], words: int) -> str:
    ordered = sorted(fields, key=lambda f: (f.word, f.low))
    rows = [f"| {_bits(f, words)} | {f.name} | {f.description} |\n" for f in ordered]
    return "".join(("| bits | field | meaning |\n|---|---|---|\n", *rows))


def _bits(field: Field, words: int) -> str:
    low = field.low
    high = low + field.width - 1
    place = f"{high}:{low}" if high > low else f"{low}"
    return f"word {field.word}, {place}" if words > 1 else place


def page() -> str:
    """Return the page of every map."""
    return "\n".join(reference_markdown(registers) for registers in (STATIC_REGION, KERNEL))


if __name__ == "__main__":
    sys.stdout.write(page())
