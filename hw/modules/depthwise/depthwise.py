"""The module `depthwise` behind the module boundary."""

from __future__ import annotations

from fpga_rt.errors import ToolchainError
from fpga_rt.modules import module as host
from hw.modules.depthwise.operator import Depthwise
from hw.modules.window.window import Window

LANES = ((2,), (8,), (16,), (32,), (64,))


def rtl(module: host.Module) -> Window:
    """Return the RTL half of `depthwise`; what the entry point names.

    Raises:
        ToolchainError: the family or the lanes are not of this module.
    """
    if module.family != "depthwise" or module.lanes not in LANES:
        raise ToolchainError(
            f"module {module.name}: this gateware is depthwise on 2, 8, 16, 32 or 64 lanes;"
            " register gateware of your own under another family"
        )
    return Window(module, Depthwise(*module.lanes))
