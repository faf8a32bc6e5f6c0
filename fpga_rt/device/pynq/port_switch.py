"""PCAP or ICAP: only one of them reaches the configuration logic at a time.

The kernel's driver takes the PCAP before each of its loads. The Zynq-7000 driver gives it back
after one that ended well, and after no other; so does nobody on a Zynq UltraScale+, or after boot.

Ref: Zynq-7000 SoC Technical Reference Manual
Document: UG585, devcfg.CTRL (0xF8007000): PCAP_PR, bit 27, 0 for the ICAP
Ref: Zynq UltraScale+ Device Register Reference
Document: UG1087, CSU.pcap_ctrl (0xFFCA3008): pcap_pr, bit 0, 0 for the ICAP
Ref: Linux (Xilinx), drivers/firmware/xilinx/zynqmp.c
Document: config_reg takes "ADDRESS MASK VALUE"; the platform firmware allows it or not
"""

from __future__ import annotations

import os
from typing import Protocol

from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.device.pynq.registers import RegisterWindow
from fpga_rt.errors import PortUnavailableError

DEVCFG_CTRL = 0xF800_7000
PCAP_PR = 1 << 27
_CSU_TO_ICAP = "0xFFCA3008 0x1 0x0"


class PortSwitch(Protocol):
    """Who reaches the configuration logic."""

    def to_controller(self) -> None:
        """Give the ICAP to the configuration controller.

        Raises:
            PortUnavailableError: that is not allowed.
        """

    def close(self) -> None:
        """Give back what was mapped."""


class DevcfgSwitch:
    """The switch of a Zynq-7000."""

    def __init__(self, kernel: Kernel) -> None:
        """Map the register.

        Raises:
            DeviceError: the kernel refuses.
        """
        self._window = RegisterWindow(kernel.memory, DEVCFG_CTRL, 4)

    def to_controller(self) -> None:
        """Clear PCAP_PR where it is set."""
        control = self._window.read(0)
        if control & PCAP_PR:
            self._window.write(0, control & ~PCAP_PR)

    def close(self) -> None:
        """Give the mapping back."""
        self._window.close()


class CsuSwitch:
    """The switch of a Zynq UltraScale+, behind its platform firmware."""

    def __init__(self, kernel: Kernel) -> None:
        """Name the kernel's file."""
        self._path = kernel.firmware_registers

    def to_controller(self) -> None:
        """Ask the platform firmware to clear pcap_pr."""
        try:
            file = os.open(self._path, os.O_WRONLY)
            try:
                os.write(file, _CSU_TO_ICAP.encode())
            finally:
                os.close(file)
        except OSError as error:
            raise PortUnavailableError(
                f"the ICAP cannot be had: {self._path} refuses {_CSU_TO_ICAP!r}"
                f" ({error.strerror}); boot a PMU firmware that was built with SECURE_ACCESS_VAL=1,"
                " or load through port pcap"
            ) from error

    def close(self) -> None:
        """Do nothing: nothing stays open."""


def switch_of(kernel: Kernel, family: str) -> PortSwitch:
    """Return the switch of a family of FPGAs.

    Raises:
        DeviceError: the kernel refuses it.
    """
    return DevcfgSwitch(kernel) if family == "7-series" else CsuSwitch(kernel)
