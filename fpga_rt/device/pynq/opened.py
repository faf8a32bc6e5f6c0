"""What a device holds of its board while it is open."""

from __future__ import annotations

from contextlib import ExitStack

from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.pynq.buffers import open_memory
from fpga_rt.device.pynq.interrupts import POLL_S, Polling, UioInterrupt, Waiter
from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.device.pynq.port_switch import switch_of
from fpga_rt.device.pynq.registers import static_region_window
from fpga_rt.device.stopping import is_static_region, stop


class OpenedBoard:
    """Mappings and files of a board whose FPGA is configured.

    Attributes:
        window: the registers of the static region.
        switch: who reaches the configuration logic.
        memory: where buffers come from.
        waiter: how the end of a program is waited for.
    """

    def __init__(self, kernel: Kernel, family: str, address: int) -> None:
        """Open everything, or nothing.

        Args:
            kernel: where its interfaces lie.
            family: of the FPGA.
            address: of the registers for the processor.

        Raises:
            DeviceError: the kernel refuses, or has no contiguous memory.
        """
        with ExitStack() as opened:
            self.switch = switch_of(kernel, family)
            opened.callback(self.switch.close)
            self.window = static_region_window(kernel, address, STATIC_REGION.size_bytes)
            opened.callback(self.window.close)
            self.memory = open_memory(kernel)
            opened.callback(self.memory.close)
            self.waiter = _waiter(kernel)
            opened.callback(self.waiter.close)
            self._opened = opened.pop_all()

    @property
    def description(self) -> tuple[str, ...]:
        """What it is like, a sentence each, for lists of assumptions."""
        how = "by interrupt" if isinstance(self.waiter, UioInterrupt) else "by polling"
        return (
            f"The end of a load is noticed within {POLL_S * 1e6:g} us and a scheduling delay, that"
            f" of a program {how}.",
            f"Memory: {self.memory.description}.",
        )

    def stop(self) -> None:
        """Let nothing go on that reads or writes memory; only a static region takes this.

        Raises:
            DeviceError: it goes on all the same.
        """
        stop(self.window, "program", "load")

    def close(self, *, answers: bool = True) -> None:
        """Stop what runs, if a static region is there, and give everything back.

        Args:
            answers: whether the FPGA is configured, so that its registers can be read at all.

        Raises:
            DeviceError: it goes on all the same; everything is given back.
        """
        with self._opened:
            if answers and is_static_region(self.window):
                self.stop()


def _waiter(kernel: Kernel) -> Waiter:
    uio = kernel.named("uio", "fpga_rt")
    return Polling() if uio is None else UioInterrupt(kernel.node(uio))
