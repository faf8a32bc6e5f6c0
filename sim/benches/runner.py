"""Builds the top module of a bench once, and runs the bench on it under Icarus."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from fpga_rt.errors import FpgaRtError, ToolchainError
from sim.benches.tops import (
    BENCH,
    ULTRASCALE_PLUS,
    WEIGHTED,
    controller_top,
    decoupler_top,
    module_top,
    region_top,
)
from sim.cache import cached

SMALL_MODULES = ("convolution_2x2", "depthwise_2", "pooling_2", "dense_2")
"""Modules with a bench of their own: the smallest of each family."""
_TIMESCALE = ("1ns", "1ps")


@dataclass(frozen=True)
class _Bench:
    """A bench: what makes its top module, its module in this package, and what it is told."""

    top: Callable[[str | None], str]
    module: str
    environment: Mapping[str, str] = field(default_factory=dict)


_BENCHES = {
    "decoupler": _Bench(decoupler_top, "decoupler"),
    "controller": _Bench(controller_top, "controller"),
    "controller-icape3": _Bench(
        partial(controller_top, board_name=ULTRASCALE_PLUS),
        "controller",
        {"BENCH_BOARD": ULTRASCALE_PLUS},
    ),
    "region": _Bench(region_top, "region"),
    "parameters": _Bench(partial(region_top, names=WEIGHTED), "parameters"),
    **{name: _Bench(partial(module_top, name), "module") for name in SMALL_MODULES},
}
BENCHES = tuple(_BENCHES)
"""Names of the benches."""


@dataclass(frozen=True)
class Outcome:
    """What became of a cocotb test: `failure` is empty where it passed."""

    name: str
    failure: str
    simulated_ns: float
    wall_s: float

    def __str__(self) -> str:
        """Return a line for people."""
        ended = f"FAILED: {self.failure}" if self.failure else "passed"
        times = f"{self.simulated_ns / 1e3:10.1f} us simulated {self.wall_s:7.1f} s wall"
        return f"{self.name:42}{times}  {ended}"


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
        ToolchainError: Icarus is missing, does not take the design, or stopped before the end.
    """
    from cocotb_tools.runner import get_runner

    if shutil.which("iverilog") is None:
        raise ToolchainError(
            "Icarus Verilog is missing; install it, for example with: apt-get install iverilog"
        )
    chosen = _BENCHES[bench]
    simulation = _built(bench, chosen.top(component))
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.resolve() / f"{bench}.log"
    results = folder.resolve() / f"{bench}.xml"
    results.unlink(missing_ok=True)
    given = {"COCOTB_LOG_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}
    given |= {**chosen.environment, **(environment or {})}
    try:
        get_runner("icarus").test(
            hdl_toplevel=BENCH,
            hdl_toplevel_lang="verilog",
            test_module=f"sim.benches.{chosen.module}",
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
            raise ToolchainError(f"Icarus stopped before {bench} had ended; see {log}") from stopped
    return _outcomes(results, log)


def failures(outcomes: list[Outcome]) -> str:
    """Return the failures as text, empty if there are none.

    Raises:
        ValueError: There was no test.
    """
    if not outcomes:
        raise ValueError("no outcomes: expected those of at least one test; check `only`")
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
            raise ToolchainError(f"Icarus refuses the top module of {bench}:\n{refused}") from error

    return cached(f"bench-{bench}", "sim.vvp", [verilog, *_TIMESCALE], make)


def _outcomes(results: Path, log: Path) -> list[Outcome]:
    if not results.is_file():
        raise ToolchainError(f"Icarus left no results in {results}; see {log}")
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


def main() -> int:
    """Run a bench and print what became of its tests; 1 if one failed, 2 if it cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m sim.benches.runner", description=__doc__)
    parser.add_argument("bench", choices=BENCHES)
    parser.add_argument("folder", type=Path, help="for the log and what the bench leaves behind")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (%(default)s)")
    parser.add_argument(
        "--commands", type=Path, help="what a module has to play, see sim/benches/module.py"
    )
    parser.add_argument("--only", help="regular expression that the tests' names match")
    arguments = parser.parse_args()
    if (arguments.bench in SMALL_MODULES) != (arguments.commands is not None):
        parser.error("--commands is for the bench of a module, which needs it")
    given = {"BENCH_COMMANDS": str(arguments.commands.resolve())} if arguments.commands else {}
    try:
        outcomes = run(
            arguments.bench,
            arguments.folder,
            arguments.seed,
            only=arguments.only,
            environment=given,
        )
    except FpgaRtError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for one in outcomes:
        sys.stdout.write(f"{one}\n")
    return int(any(one.failure for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
