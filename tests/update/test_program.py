"""A deployment taken apart and put together again is the same, for every kind of layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.deployment import archive
from fpga_rt.errors import PlanningError
from fpga_rt.planner.compile import compile_network
from fpga_rt.update.program import assemble, obstacle, program_of
from tests.random_networks import Builder, varied_network
from tests.update.networks import drifted


@pytest.mark.parametrize("seed", range(12))
def test_program_and_network_make_the_deployment(seed: int) -> None:
    network = varied_network(seed)
    deployment = compile_network(network, board("pynq-z2"), 1 + seed % 3)
    assert obstacle(deployment, network) is None
    again = assemble(program_of(deployment), network)
    assert archive.encode(again) == archive.encode(deployment)


@pytest.mark.parametrize("seed", range(12))
def test_other_parameters_give_what_compiling_them_gives(seed: int) -> None:
    network = varied_network(seed)
    base = compile_network(network, board("pynq-z2"), 2)
    changed = drifted(network, seed, weights=True)
    made, compiled = (
        assemble(program_of(base), changed),
        compile_network(changed, board("pynq-z2"), 2),
    )
    if base.same_program(compiled):  # the compiler may store equal blocks once
        assert archive.encode(made) == archive.encode(compiled)
    for kind in ("weights", "tables"):
        assert len(made.image(kind)) == len(base.image(kind))
    assert base.same_program(made)


def _network(outputs: int, kernel: int, stride: int = 1) -> Builder:
    builder = Builder(np.random.default_rng(0), (6, 6, 8))
    builder.convolution(outputs, kernel, stride)
    return builder


def test_what_a_program_cannot_run_is_named() -> None:
    base = compile_network(_network(8, 1).build("one"), board("pynq-z2"), 1)
    assert obstacle(base, _network(8, 3).build("one")) == "layer n0 needs other commands"
    assert obstacle(base, _network(8, 1, 2).build("one")) == "layer n0 needs other commands"
    two = _network(8, 1)
    two.maximum(2, 2)
    assert obstacle(base, two.build("one")) == "it has the layers n0, n1, expected n0"


def test_a_program_refuses_a_network_that_is_not_its_own() -> None:
    program = program_of(compile_network(_network(8, 1).build("one"), board("pynq-z2"), 1))
    with pytest.raises(PlanningError, match=r"blocks of \[768\] bytes, the program has room for"):
        assemble(program, _network(8, 3).build("one"))
    renamed = _network(8, 1).build("one")
    nodes = tuple(replace(node, name="other") for node in renamed.nodes)
    with pytest.raises(PlanningError, match="has no layer n0, which the program computes; it has"):
        assemble(program, replace(renamed, nodes=nodes))
    with pytest.raises(PlanningError, match="is not installed"):
        assemble(replace(program, module_ids=dict.fromkeys(program.module_ids, 1)), renamed)
