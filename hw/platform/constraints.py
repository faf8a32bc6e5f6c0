"""Constraints of a board's project: clocks, partitions, and what crosses between the clocks.

Ref: Vivado Design Suite User Guide: Using Constraints
Document: UG903, Defining Clocks (generated clocks, renaming), Timing Exceptions, Bus Skew
Ref: Vivado Design Suite User Guide: Dynamic Function eXchange
Document: UG909, Apply Reset After Reconfiguration, Automatic Adjustments (SNAPPING_MODE)
"""

from __future__ import annotations

from collections.abc import Iterable

from fpga_rt.arch.boards import Board
from fpga_rt.arch.floorplan import Partition, cells
from fpga_rt.arch.sites import site_ranges
from hw.platform.hierarchy import Hierarchy
from hw.platform.target import Target

LOGIC = "board"
"""Instance of the board's logic in the top module."""
PROCESSOR_CLOCK, COMPUTE_CLOCK, CONFIGURATION_CLOCK = "processor", "compute", "configuration"
_MMCM = f"{LOGIC}/clocks/mmcm"
_CONTROLLER = f"{LOGIC}/static_region/controller"
_FIFO = f"{_CONTROLLER}/fifo"
_STAGES = ("stage0", "stage1")

GRAY_POINTERS = (
    (f"{_FIFO}/produce_w_gry", f"{_FIFO}/produce_cdc/stage0"),
    (f"{_FIFO}/consume_r_gry", f"{_FIFO}/consume_cdc/stage0"),
)
"""Registers of the asynchronous FIFO's pointers, and the first ones behind them on the other clock.
A pointer in Gray code is right only if its bits arrive together."""


def partition_cell(partition: Partition) -> str:
    """Return the cell of a partition."""
    return f"{LOGIC}/{partition.name}"


def clock_constraints(board: Board, target: Target) -> str:
    """Return the constraints of the clocks; all of them come from one of the processor's."""
    pin = f"{LOGIC}/{target.clock_pin}"
    return _text(
        "The processor's clock, and those that the MMCM makes of it.",
        [
            f"create_clock -name {PROCESSOR_CLOCK} -period {_ns(board.clock_ps)}"
            f" [get_pins {{{pin}}}]",
            f"create_generated_clock -name {COMPUTE_CLOCK} [get_pins {_MMCM}/CLKOUT0]",
            f"create_generated_clock -name {CONFIGURATION_CLOCK} [get_pins {_MMCM}/CLKOUT1]",
        ],
    )


def module_constraints(board: Board) -> str:
    """Return the constraints of a module that is synthesised by itself."""
    return _text(
        "The clock of a module, out of context.",
        [f"create_clock -name {COMPUTE_CLOCK} -period {_ns(board.clock_ps)} [get_ports clk]"],
    )


def partition_constraints(board: Board, target: Target) -> str:
    """Return a pblock for each partition: the sites of exactly its columns and rows.

    Raises:
        PlanningError: the sites of the device have no known numbers.
    """
    lines = []
    for partition in board.partitions:
        name = f"[get_pblocks pblock_{partition.name}]"
        sites = " ".join(
            str(found) for found in site_ranges(board.device, cells(board.device, partition))
        )
        lines += [
            "",
            f"create_pblock pblock_{partition.name}",
            f"add_cells_to_pblock {name} [get_cells {partition_cell(partition)}]",
            f"resize_pblock {name} -add {{{sites}}}",
        ]
        if target.has_reset_option:
            lines += [
                f"set_property RESET_AFTER_RECONFIG true {name}",
                f"set_property SNAPPING_MODE ON {name}",
            ]
    return _text("Where partitions lie: whole columns of whole clock regions.", lines)


def crossing_constraints(board: Board, target: Target, hierarchy: Hierarchy) -> str:
    """Return the constraints of what crosses between the clocks.

    Every signal that crosses does so into a synchroniser, through the memory of the FIFO, or stands
    still while it is looked at; none may take longer than the faster clock's period.
    """
    plan = target.clocks(board)
    shortest = _ns(min(plan.compute_ps, plan.configuration_ps))
    lines = [
        f"set_max_delay -datapath_only -from [get_clocks {source}] -to [get_clocks {sink}]"
        f" {shortest}"
        for source, sink in (
            (COMPUTE_CLOCK, CONFIGURATION_CLOCK),
            (CONFIGURATION_CLOCK, COMPUTE_CLOCK),
        )
    ]
    lines += [
        f"set_bus_skew -from [get_cells {{{source}_reg[*]}}] -to [get_cells {{{sink}_reg[*]}}]"
        f" {shortest}"
        for source, sink in GRAY_POINTERS
    ]
    lines += [
        f"set_property ASYNC_REG true [get_cells {{{pattern}}}]"
        for pattern in synchronisers(hierarchy)
    ]
    return _text("Between the clocks.", lines)


def named_cells(hierarchy: Hierarchy) -> tuple[str, ...]:
    """Return every pattern of cells that constraints of crossings name; all have to find some."""
    pointers = (f"{name}_reg[*]" for pair in GRAY_POINTERS for name in pair)
    return tuple(dict.fromkeys((*pointers, *synchronisers(hierarchy))))


def synchronisers(hierarchy: Hierarchy) -> tuple[str, ...]:
    """Return patterns of the cells of every synchroniser, those of resets included."""
    return tuple(
        f"{LOGIC}/{register.pattern}"
        for stage in _STAGES
        for register in hierarchy.registers(stage)
    )


def _ns(ps: int) -> str:
    return f"{ps / 1000:.3f}"


def _text(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"# {title}", *lines]) + "\n"
