"""The top module of the simulated side that never changes: static region and configuration port.

The ICAP pins of the two meet in here, of which CSIB can be seen from outside, and `static_id` is
tied to a digest of the static region's Verilog; every other port is passed on under its own name,
and what the configuration port says of the partitions comes out beside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from sim.build import Design
from sim.port import model_verilog

TOP = "system"

_CLOCKS = ("clk", "rst", "icap_clk", "icap_rst")
_ICAP = ("csib", "rdwrb", "i", "o", "avail", "prdone", "prerror")
_SEEN = "icap_csib"
STATIC_ID = "static_id"
_STROBES = ("loaded", "crc_error", "id_error", "far_error", "synced", "frame_written")


@dataclass(frozen=True)
class PortInfo:
    """A port of a Verilog module: its width, and whether the module drives it."""

    width: int
    is_output: bool


@dataclass(frozen=True)
class StaticSource:
    """A static region as Verilog.

    Attributes:
        module: name of its top module.
        verilog: all of its modules.
        ports: its ports by name, clocks and resets left out.
    """

    module: str
    verilog: str
    ports: Mapping[str, PortInfo]


def static_id(static: StaticSource) -> int:
    """Return what a static region answers as `static_id`: a 64-bit digest of its Verilog."""
    return int.from_bytes(hashlib.sha256(static.verilog.encode()).digest()[:8], "big")


def system_design(
    static: StaticSource,
    partitions: int,
    parameters: Mapping[str, int | str],
    port_verilog: str | None = None,
) -> Design:
    """Return the top module around a static region.

    Args:
        static: the static region.
        partitions: how many it has.
        parameters: of `configuration_port`, besides PARTITIONS.
        port_verilog: another model of the configuration port than `sim/port/`'s.
    """
    port = model_verilog() if port_verilog is None else port_verilog
    wrapper = _wrapper(static, partitions, parameters)
    return Design(static.module, TOP, "\n".join((wrapper, static.verilog, port)))


def _wrapper(static: StaticSource, partitions: int, parameters: Mapping[str, int | str]) -> str:
    tied = {STATIC_ID: f"64'h{static_id(static):016x}"} if STATIC_ID in static.ports else {}
    passed = {n: p for n, p in static.ports.items() if not _is_icap(n) and n not in tied}
    icap = {name: p for name, p in static.ports.items() if _is_icap(name)}
    header = [f"input {name}" for name in (*_CLOCKS, "pcap_owns")]
    header += [_declared(name, p) for name, p in passed.items()]
    header += [_declared("garbage", PortInfo(partitions, True))]
    header += [_declared(name, PortInfo(1, True)) for name in _STROBES]
    header += ["output [7:0] loaded_partition", "output [63:0] loaded_id"]
    header += ["output [31:0] frame_address"]
    header += [_declared(name, p) for name, p in icap.items() if name == _SEEN]
    inner = {name: p for name, p in icap.items() if name != _SEEN}
    wires = [f"    wire {_range(p.width)}{name};" for name, p in inner.items()]
    region = _connections({name: name for name in (*_CLOCKS, *static.ports)} | tied)
    model = {"clk": "icap_clk", **{pin: f"icap_{pin}" for pin in _ICAP if f"icap_{pin}" in icap}}
    model |= {name: name for name in ("pcap_owns", "garbage", *_STROBES)}
    model |= {name: name for name in ("loaded_partition", "loaded_id", "frame_address")}
    values = {"PARTITIONS": str(partitions)}
    values |= {k: f'"{v}"' if isinstance(v, str) else str(v) for k, v in parameters.items()}
    ports = ",\n    ".join(header)
    return "\n".join(
        (
            f"module {TOP} (\n    {ports}\n);",
            *wires,
            f"    {static.module} region (\n{region}\n    );",
            f"    configuration_port #(\n{_connections(values)}\n    )"
            f" configuration (\n{_connections(model)}\n    );",
            "endmodule\n",
        )
    )


def _is_icap(name: str) -> bool:
    return name.startswith("icap_")


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _declared(name: str, port: PortInfo) -> str:
    return f"{'output' if port.is_output else 'input'} {_range(port.width)}{name}"


def _connections(pairs: Mapping[str, str]) -> str:
    return ",\n".join(f"        .{name}({value})" for name, value in pairs.items())
