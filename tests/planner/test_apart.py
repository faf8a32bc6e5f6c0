"""Tensors apart: nothing moves but feature maps, and none shares a byte with another."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.contract.command import COMMAND, COMMAND_BYTES, Segment, split_address
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import PlanningError
from fpga_rt.planner.apart import GAP_BYTES, tensors_apart
from fpga_rt.planner.compile import compile_network
from tests.random_networks import random_network

PYNQ = board("pynq-z2")


def _commands(deployment: Deployment) -> list[dict[str, int]]:
    return [
        COMMAND.decode(ring[start : start + COMMAND_BYTES])
        for launch in deployment.launches
        for ring in launch.rings.values()
        for start in range(0, len(ring), COMMAND_BYTES)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_moves_but_feature_maps(seed: int) -> None:
    before = compile_network(random_network(seed), PYNQ, 2)
    apart = tensors_apart(before)
    for old, new in zip(_commands(before), _commands(apart.deployment), strict=True):
        changed = {name for name in old if old[name] != new[name]}
        assert changed <= {"input", "output", "residual"}
        for name in changed:
            assert split_address(old[name])[0] == split_address(new[name])[0] == Segment.FEATURES
    assert apart.deployment.blocks is before.blocks
    assert apart.deployment.segments.on_chip_images == 0


@pytest.mark.parametrize("seed", range(4))
def test_no_two_tensors_share_a_byte(seed: int) -> None:
    apart = tensors_apart(compile_network(random_network(seed), PYNQ, 2))
    extents = list(apart.extents.values())
    assert not any(a.overlaps(b) for a, b in combinations(extents, 2))
    last = max(e.offset + e.size_bytes for e in extents if e.segment is Segment.FEATURES)
    assert apart.deployment.segments.features_bytes >= last + GAP_BYTES


def test_addresses_of_another_planner_are_refused() -> None:
    deployment = compile_network(random_network(0), PYNQ, 2)
    size = deployment.segments.features_bytes
    segments = replace(deployment.segments, features_bytes=size + 64)
    with pytest.raises(PlanningError, match=f"{size + 64} bytes of feature maps, expected {size}"):
        tensors_apart(replace(deployment, segments=segments))
