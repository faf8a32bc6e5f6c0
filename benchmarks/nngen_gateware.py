"""The chain of 3x3 layers on the RTL of one convolution module."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.nngen_shapes import LAYERS, Figure, LayerShape, Side
from fpga_rt.arch.boards import board
from fpga_rt.arithmetic.operations import Convolution
from fpga_rt.arithmetic.requantise import Requantisation
from fpga_rt.deployment.model import Deployment, Step
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.convolution import ConvolutionModule
from fpga_rt.network import golden
from fpga_rt.network.graph import Network, Node, Tensor
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.records import CommandCycles
from fpga_rt.runtime.runtime import Runtime
from sim.device import RtlDevice

BOARD = "pynq-z2"
GOAL_BUSY = 90.0


def on_gateware(outputs: int = 8, inputs: int = 16) -> Side:
    """Simulate the chain on the device `rtl` and return its cycles.

    Args:
        outputs: lanes.
        inputs: lanes.

    Raises:
        ExecutionError: an output differs from golden execution.
        ToolchainError: a tool is missing or fails.
    """
    module = ConvolutionModule(outputs, inputs)
    deployment = compile_network(network(), board(BOARD), 1, (module,))
    (cycles,) = _cycles(deployment).values()
    remark = (
        "outputs equal golden execution; feature maps on chip, input and parameters in DRAM;"
        " every clock from the doorbell on, parameters where the layer before did not hide them"
    )
    return Side(
        f"{outputs}x{inputs} lanes on rtl",
        module.multipliers,
        {step.layer: _figure(step, cycles) for step in deployment.launches[0].steps},
        "rtl",
        f"simulated (device rtl), {module.name}",
        remark,
        "within, before its commands (parameters, dispatch)",
        GOAL_BUSY,
    )


def network() -> Network:
    """Return the chain with random weights, as TensorFlow pads it."""
    rng = np.random.default_rng(0)
    first = LAYERS[0]
    shape = (first.height, first.width, first.input_channels)
    tensors, nodes, before = {"input": Tensor("input", shape, 1.0, 0)}, [], "input"
    for layer in LAYERS:
        operation = _convolution(layer, rng)
        shape = operation.output_shape(shape)
        tensors[layer.name] = Tensor(layer.name, shape, 1.0, 0)
        nodes.append(Node(layer.name, operation, (before,), layer.name))
        before = layer.name
    return Network("3x3 shapes of ResNet8", tensors, tuple(nodes), "input", before)


def _convolution(layer: LayerShape, rng: np.random.Generator) -> Convolution:
    count = layer.output_channels
    weights = rng.integers(-127, 128, (count, 3, 3, layer.input_channels)).astype(np.int8)
    bias = rng.integers(-4096, 4096, count).astype(np.int32)
    scales = rng.uniform(0.4, 1.0, count) / (73 * (9 * layer.input_channels) ** 0.5)
    rule = Requantisation.from_scales(scales, 127 * 128 * 9 * layer.input_channels + 4096, 0)
    padding = (1, 1, 1, 1) if layer.stride == 1 else (0, 1, 0, 1)
    return Convolution(weights, bias, rule, (layer.stride, layer.stride), padding)


def _cycles(deployment: Deployment) -> Mapping[int, CommandCycles]:
    """Run an image and return the cycles of every command by partition.

    Raises:
        ExecutionError: the output differs from golden execution, or not every command was seen.
    """
    chain = deployment.network
    shape = (1, *chain.tensors[chain.input].shape)
    codes = np.random.default_rng(1).integers(-128, 128, shape, np.int8)
    with RtlDevice(BOARD, load_time="stream") as device, Runtime(device) as runtime:
        model = runtime.load(deployment)
        runtime.run(model, codes)  # loads the module
        runtime.clear_log()
        outputs = runtime.run(model, codes)
        (program,) = runtime.log.programs
    if not np.array_equal(outputs, golden.run(chain, codes)):
        raise ExecutionError(f"{chain.name} on rtl differs from golden execution")
    if program.commands is None:
        raise ExecutionError(f"{chain.name} on rtl: not every command was seen to start and end")
    return program.commands


def _figure(step: Step, cycles: CommandCycles) -> Figure:
    first, count = step.commands
    own = slice(first, first + count)
    waiting = int(cycles.waiting[own].sum())
    return Figure(int(cycles.computing[own].sum()) + waiting, waiting)
