"""The module `pooling` behind the module boundary."""

from __future__ import annotations

from fpga_rt.errors import ToolchainError
from fpga_rt.modules import module as host
from hw.modules.pooling.operator import Pooling
from hw.modules.window.window import Window

LANES = ((2,), (8,))


def rtl(module: host.Module) -> Window:
    """Return the RTL half of `pooling`; what the entry point names.

    Raises:
        ToolchainError: the family or the lanes are not of this module.
    """
    if module.family != "pooling" or module.lanes not in LANES:
        raise ToolchainError(
            f"module {module.name}: this gateware is pooling on 2 or 8 lanes;"
            " register gateware of your own under another family"
        )
    return Window(module, Pooling(*module.lanes))
