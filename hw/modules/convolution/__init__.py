"""The convolution module: two products on a DSP48, and a residual that is added on the way out."""

from __future__ import annotations

from amaranth.utils import ceil_log2

from fpga_rt.errors import ToolchainError
from fpga_rt.modules import module as host
from hw.modules.convolution.operator import Convolution
from hw.modules.window.window import Window


def rtl(module: host.Module) -> Window:
    """Return the RTL half of a convolution module; what the entry point names.

    Raises:
        ToolchainError: the lanes are not two powers of two that the gateware supports.
    """
    if module.family != "convolution" or not _supported(module.lanes):
        raise ToolchainError(
            f"module {module.name}: convolution gateware has 2 to 16 output and 2 to 32 input"
            " lanes, powers of two; register gateware of its own under another family"
        )
    outputs, inputs = module.lanes
    return Window(module, Convolution(outputs, inputs))


def _supported(lanes: tuple[int, ...]) -> bool:
    whole = all(1 << ceil_log2(lane) == lane for lane in lanes)
    return len(lanes) == 2 and whole and 2 <= lanes[0] <= 16 and 2 <= lanes[1] <= 32
