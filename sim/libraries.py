"""Which gateware becomes which library: the static region of a board, and the installed modules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from fpga_rt.arch import boards
from fpga_rt.modules.registry import by_identity
from sim.build import Design, build_common, build_model, without_initial_values
from sim.sources import module_verilog, port_parameters, static_source
from sim.toolchain import toolchain
from sim.top import system_design


@cache
def static_library(board_name: str, waves: bool = False) -> Path:
    """Return the library of a board's static region and configuration port, building it if need be.

    Raises:
        ToolchainError: a tool is missing or fails.
    """
    toolchain()
    with ThreadPoolExecutor(1) as beside:  # Amaranth and Yosys keep one core busy
        common = beside.submit(build_common, waves=waves)
        library = build_model(_static_design(board_name), waves=waves)
        common.result()
    return library


@cache
def module_library(module_id: int, waves: bool = False) -> tuple[Path, str] | None:
    """Return the library of an installed module and the module's name, building it if need be.

    Its registers have no initial values: after a load they hold anything until they are reset.

    Returns:
        None when no installed module has this identity.

    Raises:
        ToolchainError: the module has no RTL, or a tool is missing or fails.
    """
    module = by_identity().get(module_id)
    if module is None:
        return None
    toolchain()
    verilog = without_initial_values(module_verilog(module))
    return build_model(Design(module.name, module.name, verilog), waves=waves), module.name


@cache
def _static_design(board_name: str) -> Design:
    board = boards.board(board_name)
    return system_design(static_source(board), len(board.partitions), port_parameters(board))
