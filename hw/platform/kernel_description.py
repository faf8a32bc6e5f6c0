"""What the vendor tools are told of a kernel: its metadata, and what it is linked to.

Ref: Vitis Application Acceleration Development (UG1393)
Document: RTL Kernel XML File, Vitis Compiler Configuration File ([connectivity], [clock])
"""

from __future__ import annotations

from fpga_rt.contract.kernel import KERNEL, KERNEL_NAME, RANGE_BYTES
from fpga_rt.contract.registers import Register
from hw.blocks.axi import DATA_BITS

VENDOR, LIBRARY, VERSION = "fpga_rt", "kernel", "1.0"
CONTROL_PORT, MEMORY_PORT = "s_axi_control", "m_axi"
_POINTER = "memory_base"
_RENAMED = {
    "control": "CTRL",
    "global_interrupt_enable": "GIER",
    "interrupt_enable": "IP_IER",
    "interrupt_status": "IP_ISR",
}
"""What the vendor calls the registers that XRT expects."""
_KERNEL_XML = """\
<?xml version="1.0" encoding="UTF-8"?>
<root versionMajor="1" versionMinor="6">
  <kernel name="{name}" language="ip_c" vlnv="{vendor}:{library}:{name}:{version}" attributes=""
      preferredWorkGroupSizeMultiple="0" workGroupSize="1" interrupt="false"
      hwControlProtocol="ap_ctrl_hs">
    <ports>
      <port name="{control}" mode="slave" range="{range:#x}" dataWidth="32" portType="addressable"
          base="0x0"/>
      <port name="{memory}" mode="master" range="0xFFFFFFFFFFFFFFFF" dataWidth="{data_bits}"
          portType="addressable" base="0x0"/>
    </ports>
    <args>
      <arg name="{pointer}" addressQualifier="1" id="0" port="{memory}" size="0x8"
          offset="{offset:#05x}" type="void*" hostOffset="0x0" hostSize="0x8"/>
    </args>
  </kernel>
</root>
"""


def kernel_xml() -> str:
    """Return the kernel's metadata: its ports, and the one argument that ties memory to it."""
    return _KERNEL_XML.format(
        name=KERNEL_NAME,
        vendor=VENDOR,
        library=LIBRARY,
        version=VERSION,
        control=CONTROL_PORT,
        memory=MEMORY_PORT,
        range=RANGE_BYTES,
        data_bits=DATA_BITS,
        pointer=_POINTER,
        offset=KERNEL[_POINTER].offset,
    )


def frequency_hz(clock_ps: int) -> int:
    """Return the frequency that the tools are told, from a period in picoseconds."""
    return 10**12 // clock_ps


def link_configuration(bank: str, clock_hz: int) -> str:
    """Return what `v++ --link --config` reads: one unit, its memory and its clock.

    Args:
        bank: the memory, as `DDR[1]`.
        clock_hz: frequency of the compute clock.
    """
    unit = f"{KERNEL_NAME}_1"
    return (
        "[connectivity]\n"
        f"nk={KERNEL_NAME}:1:{unit}\n"
        f"sp={unit}.{MEMORY_PORT}:{bank}\n"
        "\n"
        "[clock]\n"
        f"freqHz={clock_hz}:{unit}\n"
    )


def register_entries() -> list[list[str | int]]:
    """Return name, offset and bits of each register, and the port that an address in it is for."""
    return [_entry(register) for register in KERNEL.registers]


def _entry(register: Register) -> list[str | int]:
    name = _RENAMED.get(register.name, register.name)
    entry: list[str | int] = [name, f"{register.offset:#05x}", 8 * register.size_bytes]
    return [*entry, MEMORY_PORT] if register.name == _POINTER else entry
