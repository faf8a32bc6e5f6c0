"""What a synthesised netlist is made of, and how deep its logic is.

Lookup tables are counted as slices have them: a distributed RAM or shift register by the tables it
occupies, an inverter as one, since not every one is absorbed. Levels are lookup tables on the
longest way from a register, memory or port to the next; carry chains and wide multiplexers are
wiring of their own and add none. The reset and enable pins of registers end a way as data do.

Ref: 7 Series Libraries Guide for HDL Designs
Document: AMD UG953
Ref: UltraScale Architecture Libraries Guide
Document: AMD UG974
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fpga_rt.arch.resources import Resources
from fpga_rt.errors import ToolchainError

_LUTS = {
    **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
    "INV": 1,
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1S": 2,
    "RAM128X1D": 4,
    "RAM256X1S": 4,
    "RAM256X1D": 8,
    "RAM512X1S": 8,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32X16DR8": 8,
    "RAM64X8SW": 8,
    "SRL16E": 1,
    "SRLC16E": 1,
    "SRLC32E": 1,
}
_DISTRIBUTED = tuple(name for name in _LUTS if name.startswith("RAM"))
_FREE = ("CARRY4", "CARRY8", "MUXF7", "MUXF8", "MUXF9")
_HALF_BRAMS = {"RAMB36E1": 2, "RAMB18E1": 1, "RAMB36E2": 2, "RAMB18E2": 1}
_REGISTERS = ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1")
_DSPS = ("DSP48E1", "DSP48E2")
_OTHERS = ("VCC", "GND", "BUFG", "$scopeinfo")

Cell = Mapping[str, Any]


@dataclass(frozen=True)
class Contents:
    """A netlist in figures.

    Attributes:
        resources: lookup tables, DSP slices and block RAMs.
        registers: flip-flops outside of DSP slices and memories.
        levels: lookup tables on the longest way between registers.
        begins: name of a wire where such a way begins.
        bare_dsps: names of the DSP slices that lack an input, product or result register.
    """

    resources: Resources
    registers: int
    levels: int
    begins: str
    bare_dsps: tuple[str, ...]


def contents(netlist: Mapping[str, Any], top: str) -> Contents:
    """Return what a flattened netlist holds.

    Args:
        netlist: as Yosys' `write_json` writes it.
        top: name of the module.

    Raises:
        ToolchainError: a cell is of a kind that is not counted here.
    """
    module = netlist["modules"][top]
    cells: Mapping[str, Cell] = module["cells"]
    kinds = Counter(cell["type"] for cell in cells.values())
    known = {*_LUTS, *_FREE, *_HALF_BRAMS, *_REGISTERS, *_DSPS, *_OTHERS}
    unknown = sorted(kinds - Counter({kind: kinds[kind] for kind in known}))
    if unknown:
        raise ToolchainError(
            f"Yosys made cells {', '.join(unknown)} in {top}, expected kinds that are counted:"
            f" count them in {__name__}, or use the version of Yosys that pyproject.toml names"
        )
    levels, begins = _longest_way(cells)
    names = (name for name, net in module["netnames"].items() if begins in net["bits"])
    halves = sum(count * kinds[kind] for kind, count in _HALF_BRAMS.items())
    return Contents(
        Resources(
            lut=sum(count * kinds[kind] for kind, count in _LUTS.items()),
            dsp=sum(kinds[kind] for kind in _DSPS),
            bram36=-(-halves // 2),
        ),
        sum(kinds[kind] for kind in _REGISTERS),
        levels,
        min(names, key=lambda name: (name.startswith("$"), len(name)), default=""),
        tuple(sorted(name for name, cell in cells.items() if _is_bare(cell))),
    )


def _is_bare(cell: Cell) -> bool:
    """Tell whether a DSP slice that multiplies lacks a register."""
    if cell["type"] not in _DSPS:
        return False
    parameters = cell["parameters"]
    needed = ("AREG", "BREG", "MREG", "PREG")
    return any(int(str(parameters.get(name, "0")), 2) == 0 for name in needed)


def _longest_way(cells: Mapping[str, Cell]) -> tuple[int, int]:
    """Return the depth of the logic and the bit that the deepest way begins at."""
    made_by = {
        bit: (tables, inputs) for cell in cells.values() for tables, inputs, bit in _paths(cell)
    }
    depth: dict[int, tuple[int, int]] = {}
    for wanted in made_by:
        stack = [wanted]
        while stack:
            tables, inputs = made_by[stack[-1]]
            missing = [bit for bit in inputs if bit in made_by and bit not in depth]
            stack.extend(missing)
            if not missing:
                before, begins = max((depth.get(bit, (0, bit)) for bit in inputs), default=(0, 0))
                depth[stack.pop()] = (before + tables, begins)
    return max(depth.values(), default=(0, 0))


def _paths(cell: Cell) -> Iterator[tuple[int, list[int], int]]:
    """Yield for each combinational output its lookup tables, what it depends on, and its bit."""
    kind, pins = cell["type"], cell["connections"]
    if kind in ("CARRY4", "CARRY8"):
        yield from _carry(pins)
    elif kind in _FREE or kind.startswith("LUT") or kind == "INV":
        inputs = [bit for name, bits in pins.items() if name != "O" for bit in _wires(bits)]
        yield int(kind in _LUTS), inputs, pins["O"][0]
    elif kind in _DISTRIBUTED:
        yield from _memory(cell)


def _carry(pins: Mapping[str, list[int | str]]) -> Iterator[tuple[int, list[int], int]]:
    """A sum or carry depends on what is at its place and below."""
    entry = _wires([*pins.get("CI", []), *pins.get("CYINIT", []), *pins.get("CI_TOP", [])])
    for place, (sum_bit, carry) in enumerate(zip(pins["O"], pins["CO"], strict=True)):
        below = entry + _wires([*pins["S"][: place + 1], *pins["DI"][: place + 1]])
        for bit in _wires([sum_bit, carry]):
            yield 0, below, bit


def _memory(cell: Cell) -> Iterator[tuple[int, list[int], int]]:
    """Reading is combinational, from the address of the port; writing is clocked."""
    pins, directions = cell["connections"], cell["port_directions"]
    for name, bits in pins.items():
        if directions[name] == "output":
            address = _address_of(name)
            inputs = [
                bit
                for pin, wires in pins.items()
                if pin.startswith(address) and directions[pin] == "input"
                for bit in _wires(wires)
            ]
            for bit in _wires(bits):
                yield 1, inputs, bit


def _address_of(output: str) -> str:
    """Return what the pins begin with that address an output of a distributed RAM."""
    if output == "DPO":
        return "DPRA"
    return f"ADDR{output[2]}" if output.startswith("DO") and len(output) > 2 else "A"


def _wires(bits: list[int | str]) -> list[int]:
    """Leave out constants, which are text."""
    return [bit for bit in bits if isinstance(bit, int)]
