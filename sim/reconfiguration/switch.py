"""All modules that a partition may hold, in one simulation, of which one is connected.

Icarus compiles a design once, so a module cannot come later as it does on the device. The wrapper
made here has every module inside: those that are not there see no clock and no known input, and
the wires of the partition are those of the module whose identity was found in the frames, unknown
while frames are written and while no module that is known was loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fpga_rt.contract.boundary import Direction, Wire


def module_switch(
    name: str,
    partition: int,
    wires: Sequence[Wire],
    modules: Mapping[int, str],
    clock: str = "clk",
) -> str:
    """Return the Verilog of a wrapper that stands for the modules of a partition.

    Its ports are `clock`, the `wires`, and from the configuration-port model `garbage` (the bit of
    this partition), `loaded`, `loaded_partition`, `loaded_id` and their clock `port_clk`. The
    instances in it are called `module_0`, `module_1`, ... in the order of `modules`.

    Args:
        name: Name of the wrapper.
        partition: The partition's index.
        wires: What crosses the boundary besides the clock; modules have ports of these names.
        modules: Verilog modules by identity; 0 is no identity.
        clock: Name of the modules' clock.

    Raises:
        ValueError: There are no modules, or one has the identity 0 or more than 64 bits.
    """
    if not modules or not all(0 < identity < 1 << 64 for identity in modules):
        raise ValueError(f"identities {list(modules)}: expected one or more from 1 to 2**64 - 1")
    outputs = [w for w in wires if w.direction is Direction.OUTPUT]
    lines = [
        "`timescale 1ns / 1ps",
        f"module {name} (",
        *(f"    input wire {port}," for port in ("port_clk", "garbage", "loaded")),
        "    input wire [7:0] loaded_partition,",
        "    input wire [63:0] loaded_id,",
        *(f"    {w.direction.value} wire {_range(w)}{w.name}," for w in wires),
        f"    input wire {clock}",
        ");",
        "    reg [63:0] present;  // the identity that was loaded last",
        "    initial present = 64'd0;",
        f"    wire changes = loaded && loaded_partition == 8'd{partition};",
        "    wire known = garbage === 1'b0 && !changes;",
        "    always @(posedge port_clk) if (changes) present <= loaded_id;",
    ]
    for index, (identity, module) in enumerate(modules.items()):
        lines += _instance(index, identity, module, wires, clock)
    for wire in outputs:
        lines.append(f"    assign {wire.name} =")
        lines += [f"        there_{i} ? {wire.name}_{i} :" for i in range(len(modules))]
        lines.append(f"        {{{wire.width}{{1'bx}}}};")
    return "\n".join([*lines, "endmodule", ""])


def _instance(
    index: int, identity: int, module: str, wires: Sequence[Wire], clock: str
) -> list[str]:
    """Return an instance that is there while its identity is present and nothing is written."""
    pins = [f".{clock}({clock} & running_{index})"]
    for wire in wires:
        if wire.direction is Direction.OUTPUT:
            pins.append(f".{wire.name}({wire.name}_{index})")
        else:
            unknown = f"{{{wire.width}{{1'bx}}}}"
            pins.append(f".{wire.name}(there_{index} ? {wire.name} : {unknown})")
    return [
        f"    wire there_{index} = known && present == 64'h{identity:016x};",
        f"    reg running_{index};  // changes while the clock is low",
        f"    initial running_{index} = 1'b0;",
        f"    always @({clock} or there_{index}) if (!{clock}) running_{index} = there_{index};",
        *(
            f"    wire {_range(w)}{w.name}_{index};"
            for w in wires
            if w.direction is Direction.OUTPUT
        ),
        f"    {module} module_{index} (",
        ",\n".join(f"        {pin}" for pin in pins),
        "    );",
    ]


def _range(wire: Wire) -> str:
    return f"[{wire.width - 1}:0] " if wire.width > 1 else ""
