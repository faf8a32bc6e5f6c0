"""AXI with transaction IDs, as the ports of processors have it, seen from the manager.

Ref: AMBA AXI and ACE Protocol Specification
Document: Arm IHI 0022, A2 (signals), A5 (transaction identifiers)
"""

from __future__ import annotations

from amaranth.lib.wiring import In, Out, Signature

from hw.blocks.axi import axi_read, axi_write

INCR, FIXED = 1, 0
"""Kinds of burst (A3.4.1); the third, WRAP, is of caches."""


def memory_port(address_bits: int, id_bits: int) -> Signature:
    """Return a 64-bit port to memory: reads with IDs, writes all of one ID."""
    ids = {"arid": Out(id_bits), "rid": In(id_bits)}
    read, write = axi_read(address_bits).members, axi_write(address_bits).members
    return Signature({**read, **write, **ids})


def processor_port(data_bits: int, address_bits: int, id_bits: int) -> Signature:
    """Return a port by which a processor reaches the logic; lock, cache and protection left out."""
    address = {
        "id": Out(id_bits),
        "addr": Out(address_bits),
        "len": Out(8),
        "size": Out(3),
        "burst": Out(2),
        "valid": Out(1),
        "ready": In(1),
    }
    return Signature(
        {
            **{f"aw{name}": member for name, member in address.items()},
            **{f"ar{name}": member for name, member in address.items()},
            "wdata": Out(data_bits),
            "wstrb": Out(data_bits // 8),
            "wlast": Out(1),
            "wvalid": Out(1),
            "wready": In(1),
            "bid": In(id_bits),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            "rid": In(id_bits),
            "rdata": In(data_bits),
            "rresp": In(2),
            "rlast": In(1),
            "rvalid": In(1),
            "rready": Out(1),
        }
    )
