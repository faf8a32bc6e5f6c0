"""Builds gateware into shared libraries that `sim.system` loads.

    Amaranth component -> Verilog -> Verilator -> C++ -> shared library

A library holds one design with a small C interface (`native/model.h`). Verilator's own C++ is
compiled once and linked into each of them, hidden, so that a library can come and go without the
others. Everything is cached by what it is made from (see `sim.cache`).
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fpga_rt.errors import ToolchainError
from sim.cache import cached
from sim.toolchain import Toolchain, run, toolchain

NATIVE = Path(__file__).resolve().parent / "native"

_VERILATOR_FLAGS = (
    *("--cc", "-O3", "--x-assign", "unique", "--x-initial", "unique", "--no-timing"),
    *("--timescale-override", "1ps/1ps", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
    *("--no-assert", "--prefix", "Vmodel", "--output-split", "0"),
)
_OFTEN, _ONCE = "-O1", "-O0"
"""How far a model is optimised: -O2 takes twice the time to compile for at most a tenth of speed,
and what runs only when a model is made is not worth any."""
_COMPILER_FLAGS = ("-std=c++20", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique")
# A library unloads only when none of its symbols is shared with others.
_LINK_FLAGS = ("-shared", "-Wl,-Bsymbolic", "-Wl,-O1", "-pthread")
_RUNTIME_SOURCES = ("verilated.cpp", "verilated_threads.cpp")
_WAVES_SOURCE = "verilated_vcd_c.cpp"

_RUNS_ONCE = "__Slow"
"""In the names of sources that Verilator says run only when a model is made."""

_PORT = re.compile(r"VL_(IN|OUT)(?:8|16|64|W|)\(&(\w+),(\d+),(\d+)(?:,\d+)?\);")
_ARRAY = re.compile(r"^ *VlUnpacked<.*> (\w+);", re.MULTILINE)
_RENAMED = "__SYM__"
"""What Verilator puts before a name that C++ compilers know, for example `interrupt`."""
_INITIAL_VALUE = re.compile(r"^(\s*reg (?:signed )?(?:\[\d+:\d+\] )?\S+ ) *= [^;]+;", re.MULTILINE)


@dataclass(frozen=True)
class Design:
    """Verilog to build.

    Attributes:
        name: what people call it, letters, digits and underscores.
        top: its top module.
        verilog: the text of all its modules.
    """

    name: str
    top: str
    verilog: str


def without_initial_values(verilog: str) -> str:
    """Return Verilog whose registers have no initial value, as after a partial reconfiguration.

    What memories start with stays: their contents are in the frames.
    """
    return _INITIAL_VALUE.sub(r"\1;", verilog)


def build_model(design: Design, *, waves: bool = False) -> Path:
    """Return the shared library of a design, building it if need be.

    Args:
        design: the design; no name in its top module's ports may hold two underscores in a row.
        waves: whether its instances can write traces, which makes them slower.

    Raises:
        ToolchainError: a tool is missing, or refuses the design.
    """
    tools = toolchain()
    inputs = (
        *(design.top, design.verilog, str(waves), *_VERILATOR_FLAGS, _OFTEN, _ONCE),
        *_identity(tools, "model.h", "model_instance.h"),
    )
    name = f"{design.name}{'-waves' if waves else ''}"

    def make(folder: Path) -> None:
        _make_model(tools, design, folder, waves)

    return cached(name, "model.so", inputs, make)


def build_simulator() -> Path:
    """Return the shared library of the simulator itself, building it if need be.

    Raises:
        ToolchainError: a tool is missing or fails.
    """
    tools = toolchain()

    def make(folder: Path) -> None:
        output = folder / "simulator.so"
        _compile(tools, [NATIVE / "system.cpp", *_LINK_FLAGS, "-ldl"], output)

    headers = sorted(path.name for path in NATIVE.glob("*.h"))
    return cached("simulator", "simulator.so", _identity(tools, "system.cpp", *headers), make)


def build_common(*, waves: bool = False) -> None:
    """Build what every simulation needs, whatever its designs are.

    Raises:
        ToolchainError: a tool is missing or fails.
    """
    build_simulator()
    _runtime(toolchain(), waves)


def _identity(tools: Toolchain, *sources: str) -> tuple[str, ...]:
    """Return what every build depends on: tools, flags and sources of this package."""
    texts = ((NATIVE / name).read_text(encoding="utf-8") for name in sources)
    return (*tools.versions, *_COMPILER_FLAGS, *_LINK_FLAGS, *texts)


def _make_model(tools: Toolchain, design: Design, folder: Path, waves: bool) -> None:
    sources = _verilate(tools, design, folder, waves)
    names = sorted(path.name for path in sources.glob("Vmodel*.cpp"))
    rare = _unity(sources / "once.cpp", [name for name in names if _RUNS_ONCE in name])
    fast = ["model_instance.h", *(name for name in names if _RUNS_ONCE not in name)]
    options: list[str | Path] = [f"-DVM_TRACE={int(waves)}", f"-DVM_TRACE_VCD={int(waves)}"]
    options += [f"-I{sources}", "-c"]
    once, often = sources / "once.o", sources / "often.o"
    with ThreadPoolExecutor(1) as beside:
        rest = beside.submit(_compile, tools, [*options, _ONCE, rare], once)
        _compile(tools, [*options, _OFTEN, _unity(sources / "often.cpp", fast)], often)
        rest.result()
    parts = [often, once, *_runtime(tools, waves)]
    _compile(tools, [*parts, *_LINK_FLAGS], folder / "model.so")


def _verilate(tools: Toolchain, design: Design, folder: Path, waves: bool) -> Path:
    """Turn a design into C++ and return the folder with it and the tables of ports and memories."""
    (folder / "design.v").write_text(design.verilog, encoding="utf-8")
    flags = (*_VERILATOR_FLAGS, *(("--trace-vcd",) if waves else ()))
    sources = folder / "sources"
    command: list[str | Path] = [tools.verilator, *flags, "--top-module", design.top]
    command += ["--Mdir", sources, folder / "design.v"]
    try:
        run(command, VERILATOR_ROOT=str(tools.verilator_root))
    except ToolchainError as error:
        raise ToolchainError(f"design {design.name} cannot be verilated: {error}") from error
    (sources / "ports.inc").write_text(_port_table(sources, design), encoding="utf-8")
    root = (sources / "Vmodel___024root.h").read_text(encoding="utf-8")
    arrays = "".join(f"MEMORY({name})\n" for name in _ARRAY.findall(root))
    (sources / "memories.inc").write_text(arrays, encoding="utf-8")
    return sources


def _unity(path: Path, parts: list[str]) -> Path:
    """Write one source file that is made of several, which compiles faster than they do apart."""
    path.write_text("".join(f'#include "{part}"\n' for part in parts), encoding="utf-8")
    return path


def _port_table(sources: Path, design: Design) -> str:
    """Return the lines of `ports.inc` from the class that Verilator made."""
    header = (sources / "Vmodel.h").read_text(encoding="utf-8")
    lines = [
        f"PORT({member.removeprefix(_RENAMED)}, {member},"
        f" {int(high) - int(low) + 1}, {int(direction == 'OUT')})\n"
        for direction, member, high, low in _PORT.findall(header)
    ]
    if not lines:
        raise ToolchainError(f"design {design.name}: top module {design.top} has no ports")
    return "".join(lines)


def _runtime(tools: Toolchain, waves: bool) -> list[Path]:
    """Return Verilator's own C++ as object files."""
    names = (*_RUNTIME_SOURCES, *((_WAVES_SOURCE,) if waves else ()))
    return [_runtime_object(tools, name, waves) for name in names]


def _runtime_object(tools: Toolchain, name: str, waves: bool) -> Path:
    source = tools.include / name

    def make(folder: Path) -> None:
        flags = [f"-DVM_TRACE={int(waves)}", f"-DVM_TRACE_VCD={int(waves)}"]
        _compile(tools, [*flags, "-c", source], folder / "runtime.o")

    inputs: list[str | bytes] = [*_identity(tools), source.read_bytes(), str(waves)]
    return cached(f"{source.stem}{'-waves' if waves else ''}", "runtime.o", inputs, make)


def _compile(tools: Toolchain, arguments: list[str | Path], output: Path) -> None:
    defines = [f"-DVM_{name}=0" for name in ("COVERAGE", "SC", "TIMING", "TRACE_FST", "TRACE_SAIF")]
    include = [f"-I{path}" for path in (tools.include, tools.include / "vltstd", NATIVE)]
    run([tools.compiler, *_COMPILER_FLAGS, *defines, *include, *arguments, "-o", output])
