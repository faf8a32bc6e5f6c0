"""Make NNgen's design of a chain of 3x3 convolutions, and NNgen's test bench around it.

    python -I benchmarks/nngen_layer.py REQUEST.json FOLDER

Runs in NNgen's own environment, isolated (-I): this folder has a module of NNgen's name. The
request names the layers, the degrees of parallelism and the memory; FOLDER gets `design.v` and
`layout.json`, which says where each tensor lies in memory and which states of the main machine
are which layer. The data are the caller's: the test bench reads its memory from `memory.hex`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import nngen as ng  # type: ignore[import-not-found]  # only in its own environment
import veriloggen as vg  # type: ignore[import-not-found]
from veriloggen import simulation, thread
from veriloggen.types import axi  # type: ignore[import-not-found]


def main() -> None:
    """Write the design that the request asks for."""
    request = json.loads(Path(sys.argv[1]).read_text())
    os.chdir(sys.argv[2])  # NNgen writes and reads the memory's image by the name that it embeds
    tensors, outputs = _network(request)
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        design = ng.to_veriloggen(
            outputs, "layers", config={"maxi_datawidth": request["port_bits"]}
        )
    layout = {
        "tensors": {tensor.name: _place(tensor) for tensor in (*tensors, *outputs)},
        "states": _states(log.getvalue()),
    }
    bench = _bench(design, request)
    Path("design.v").write_text(bench.to_verilog())
    Path("layout.json").write_text(json.dumps(layout, indent=1))


def _network(request: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return inputs and parameters, and the output of each layer."""
    first = request["layers"][0]
    shape = (1, first["height"], first["width"], first["input_channels"])
    previous = ng.placeholder(ng.int8, shape=shape, name="input")
    tensors, outputs = [previous], []
    for layer in request["layers"]:
        name, channels = layer["name"], layer["output_channels"]
        shape = (channels, 3, 3, layer["input_channels"])
        weights = ng.variable(ng.int8, shape=shape, name=f"{name}_weights")
        bias = ng.variable(ng.int32, shape=(channels,), name=f"{name}_bias")
        scale = ng.variable(ng.int8, shape=(channels,), name=f"{name}_scale")
        previous = ng.conv2d(
            previous,
            weights,
            strides=(1, layer["stride"], layer["stride"], 1),
            bias=bias,
            scale=scale,
            rshift_out=layer["shift"],
            dtype=ng.int8,
            mul_dtype=ng.int32,
            sum_dtype=ng.int32,
            name=name,
            **request["parallel"],
        )
        tensors += [weights, bias, scale]
        outputs.append(previous)
    return tensors, outputs


def _place(tensor: Any) -> dict[str, Any]:  # noqa: ANN401  # NNgen has no types
    return {"address": int(tensor.addr), "shape": [int(n) for n in tensor.aligned_shape]}


def _states(log: str) -> dict[str, list[int]]:
    """Return the first and the last state of each operation, from NNgen's report."""
    found = re.findall(r"\((\d+), (\d+), '(\w+)', 'control_\w+'\)", log)
    return {name: [int(first), int(last)] for first, last, name in found}


def _bench(design: Any, request: dict[str, Any]) -> Any:  # noqa: ANN401  # NNgen has no types
    """Return NNgen's usual test bench: its memory model without pauses, start, wait, finish."""
    module = vg.Module("test")
    module.copy_params(design)
    ports = module.copy_sim_ports(design)
    clock, reset_n = ports["CLK"], ports["RESETN"]
    reset = module.Wire("RST")
    reset.assign(vg.Not(reset_n))
    image = Path("memory.hex")
    image.write_text("00\n")  # read for its length here, and by the simulator for its content
    memory = axi.AxiMemoryModel(
        module,
        "memory",
        clock,
        reset,
        datawidth=request["port_bits"],
        mem_addrwidth=request["memory_bytes"].bit_length() - 1,
        memimg=str(image),
        write_delay=request["memory_latency_cycles"],
        read_delay=request["memory_latency_cycles"],
        sleep_interval=0,
    )
    memory.connect(ports, "maxi")
    registers = thread.AXIMLite(module, "_saxi", clock, reset, noio=True)
    registers.connect(ports, "saxi")

    def control() -> None:
        ng.sim.start(registers)
        ng.sim.wait(registers)
        thread.finish()

    thread.Thread(module, "control", clock, reset, control).start()
    module.Instance(
        design,
        "accelerator",
        params=module.connect_params(design),
        ports=module.connect_ports(design),
    )
    simulation.setup_clock(module, clock, hperiod=5)
    simulation.setup_reset(module, reset_n, module.make_reset(), period=100, polarity="low")
    return module


if __name__ == "__main__":
    main()
