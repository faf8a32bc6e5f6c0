"""Session files for GTKWave beside the traces of a simulation.

Every library writes a trace of its own, all on one time base in picoseconds. `boundary.gtkw` opens
the static region's with every wire of every boundary; each load of a module has a session of its
own. All are made for the folder that the traces lie in.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fpga_rt.contract.boundary import BOUNDARY
from sim.top import TOP

STATIC_REGION = "static_region.vcd"


def write_sessions(folder: Path, partitions: int) -> tuple[Path, ...]:
    """Write a session file for the static region's trace and for each module's; return them."""
    modules = sorted(folder.glob("load*_rp*.vcd"))
    groups = [("clocks", ["clk", "icap_clk", "garbage", "loaded", "interrupt"])]
    groups += [(f"partition {p}", _boundary(f"rp_{p}_")) for p in range(partitions)]
    notes = [f"{path.name}: a module from its load on" for path in modules]
    sessions = [_write(folder / "boundary.gtkw", STATIC_REGION, f"TOP.{TOP}.", groups, notes)]
    for path in modules:
        wires = [("boundary", ["clk", *_boundary("")])]
        sessions.append(_write(path.with_suffix(".gtkw"), path.name, "TOP.", wires, ()))
    return tuple(sessions)


def _boundary(prefix: str) -> list[str]:
    ranges = (f"[{wire.width - 1}:0]" if wire.width > 1 else "" for wire in BOUNDARY)
    return [f"{prefix}{wire.name}{bits}" for wire, bits in zip(BOUNDARY, ranges, strict=True)]


def _write(
    path: Path,
    trace: str,
    scope: str,
    groups: Iterable[tuple[str, Iterable[str]]],
    notes: Iterable[str],
) -> Path:
    lines = [f"[*] {note}" for note in notes]
    lines += [f'[dumpfile] "{trace}"', "[timestart] 0"]
    for title, wires in groups:
        lines += [f"-{title}", *(f"{scope}{wire}" for wire in wires)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
