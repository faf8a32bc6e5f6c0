"""What the registers of a module hold after a load: nothing known.

In a simulation all modules are there from the start and keep what they held when they were last
used; in a device a new module begins with whatever was there. A swap sequence that forgets to
reset the module shows only if its registers are made unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_MODULE = re.compile(r"\bmodule\s+(\\\S+|\w+)(.*?)\bendmodule\b", re.DOTALL)
_REG = re.compile(
    r"\breg\b(?:\s+signed\b)?\s*(?:\[[^\]]*\])?\s*([^;)]*?)(?:;|\)|\b(?:in|out)put\b)"
)
_NAME = re.compile(r"^\s*(\\\S+|[A-Za-z_]\w*)")


def registers_of(sources: Iterable[Path]) -> dict[str, frozenset[str]]:
    """Return the names that Verilog declares as `reg`, by the name of the module.

    Wires are left alone: they follow the registers by themselves.
    """
    found = {}
    for source in sources:
        text = _COMMENT.sub(" ", source.read_text(encoding="utf-8"))
        for name, body in _MODULE.findall(text):
            declared = (part for names in _REG.findall(body) for part in names.split(","))
            matches = (_NAME.match(part) for part in declared)
            found[name.lstrip("\\")] = frozenset(m.group(1).lstrip("\\") for m in matches if m)
    return found


def forget(module: Any, registers: Mapping[str, frozenset[str]]) -> int:  # noqa: ANN401  # cocotb
    """Make every register in a module and below it unknown, and return how many there are.

    Args:
        module: cocotb's handle of the instance.
        registers: From `registers_of`; modules that it does not know are left alone.
    """
    from cocotb.handle import ArrayObject, HierarchyObject

    count = 0
    known = registers.get(module._def_name, frozenset())
    for name in sorted(known):
        signal = module[name]  # also one whose name begins with an underscore
        words = list(signal) if isinstance(signal, ArrayObject) else [signal]
        for word in words:
            _make_unknown(word)
        count += len(words)
    for child in module:
        if isinstance(child, HierarchyObject):
            count += forget(child, registers)
    return count


def _make_unknown(signal: Any) -> None:  # noqa: ANN401  # cocotb
    from cocotb.types import LogicArray

    width = len(signal.value) if hasattr(signal.value, "__len__") else 0
    signal.value = LogicArray("X" * width) if width else "X"
