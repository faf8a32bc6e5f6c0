"""Where things are in Verilog that `hw.verilog` made: paths that constraints may name.

The Verilog of Yosys is regular: a module, a register and an instance begin a line of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MODULE = re.compile(r"^module (\S+?) ?\((.*?)^endmodule", re.MULTILINE | re.DOTALL)
_REGISTER = re.compile(r"^  reg (?:\[(\d+):0\] )?(\S+?) ?(?:= [^;]*)?;", re.MULTILINE)
_INSTANCE = re.compile(r"^  (\S+) (?:#\((?:\n    .*)+\n  \))? ?(\S+) {1,2}\($", re.MULTILINE)


@dataclass(frozen=True)
class Register:
    """A register as the vendor's tool will name its cells: `path` with an index for each bit."""

    path: str
    width: int

    @property
    def pattern(self) -> str:
        """What finds its cells, and nothing else."""
        return f"{self.path}_reg[*]" if self.width > 1 else f"{self.path}_reg"


@dataclass(frozen=True)
class _Module:
    registers: dict[str, int]
    instances: tuple[tuple[str, str], ...]


class Hierarchy:
    """The instances and registers below a module."""

    def __init__(self, verilog: str, top: str) -> None:
        """Read all modules; paths begin below `top`."""
        self._modules = {_name(found[1]): _module(found[2]) for found in _MODULE.finditer(verilog)}
        self._top = top

    def registers(self, name: str) -> Iterator[Register]:
        """Yield every register of a name, in the order of its path."""
        for path, module in self._walk("", self._top):
            if name in module.registers:
                yield Register(f"{path}{name}", module.registers[name])

    def _walk(self, path: str, name: str) -> Iterator[tuple[str, _Module]]:
        module = self._modules.get(name)
        if module is None:  # a primitive
            return
        yield path, module
        for kind, instance in sorted(module.instances, key=lambda pair: pair[1]):
            yield from self._walk(f"{path}{instance}/", kind)


def _module(body: str) -> _Module:
    registers = {_name(found[2]): int(found[1] or 0) + 1 for found in _REGISTER.finditer(body)}
    found = ((_name(one[1]), _name(one[2])) for one in _INSTANCE.finditer(body))
    return _Module(registers, tuple(found))


def _name(text: str) -> str:
    """Return a name without the backslash of an escaped one."""
    return text.removeprefix("\\")
