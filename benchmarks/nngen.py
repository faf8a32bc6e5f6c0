"""NNgen on the 3x3 layer shapes of ResNet8, simulated, and this project's gateware beside it.

NNgen makes one design for the six layers, one behind the other, as it does for a network, so all
of them run on the same multipliers. Every output is compared with NumPy, and the multipliers are
counted in the Verilog. NNgen and its packages live in an environment of their own in `build/nngen`.
The same chain runs on the RTL of one convolution module; clocks of both go from the end of a layer
to the end of the next, parameters and control included. What the module's formula says stands
beside, for the layers as ResNet8 has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import datasets, nngen_simulator
from benchmarks.measurement import Measurement
from benchmarks.nngen_gateware import on_gateware
from benchmarks.nngen_shapes import LAYERS, Figure, LayerShape, Side
from benchmarks.nngen_simulator import Design
from fpga_rt.arch.boards import board
from fpga_rt.arithmetic.operations import Convolution
from fpga_rt.contract.command import Segment
from fpga_rt.contract.sequencer import DISPATCH_CYCLES
from fpga_rt.errors import ExecutionError
from fpga_rt.frontend import load
from fpga_rt.modules.convolution import ConvolutionModule
from fpga_rt.modules.geometry import Ports
from fpga_rt.modules.layer import Layer, Operands, Place
from fpga_rt.planner.layers import plan_layers
from sim import toolchain

PARALLEL = {"par_ich": 4, "par_och": 1, "par_col": 1, "par_row": 4}
"""NNgen makes nine multipliers for a 3x3 kernel, times these: 144 are the nearest to 128 in powers
of two. Rows cost it a fixed time each, so four at once keep 84.7 % busy, two (and two output
channels) 82.8 %, one (and four) 77.4 %."""
PORT_BITS = 64
"""NNgen has one port to memory; it is made as wide as one stream of this project's."""
MEMORY_BYTES = 1 << 20
MEMORY_LATENCY_CYCLES = 10
"""NNgen's memory model with its own latency, but without the pauses that it makes by default."""
Codes = NDArray[np.int64]
Tensors = dict[str, Codes]


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    return toolchain.obstacle() or datasets.obstacle("tflite")


def run() -> list[Measurement]:
    """Return cycles and busy multipliers of every layer, of NNgen and of this project's module."""
    return compare((simulated(), on_gateware(), modelled()))


def compare(sides: Sequence[Side]) -> list[Measurement]:
    """Return the figures of several designs, layer by layer, then of all layers."""
    rows = [m for shape in LAYERS for side in sides for m in _row(shape, side)]
    return rows + [_total(side) for side in sides]


def _row(shape: LayerShape, side: Side) -> list[Measurement]:
    figure = side.figures[shape.name]
    busy = shape.products / (side.multipliers * figure.cycles) * 100
    note = f"{side.origin}; {side.parameters} {figure.parameter_cycles:,}"
    title = f"{shape}: {side.name}"
    of = f"{side.origin}; of {side.multipliers} multipliers"
    return [
        Measurement(title, figure.cycles, "cycles", side.clock, note=note),
        Measurement(f"{title}, busy", busy, "%", side.clock, note=of),
    ]


def _total(side: Side) -> Measurement:
    cycles = sum(figure.cycles for figure in side.figures.values())
    busy = _busy(side.multipliers, cycles)
    note = f"{side.origin}; {cycles:,} cycles, {side.multipliers} multipliers; {side.remark}"
    title = f"3x3 shapes of ResNet8: {side.name}, busy"
    return Measurement(title, busy, "%", side.clock, side.goal, False, note)


def _busy(multipliers: int, cycles: int) -> float:
    """Return the busy share of all layers, in per cent."""
    return sum(shape.products for shape in LAYERS) / (multipliers * cycles) * 100


def modelled(outputs: int = 8, inputs: int = 16) -> Side:
    """Return the convolution module's figures by its cycle formula, feature maps on chip.

    Args:
        outputs: lanes.
        inputs: lanes.
    """
    module = ConvolutionModule(outputs, inputs)
    planned = plan_layers(load(datasets.model_path("resnet8"))).layers
    layers = [p.layer for p in planned]
    figures = {shape.name: _cost(_find(shape, layers), module) for shape in LAYERS}
    name, origin = f"{outputs}x{inputs} lanes", "modelled by the module's cycle formula"
    exposed = sum(figure.cycles + figure.parameter_cycles for figure in figures.values())
    remark = (
        "feature maps on chip; parameters are read while the layer before computes, not within;"
        f" if nothing overlapped: {exposed:,} cycles, {_busy(module.multipliers, exposed):.1f} %"
    )
    return Side(name, module.multipliers, figures, "virtual", origin, remark)


def _find(shape: LayerShape, layers: Sequence[Layer]) -> Layer:
    """Return the network's layer of a shape, one without an addition if there is one."""
    tensor = (shape.height, shape.width, shape.input_channels)
    found = [
        layer
        for layer in layers
        if isinstance(layer.operation, Convolution)
        and layer.window[:2] == ((3, 3), (shape.stride, shape.stride))
        and (layer.input_shape, layer.output_shape[2]) == (tensor, shape.output_channels)
    ]
    return min(found, key=lambda layer: layer.has_residual)


def _cost(layer: Layer, module: ConvolutionModule) -> Figure:
    target = board("pynq-z2")
    ports = Ports(target.on_chip, target.on_chip, target.on_chip, target.dram)
    result = Place(Segment.FEATURES, 0, layer.output_shape)
    source = Place(Segment.FEATURES, 0, layer.input_shape)
    operands = Operands(source, result, result if layer.has_residual else None)
    commands = (module.command(layer, tile, operands) for tile in module.tiles(layer))
    costs = [module.cost(command, ports) for command in commands]
    cycles = sum(max(cost.compute, cost.parameters) + DISPATCH_CYCLES for cost in costs)
    return Figure(cycles, sum(cost.parameters for cost in costs))


def simulated() -> Side:
    """Simulate NNgen's design on random data and check what it computes.

    Raises:
        ToolchainError: a tool is missing or fails, or NNgen cannot be installed.
        ExecutionError: the design computes something else than NumPy.
    """
    request = {
        "layers": [asdict(shape) for shape in LAYERS],
        "parallel": PARALLEL,
        "port_bits": PORT_BITS,
        "memory_bytes": MEMORY_BYTES,
        "memory_latency_cycles": MEMORY_LATENCY_CYCLES,
    }
    design = nngen_simulator.make(request)
    tensors = _tensors()
    _write(design.folder / "memory.hex", tensors, design)
    events = design.simulate()
    _check(_read(design.folder / "result.hex"), tensors, design)
    name = f"NNgen {nngen_simulator.VERSION}"
    remark = (
        f"outputs equal NumPy's; {design.other_multipliers} multipliers more rescale;"
        f" all in one memory, {MEMORY_LATENCY_CYCLES} clocks of latency;"
        " parameters are read within, partly while it computes"
    )
    origin = f"simulated ({design.simulator}), {name}"
    return Side(name, design.multipliers, _figures(events, design), "rtl", origin, remark)


def _tensors() -> Tensors:
    """Return random input and parameters, and the outputs that follow from them."""
    rng = np.random.default_rng(0)
    first = LAYERS[0]
    previous = rng.integers(-127, 128, (first.height, first.width, first.input_channels))
    tensors: Tensors = {"input": previous}
    for shape in LAYERS:
        count = shape.output_channels
        weights = rng.integers(-127, 128, (count, 3, 3, shape.input_channels))
        bias, scale = rng.integers(-4096, 4096, count), rng.integers(1, 128, count)
        previous = convolve(previous, weights, shape.stride) + bias
        previous = rescale(previous * scale, shape.shift)
        tensors[f"{shape.name}_weights"] = weights
        tensors[f"{shape.name}_bias"], tensors[f"{shape.name}_scale"] = bias, scale
        tensors[shape.name] = previous
    return tensors


def convolve(codes: Codes, weights: Codes, stride: int) -> Codes:
    """Return the sums of a 3x3 convolution (H, W, C) by (O, 3, 3, C).

    With a stride of two NNgen pads above and on the left, TensorFlow below and on the right; the
    work is the same.
    """
    padding = 2 if stride == 1 else 1
    before = (padding + 1) // 2
    sides = (before, padding - before)
    padded = np.pad(codes, (sides, sides, (0, 0)))
    height, width = codes.shape[0] // stride, codes.shape[1] // stride
    total = np.zeros((height, width, len(weights)), np.int64)
    for y in range(3):
        for x in range(3):
            rows, columns = (
                slice(y, y + height * stride, stride),
                slice(x, x + width * stride, stride),
            )
            total += padded[rows, columns] @ weights[:, y, x].T
    return total


def rescale(values: Codes, shift: int) -> Codes:
    """Shift right, round to the nearest with ties away from zero, and saturate to +-127."""
    shifted: Codes = (values + (1 << (shift - 1)) - (values < 0)) >> shift
    return shifted.clip(-127, 127)


def _write(path: Path, tensors: Tensors, design: Design) -> None:
    """Write the memory before the run: inputs and parameters where NNgen expects them."""
    memory = np.zeros(MEMORY_BYTES, np.uint8)
    outputs = {shape.name for shape in LAYERS}
    for name, values in tensors.items():
        if name in outputs:
            continue
        place = design.tensors[name]
        padding = [(0, 0)] * (values.ndim - 1) + [(0, place["shape"][-1] - values.shape[-1])]
        kind = np.dtype("<i4" if name.endswith("_bias") else np.int8)
        data = np.frombuffer(np.pad(values, padding).astype(kind).tobytes(), np.uint8)
        memory[place["address"] : place["address"] + data.size] = data
    path.write_text(memory.tobytes().hex("\n") + "\n")


def _read(path: Path) -> NDArray[np.int8]:
    """Return the memory after the run."""
    return np.frombuffer(bytes.fromhex(path.read_text()), np.int8)


def _check(memory: NDArray[np.int8], tensors: Tensors, design: Design) -> None:
    for shape in LAYERS:
        place, expected = design.tensors[shape.name], tensors[shape.name]
        size = int(np.prod(place["shape"]))
        found = memory[place["address"] : place["address"] + size].reshape(place["shape"])[0]
        differ = np.argwhere(found[..., : shape.output_channels] != expected)
        if len(differ):
            raise ExecutionError(
                f"NNgen's layer {shape.name} differs from NumPy in {len(differ):,} of"
                f" {expected.size:,} values, first at {tuple(map(int, differ[0]))};"
                f" its files are in {design.folder}"
            )


def _figures(events: Sequence[tuple[str, ...]], design: Design) -> dict[str, Figure]:
    """Return the cycles between the states of the main machine that bound each layer."""
    entered = {int(e[2]): int(e[1]) for e in events if e[0] == "state"}
    bounds = {name: (entered[a], entered[b + 1]) for name, (a, b) in design.states.items()}
    reads = _parameter_reads(events, design)
    return {
        name: Figure(end - start, sum(len_ for at, len_ in reads if start <= at < end))
        for name, (start, end) in bounds.items()
    }


def _parameter_reads(events: Sequence[tuple[str, ...]], design: Design) -> list[tuple[int, int]]:
    """Return start and length in clocks of each burst of parameters; bursts come in order."""
    parameters = [p["address"] for name, p in design.tensors.items() if "_" in name]
    begins = [(int(e[1]), int(e[2])) for e in events if e[0] == "read"]
    ends = [int(e[1]) for e in events if e[0] == "last"]
    free, reads = 0, []
    for (clock, address), end in zip(begins, ends, strict=True):
        if address >= min(parameters):
            start = max(clock, free)
            reads.append((start, end + 1 - start))
        free = end + 1
    return reads
