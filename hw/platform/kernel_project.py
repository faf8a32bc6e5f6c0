"""Projects for cards under XRT: for each module a kernel of the static region with it inside."""

from __future__ import annotations

from collections.abc import Mapping

from fpga_rt.arch.boards import Board
from fpga_rt.builder.choice import Choice
from fpga_rt.builder.project import Project, Run
from fpga_rt.contract.kernel import KERNEL_NAME, RANGE_BYTES
from fpga_rt.modules.module import Module
from hw.platform.card import CARDS, Card
from hw.platform.kernel_description import (
    CONTROL_PORT,
    LIBRARY,
    MEMORY_PORT,
    VENDOR,
    frequency_hz,
    kernel_xml,
    link_configuration,
    register_entries,
)
from hw.platform.kernel_logic import KernelLogic
from hw.platform.kernel_top import LOGIC, kernel_top
from hw.platform.project_parts import (
    COMMAND,
    TOOL_VERSION,
    Announce,
    announce_verilog,
    digest,
    flow_files,
    module_file,
    module_verilog,
    plan_text,
    unheard,
)
from hw.verilog import to_verilog

_TOOL = "Vitis"
"""It brings a Vivado of its version, which runs the script and then the linker."""
_LOGIC_FILE, _TOP_FILE = "rtl/kernel_logic.v", "rtl/fpga_rt.v"
_XML, _LINK = "kernel.xml", "link.cfg"
_ID_DIGITS, _SOURCE_DIGITS, _NAME_DIGITS = 16, 8, 12


def kernel_project(board: Board, choice: Choice, announce: Announce = unheard) -> Project:
    """Return the project that builds an xclbin for every module of a choice.

    Args:
        board: what it is for.
        choice: what is built, and what it is linked with.
        announce: is told what takes long.

    Raises:
        ToolchainError: Yosys is missing or fails, or a module has no gateware.
    """
    card = CARDS[board.name]
    (partition,) = board.partitions
    chosen = choice.runs[partition.name]
    announce_verilog(announce, len(chosen))
    logic = KernelLogic(board)
    verilog = to_verilog(logic, LOGIC)
    static_id = int(digest(verilog)[:_ID_DIGITS], 16)
    files = {
        _LOGIC_FILE: verilog,
        _TOP_FILE: kernel_top(logic, static_id),
        _XML: kernel_xml(),
        _LINK: link_configuration(card.bank, frequency_hz(board.clock_ps)),
        **flow_files("kernel.tcl"),
    }
    modules = {module.name: module_verilog(module) for module in chosen}
    platform = choice.platform or card.platform
    same = digest(card.part, platform, *(files[name] for name in sorted(files)))
    work = {
        name: f"work/{name}-{digest(same, text)[:_NAME_DIGITS]}" for name, text in modules.items()
    }
    files |= {module_file(module): modules[module.name] for module in chosen}
    project = Project(
        board=board.name,
        clock_ps=board.clock_ps,
        part=card.part,
        tool=_TOOL,
        tool_version=TOOL_VERSION,
        command=COMMAND,
        source_id=static_id >> 4 * (_ID_DIGITS - _SOURCE_DIGITS),
        base="",
        blanks={},
        implementation_id="",
        runs=tuple(
            Run(partition.name, m.name, m.module_id, f"{work[m.name]}.xclbin") for m in chosen
        ),
        files=files,
    )
    files["plan.tcl"] = plan_text(_plan(board, card, platform, chosen, work))
    files["README.md"] = _readme(board, project, platform)
    return project


def _plan(
    board: Board,
    card: Card,
    platform: str,
    modules: tuple[Module, ...],
    work: Mapping[str, str],
) -> dict[str, object]:
    """Return the plan: what `flow/kernel.tcl` reads."""
    return {
        "part": card.part,
        "tool_version": TOOL_VERSION,
        "platform": platform,
        "frequency_hz": frequency_hz(board.clock_ps),
        "kernel": {
            "name": KERNEL_NAME,
            "vendor": VENDOR,
            "library": LIBRARY,
            "sources": [_LOGIC_FILE, _TOP_FILE],
            "xml": _XML,
            "link": _LINK,
            "control": CONTROL_PORT,
            "memory": MEMORY_PORT,
            "range": f"{RANGE_BYTES:#x}",
            "registers": register_entries(),
        },
        "modules": {
            module.name: {
                "source": module_file(module),
                "work": work[module.name],
                "xclbin": f"{work[module.name]}.xclbin",
            }
            for module in modules
        },
    }


def _readme(board: Board, project: Project, platform: str) -> str:
    modules = ", ".join(run.module for run in project.runs)
    return f"""# {board.title}: kernels of fpga_rt

Written by `fpga-rt build`. Needs {project.tool} {project.tool_version} or newer (its
`settings64.sh` puts `vivado` and `v++` on PATH) and the development package of platform
{platform}; this flow has not been run by the project itself.

    {" ".join(project.command)}

It packages and links a kernel for each module, the static region with it inside: {modules}.
What exists is not made again, so it goes on where it was stopped. One stage at a time:
`-tclargs package` or `link`.

Then, in the environment of fpga_rt: `fpga-rt build --import -o THIS_FOLDER`.

| | |
| --- | --- |
| `plan.tcl` | what to build |
| `flow.tcl`, `project.tcl`, `build.tcl` | how |
| `rtl/` | Verilog of the static region, of the kernel's top module, and of each module |
| `kernel.xml`, `link.cfg` | what XRT's tools are told of the kernel, and of its memory and clock |
| `project.json` | what is expected back |
| `work/` | packaged kernels (.xo) and xclbins, named by digests of their sources |
"""
