"""AXI4 and AXI4-Lite as signatures, seen from the manager; names as in the specification.

Ref: AMBA AXI and ACE Protocol Specification
Document: Arm IHI 0022, A2 (signals), B1 (AXI4-Lite)

Bursts are incrementing and of whole beats; managers here keep to 16 beats, which the AXI3 ports of
a Zynq-7000 take as well, and never cross 4 KiB.
"""

from __future__ import annotations

from amaranth.lib.wiring import In, Out, Signature

DATA_BITS = 64
DATA_BYTES = DATA_BITS // 8
MAX_BURST_BEATS = 16
BOUNDARY_BYTES = 4096
"""No burst crosses a multiple of this (A3.4.1)."""

OKAY, EXOKAY, SLVERR, DECERR = range(4)
"""Responses (A3.4.4)."""

_INCREMENTING = 1
_BEAT_SIZE = DATA_BYTES.bit_length() - 1


def axi_read(address_bits: int = 32) -> Signature:
    """Return the read half of an AXI4 manager with 64 bits of data and one transaction ID."""
    return Signature(
        {
            "araddr": Out(address_bits),
            "arlen": Out(8),
            "arsize": Out(3, init=_BEAT_SIZE),
            "arburst": Out(2, init=_INCREMENTING),
            "arvalid": Out(1),
            "arready": In(1),
            "rdata": In(DATA_BITS),
            "rresp": In(2),
            "rlast": In(1),
            "rvalid": In(1),
            "rready": Out(1),
        }
    )


def axi_write(address_bits: int = 32) -> Signature:
    """Return the write half of an AXI4 manager with 64 bits of data and one transaction ID."""
    return Signature(
        {
            "awaddr": Out(address_bits),
            "awlen": Out(8),
            "awsize": Out(3, init=_BEAT_SIZE),
            "awburst": Out(2, init=_INCREMENTING),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(DATA_BITS),
            "wstrb": Out(DATA_BYTES),
            "wlast": Out(1),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
        }
    )


def axi_lite(address_bits: int) -> Signature:
    """Return an AXI4-Lite manager with 32 bits of data."""
    return Signature(
        {
            "awaddr": Out(address_bits),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(32),
            "wstrb": Out(4),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            "araddr": Out(address_bits),
            "arvalid": Out(1),
            "arready": In(1),
            "rdata": In(32),
            "rresp": In(2),
            "rvalid": In(1),
            "rready": Out(1),
        }
    )
