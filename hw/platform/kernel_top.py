"""The top module of a kernel: the ports that XRT's tools look for, around logic and module."""

from __future__ import annotations

from amaranth.lib.wiring import Component, Flow

from fpga_rt.contract.kernel import KERNEL_NAME
from hw.platform.kernel_description import CONTROL_PORT, MEMORY_PORT
from hw.platform.kernel_logic import ID_BITS
from hw.static_region.static_region import STATIC_ID_BITS
from hw.verilog import port_names

LOGIC = "kernel_logic"
"""Name of the module with all the logic."""
_CONTROL, _STATIC_ID = "s_axi_", "static_id"
_MODIFIABLE = 0b0011
"""AxCACHE of normal memory that is not cached: the way to the bank may join beats (A4.4)."""

_TOP = """\
// All of a kernel for XRT: the registers of `{control}`, and one port to memory.
module {name} (
    input ap_clk,
    input ap_rst_n,
{ports}
);
    // The platform's reset is synchronous, and comes from afar.
    reg reset = 1'b1;
    always @(posedge ap_clk) reset <= ~ap_rst_n;

    // All writes are of one thread.
    assign {memory}_awid = {id_bits}'d0;
    assign {memory}_awcache = 4'd{cache};
    assign {memory}_arcache = 4'd{cache};

    {logic} content (
        .clk(ap_clk),
        .rst(reset),
        .static_id({static_id_bits}'h{static_id:016x}),
{connections}
    );
endmodule
"""


def kernel_top(logic: Component, static_id: int) -> str:
    """Return the top module around a `KernelLogic`, which answers with `static_id`."""
    ports, connections = [], []
    for name, (value, flow) in port_names(logic).items():
        if name == _STATIC_ID:
            continue
        outer = f"{CONTROL_PORT}_{name.removeprefix(_CONTROL)}" if _CONTROL in name else name
        ports.append(_declared(outer, len(value), is_output=flow is Flow.Out))
        connections.append(f"        .{name}({outer})")
    ports += [
        _declared(f"{MEMORY_PORT}_awid", ID_BITS, is_output=True),
        _declared(f"{MEMORY_PORT}_bid", ID_BITS, is_output=False),
        _declared(f"{MEMORY_PORT}_awcache", 4, is_output=True),
        _declared(f"{MEMORY_PORT}_arcache", 4, is_output=True),
    ]
    return _TOP.format(
        control=CONTROL_PORT,
        name=KERNEL_NAME,
        ports=",\n".join(ports),
        memory=MEMORY_PORT,
        id_bits=ID_BITS,
        cache=_MODIFIABLE,
        logic=LOGIC,
        static_id_bits=STATIC_ID_BITS,
        static_id=static_id,
        connections=",\n".join(connections),
    )


def _declared(name: str, width: int, *, is_output: bool) -> str:
    range_of = f"[{width - 1}:0] " if width > 1 else ""
    return f"    {'output' if is_output else 'input'} {range_of}{name}"
