"""Builds the top module of a bench once, and runs the bench on it under Icarus."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from sim.benches.tops import BENCH, controller_top, decoupler_top, region_top
from sim.cache import cached

_TOPS: dict[str, Callable[[str | None], str]] = {
    "decoupler": decoupler_top,
    "controller": controller_top,
    "region": region_top,
}
BENCHES = tuple(_TOPS)
"""Names of the benches: their modules in this package."""
_TIMESCALE = ("1ns", "1ps")


@dataclass(frozen=True)
class Outcome:
    """What became of a cocotb test: `failure` is empty where it passed."""

    name: str
    failure: str
    simulated_ns: float
    wall_s: float


def run(
    bench: str,
    folder: Path,
    seed: int = 1,
    *,
    only: str | None = None,
    component: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[Outcome]:
    """Run a bench in a folder, and return what became of each of its tests.

    Args:
        bench: One of `BENCHES`.
        folder: For the log and what the bench leaves behind; made if need be.
        seed: Of everything random in it.
        only: A regular expression that the names of the tests to run match; all if None.
        component: Verilog that is put in the place of the component, for example with a fault.
        environment: Variables that the bench reads.

    Raises:
        RuntimeError: The simulator stopped before the bench ended, or does not take the design.
    """
    from cocotb_tools.runner import get_runner

    simulation = _built(bench, _TOPS[bench](component))
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.resolve() / f"{bench}.log"
    results = folder.resolve() / f"{bench}.xml"
    results.unlink(missing_ok=True)
    given = {"COCOTB_LOG_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore", **(environment or {})}
    try:
        get_runner("icarus").test(
            hdl_toplevel=BENCH,
            hdl_toplevel_lang="verilog",
            test_module=f"sim.benches.{bench}",
            test_filter=only,
            seed=seed,
            build_dir=simulation.parent,
            test_dir=folder.resolve(),
            results_xml=str(results),
            extra_env=given,
            log_file=log,
        )
    except SystemExit as stopped:  # also with the code 0
        if not results.is_file():
            raise RuntimeError(f"the simulator stopped early; see {log}") from stopped
    return _outcomes(results, log)


def failures(outcomes: list[Outcome]) -> str:
    """Return the failures as text, empty if there are none.

    Raises:
        RuntimeError: There was no test.
    """
    if not outcomes:
        raise RuntimeError("the bench had no test to run")
    return "\n".join(f"{o.name}: {o.failure}" for o in outcomes if o.failure)


def _built(bench: str, verilog: str) -> Path:
    """Return the compiled simulation of a top module."""
    from cocotb_tools.runner import get_runner

    def make(folder: Path) -> None:
        source = folder / "bench.v"
        source.write_text(verilog, encoding="utf-8")
        log = folder / "build.log"
        try:
            get_runner("icarus").build(
                sources=[source],
                hdl_toplevel=BENCH,
                build_dir=folder,
                timescale=_TIMESCALE,
                always=True,
                log_file=log,
            )
        except RuntimeError as error:
            refused = log.read_text(encoding="utf-8")[-2000:]
            raise RuntimeError(f"Icarus refuses the top module of {bench}:\n{refused}") from error

    return cached(f"bench-{bench}", "sim.vvp", [verilog, *_TIMESCALE], make)


def _outcomes(results: Path, log: Path) -> list[Outcome]:
    if not results.is_file():
        raise RuntimeError(f"the simulator left no results; see {log}")
    found = []
    for case in ElementTree.parse(results).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            continue
        bad = [case.find("failure"), case.find("error")]
        texts = [
            node.get("error_msg") or node.get("message") or node.text or "failed"
            for node in bad
            if node is not None
        ]
        name = case.get("name", "")
        noted = {p.get("name"): p.get("value", "") for p in case.iter("property")}
        times = (float(noted.get("sim_time_duration", "0")), float(case.get("time", "0")))
        found.append(Outcome(name, "; ".join(texts), *times))
    return found


if __name__ == "__main__":
    chosen, where, *rest = sys.argv[1:]
    done = run(chosen, Path(where), int(rest[0]) if rest else 1, only=rest[1] if rest[1:] else None)
    for one in done:
        print(one)  # noqa: T201  # its result
