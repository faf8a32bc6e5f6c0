"""Figures of resident modules are refused where a module is loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest

import fpga_rt
from benchmarks.networks import require_resident
from fpga_rt.errors import ExecutionError
from fpga_rt.runtime.records import Log, SwapRecord
from tests.random_networks import varied_network


def test_a_load_or_a_second_launch_is_not_resident() -> None:
    network = varied_network(0, 3, ("convolution",))
    deployment = fpga_rt.compile(network, "pynq-z2", 1, ("convolution_4x4",))
    require_resident(deployment, Log())
    swap = SwapRecord(0, "convolution_4x4", None, False, 0)
    with pytest.raises(ExecutionError, match="loaded convolution_4x4 into partition 0 in warm"):
        require_resident(deployment, Log(swaps=[swap]))
    twice = replace(deployment, launches=deployment.launches * 2)
    with pytest.raises(ExecutionError, match="has 2 launches and loaded nothing in warm requests"):
        require_resident(twice, Log())
