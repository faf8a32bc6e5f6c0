"""Projects for Vivado: gateware as Verilog, constraints, and a plan for the flow in `flow/`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fpga_rt.arch.boards import Board
from fpga_rt.builder.choice import Choice
from fpga_rt.builder.project import Project, Run
from fpga_rt.errors import ToolchainError
from hw.platform import constraints
from hw.platform.board_logic import PARTITION_MODULE, SOURCE_ID_BITS, BoardLogic
from hw.platform.card import CARDS
from hw.platform.constraints import LOGIC
from hw.platform.hierarchy import Hierarchy
from hw.platform.kernel_project import kernel_project
from hw.platform.project_parts import (
    COMMAND,
    TOOL,
    TOOL_VERSION,
    Announce,
    announce_verilog,
    black_box,
    digest,
    flow_files,
    module_file,
    module_verilog,
    plan_text,
    unheard,
)
from hw.platform.target import ULTRA, Target, target
from hw.static_region.feature_memory import BANKS
from hw.verilog import to_verilog

TOP = "top"
_LOGIC = "board_logic"
_BANK = re.compile(
    r"^(  reg \[63:0\] bank\d \[\d+:0\];\n)(  initial begin\n(?:    bank\d\[.*\n)+  end\n)",
    re.MULTILINE,
)
_LOGIC_FILE, _TOP_FILE, _PARTITION_FILE = "rtl/board_logic.v", "rtl/top.v", "rtl/partition.v"
_CLOCKS, _PARTITIONS = "constraints/clocks.xdc", "constraints/partitions.xdc"
_CROSSINGS, _MODULE_CLOCK = "constraints/crossings.xdc", "constraints/module.xdc"


def vivado_project(board: Board, choice: Choice, announce: Announce = unheard) -> Project:
    """Return the project that builds every bitstream of a choice.

    Args:
        board: what it is for.
        choice: what is built.
        announce: is told what takes long.

    Raises:
        ToolchainError: nothing is known of the board for the tool, Yosys is missing or fails, or a
            module has no gateware.
        PlanningError: its floorplan cannot be built.
    """
    if board.name in CARDS:
        return kernel_project(board, choice, announce)
    chip = target(board)
    announce_verilog(announce, len(choice.modules))
    logic = _with_memory_style(to_verilog(BoardLogic(board, chip), _LOGIC), chip.feature_memory)
    hierarchy = Hierarchy(logic, _LOGIC)
    files = {
        _LOGIC_FILE: logic,
        _PARTITION_FILE: black_box(),
        _CLOCKS: constraints.clock_constraints(board, chip),
        _PARTITIONS: constraints.partition_constraints(board, chip),
        _CROSSINGS: constraints.crossing_constraints(board, chip, hierarchy),
        _MODULE_CLOCK: constraints.module_constraints(board),
        **flow_files("flow.tcl"),
    }
    modules = {module_file(module): module_verilog(module) for module in choice.modules}
    digests = {
        module.name: digest(chip.part, files[_MODULE_CLOCK], modules[module_file(module)])
        for module in choice.modules
    }
    initial = [f"{name} {digests[m.name]}" for name, m in sorted(choice.initial.items())]
    static = digest(chip.part, *initial, *(files[name] for name in sorted(files)))
    source_id = int(static[: SOURCE_ID_BITS // 4], 16)
    files |= {_TOP_FILE: _top(source_id), **modules}
    work = f"work/static-{static[:12]}"
    runs = tuple(
        Run(
            name,
            m.name,
            m.module_id,
            f"{work}/bitstreams/{name}/{m.name}-{digests[m.name][:12]}.bit",
        )
        for name, chosen in choice.runs.items()
        for m in chosen
    )
    project = Project(
        board=board.name,
        clock_ps=board.clock_ps,
        part=chip.part,
        tool=TOOL,
        tool_version=TOOL_VERSION,
        command=COMMAND,
        source_id=source_id,
        base=f"{work}/bitstreams/base.bit",
        blanks={p.name: f"{work}/bitstreams/{p.name}/blank.bit" for p in board.partitions},
        implementation_id=f"{work}/implementation_id.txt",
        runs=runs,
        files=files,
    )
    named = constraints.named_cells(hierarchy)
    files["plan.tcl"] = _plan(board, chip, choice, project, digests, named)
    files["README.md"] = _readme(board, project)
    return project


def _with_memory_style(verilog: str, style: str) -> str:
    """Return Verilog that says what the feature memory's banks are made of.

    UltraRAM cannot be initialised, and comes up as zeros; so the zeros are left out there.

    Raises:
        ToolchainError: there are not as many banks as the feature memory has.
    """

    def styled(found: re.Match[str]) -> str:
        return f'  (* ram_style = "{style}" *)\n{found[1]}{"" if style == ULTRA else found[2]}'

    found, count = _BANK.subn(styled, verilog)
    if count != BANKS:
        raise ToolchainError(
            f"{_LOGIC_FILE}: got {count} banks of the feature memory, expected {BANKS}, each a"
            f" `reg` of 64 bits with its zeros behind it; adapt {__name__} to how they are written"
        )
    return found


def _top(source_id: int) -> str:
    return (
        "// All pins are the processor's own.\n"
        f"module {TOP};\n"
        f"    {_LOGIC} {LOGIC} (.source_id({SOURCE_ID_BITS}'h{source_id:08x}));\n"
        "endmodule\n"
    )


def _plan(
    board: Board,
    chip: Target,
    choice: Choice,
    project: Project,
    digests: Mapping[str, str],
    named: Sequence[str],
) -> str:
    """Return the plan: what `flow/flow.tcl` reads, as a Tcl dictionary."""
    work = project.base.rpartition("/bitstreams/")[0]
    plan = {
        "part": chip.part,
        "tool_version": project.tool_version,
        "module_top": PARTITION_MODULE,
        "module_constraints": _MODULE_CLOCK,
        "static": {
            "top": TOP,
            "work": work,
            "sources": [_LOGIC_FILE, _PARTITION_FILE, _TOP_FILE],
            "clocks": _CLOCKS,
            "constraints": [_PARTITIONS, _CROSSINGS],
            "named": list(named),
            "bitstream": project.base,
        },
        "partitions": {
            partition.name: {
                "cell": constraints.partition_cell(partition),
                "initial": choice.initial[partition.name].name,
                "blank": project.blanks[partition.name],
            }
            for partition in board.partitions
        },
        "modules": {
            module.name: {
                "source": module_file(module),
                "checkpoint": f"work/{module.name}-{digests[module.name][:12]}.dcp",
            }
            for module in choice.modules
        },
        "runs": [
            [run.partition, run.module, run.file.removesuffix(".bit").replace("/bitstreams/", "/"),
             run.file]
            for run in project.runs
        ],
    }  # fmt: skip
    return plan_text(plan)


def _readme(board: Board, project: Project) -> str:
    names = sorted({run.module for run in project.runs})
    return f"""# {board.title}: bitstreams of fpga_rt

Written by `fpga-rt build`. Needs {project.tool} {project.tool_version} or newer with the device
family of {project.part}; this flow has not been run by the project itself.

    {" ".join(project.command)}

It makes one full bitstream with empty partitions, one that empties each partition, and
{len(project.runs)} partial ones of {len(names)} modules. What exists is not made again, so it goes
on where it was stopped. One stage at a time: `-tclargs synthesis`, `static`, `modules` or
`bitstreams`.

Then, in the environment of fpga_rt: `fpga-rt build --import -o THIS_FOLDER`.

| | |
| --- | --- |
| `plan.tcl` | what to build |
| `flow.tcl`, `project.tcl`, `build.tcl` | how |
| `rtl/` | Verilog of what stays, and of each module |
| `constraints/` | clocks, pblocks, clock crossings |
| `project.json` | what is expected back |
| `work/` | checkpoints, reports and bitstreams, in folders named by digests of their sources |
"""
