"""The chain that is held against NNgen has its layers, and every clock of it is counted."""

from __future__ import annotations

import pytest

import fpga_rt
from benchmarks import nngen_gateware
from benchmarks.nngen_shapes import LAYERS
from fpga_rt.arch.boards import board
from fpga_rt.contract.sequencer import COMPLETION_CYCLES
from fpga_rt.planner.timelines import Timelines
from sim.toolchain import obstacle


def test_the_chain_has_the_layers_of_nngen() -> None:
    network = nngen_gateware.network()
    assert [node.name for node in network.nodes] == [layer.name for layer in LAYERS]
    for node, layer in zip(network.nodes, LAYERS, strict=True):
        source, result = network.tensors[node.inputs[0]], network.tensors[node.output]
        assert source.shape == (layer.height, layer.width, layer.input_channels)
        size = (layer.height // layer.stride, layer.width // layer.stride)
        assert result.shape == (*size, layer.output_channels)


@pytest.mark.slow
@pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))
def test_every_clock_of_a_program_belongs_to_a_layer() -> None:
    side = nngen_gateware.on_gateware()
    assert list(side.figures) == [layer.name for layer in LAYERS]
    deployment = fpga_rt.compile(nngen_gateware.network(), "pynq-z2", 1, ("convolution_8x16",))
    said = Timelines(board("pynq-z2")).get(deployment, 0, 1)
    cycles = sum(figure.cycles for figure in side.figures.values())
    # Input and output lie in DRAM, where a command is within 20 cycles of its formula.
    assert cycles == pytest.approx(said.total - COMPLETION_CYCLES, abs=40)
    assert all(figure.parameter_cycles < figure.cycles for figure in side.figures.values())
