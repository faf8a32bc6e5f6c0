"""What predicted times rest on."""

from __future__ import annotations

from fpga_rt.arch.boards import Board
from fpga_rt.runtime.report import to_us
from fpga_rt.runtime.report_text import time_text


def assumptions(target: Board, port: str) -> list[str]:
    """Return what predicted times rest on, a sentence each."""
    chosen = target.ports[port]
    rate = f"{chosen.bytes_per_second / 1e6:,.1f} MB/s, {chosen.origin_text}"
    software_us = to_us(target.swap_software_ps)
    software = (
        f"Host software takes {time_text(software_us)} a swap, {target.calibration}; else no time."
        if software_us
        else "Host software takes no time."
    )
    return [f"Port {port}: {rate}; {chosen.terms_text}.", *target.notes, software]
