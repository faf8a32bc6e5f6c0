"""The static region as a kernel of XRT: the registers that XRT expects, and where the others lie.

An Alveo card's memory lies anywhere in 64 bits, the static region's addresses have 32. So the
kernel adds `memory_base` to each of them. To XRT it is a kernel with the control protocol
`ap_ctrl_hs`, which it opens for register accesses; one with another protocol it does not open by
its C interface. The kernel is never started: it does nothing with the first four registers.

Ref: Vitis Application Acceleration Development (UG1393)
Document: Control Requirements for XRT-Managed Kernels (below 0x10 XRT's own registers, then
arguments)
Ref: XRT, src/runtime_src/core/common/api/xrt_kernel.cpp
Document: kernel_impl (AP_CTRL_NONE is refused), get_cuidx_or_error (accesses beyond the range)
"""

from __future__ import annotations

from fpga_rt.contract.layout import Field
from fpga_rt.contract.registers import Access, Register, RegisterMap

KERNEL_NAME = "fpga_rt"
"""Of the kernel, and of its top module."""

STATIC_REGION_OFFSET = 0x1000
"""Where the static region's registers begin."""

RANGE_BYTES = 2 * STATIC_REGION_OFFSET
"""Of all registers: as much as XRT must let through."""

MEMORY_ALIGNMENT = 4096
"""Of `memory_base`: a burst that crosses no 4 KiB before crosses none behind it."""


def _unused(name: str, offset: int, what: str) -> Register:
    field = Field("value", 0, 0, 32, description="kept and not looked at")
    return Register(name, offset, Access.READ_WRITE, (field,), f"XRT's {what}.")


KERNEL = RegisterMap(
    "kernel",
    (
        _unused("control", 0x00, "start and done; `ap_idle` (bit 2) after reset"),
        _unused("global_interrupt_enable", 0x04, "switch of all interrupts: there are none"),
        _unused("interrupt_enable", 0x08, "switch of each interrupt"),
        _unused("interrupt_status", 0x0C, "pending interrupts"),
        Register(
            "memory_base",
            0x10,
            Access.READ_WRITE,
            (Field("value", 0, 0, 64, description="a multiple of 4096; its rest is ignored"),),
            "What is added, modulo 2**64, to every address that the static region reads or writes."
            " Write it before anything that uses memory, and never while a program runs.",
            words=2,
        ),
        Register(
            "kernel_id",
            0x18,
            Access.READ_ONLY,
            (Field("value", 0, 0, 32, description="identity of this map"),),
            "Which map of the kernel's own registers this is.",
        ),
    ),
)
"""What lies below `STATIC_REGION_OFFSET`."""

IDLE = 1 << 2
"""`ap_idle` of `control`."""
