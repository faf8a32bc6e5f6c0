"""What is the device's own: swaps of the whole User partition, and what XRT refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.device.registry import devices
from fpga_rt.device.xrt.card import Card
from fpga_rt.device.xrt.device import Xrt
from fpga_rt.device.xrt.files import XclbinFile
from fpga_rt.errors import DeviceError, ReconfigurationError
from fpga_rt.network import golden
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.selfcheck.network import small_network
from tests.device.programs import activate, module_named, stage
from tests.device.xrt.made import BOARD, MAP, opened
from tests.standin.xrt import Machine


def test_a_network_swaps_its_modules_and_keeps_its_feature_maps(
    machine: tuple[Machine, Path],
) -> None:
    """Each load empties the card's memory, with the parameters and feature maps in it."""
    network = small_network()
    codes = np.random.default_rng(1).integers(-128, 128, (3, 8, 8, 8)).astype(np.int8)
    with opened(*machine) as device, Runtime(device) as runtime:
        model = runtime.load(compile_network(network, board(BOARD)))
        outputs = runtime.run(model, codes, batch=3)
    assert np.array_equal(outputs, golden.run(network, codes))
    assert len(machine[0].loaded) == 1 + len(runtime.log.swaps)
    assert len(runtime.log.swaps) > 2


def test_says_which_card_it_is(device: Xrt) -> None:
    assert device.capabilities.assumptions[0] == "Card 0: xilinx_u200_gen3x16_xdma_base_2."


def test_compute_units_are_given_back(machine: tuple[Machine, Path]) -> None:
    with opened(*machine):
        assert machine[0].units == 1
    assert machine[0].units == 0


def test_the_base_may_be_named(machine: tuple[Machine, Path]) -> None:
    with opened(*machine, base=machine[1] / "scale_8.xclbin") as device:
        assert device.identify(0) == 0
        assert activate(device, 0, "add_8").module_id == module_named("add_8").module_id


def test_what_no_driver_should_raise_is_a_load_that_failed(
    machine: tuple[Machine, Path], device: Xrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    activate(device, 0, "add_8")
    staged = stage(device, 0, module_named("scale_8"))

    def surprise(card: Card, file: XclbinFile) -> None:
        raise MemoryError("no room for the memory's content")

    device.decouple(0)
    with monkeypatch.context() as patched:
        patched.setattr(Card, "load", surprise)
        load = device.begin_load(0, staged, "xclbin")
        with pytest.raises(
            ReconfigurationError,
            match=r"scale_8\.xclbin met MemoryError: no room for the memory's content; look at",
        ) as caught:
            device.wait(load)
    assert caught.value.partition_state == "failed"
    assert activate(device, 0, "scale_8").module_id == module_named("scale_8").module_id


def test_a_load_waits_for_no_program_and_a_program_for_no_load(device: Xrt) -> None:
    staged = stage(device, 0, module_named("clamp_8"))
    device.decouple(0)
    pending = device.begin_load(0, staged, "xclbin")
    with pytest.raises(DeviceError, match="busy: the load of partition 0 through xclbin"):
        device.submit(None)  # type: ignore[arg-type]  # it is not looked at
    device.wait(pending)


def test_what_is_missing_is_named(machine: tuple[Machine, Path], tmp_path: Path) -> None:
    found, folder = machine
    obstacle = {entry.name: entry.obstacle for entry in devices()}["xrt"]
    assert obstacle is None or obstacle.startswith("XRT's Python module pyxrt is not here: install")
    with pytest.raises(DeviceError, match="needs the folder of the xclbin files"):
        opened(found, None).open()
    with pytest.raises(DeviceError, match="has no xclbin; build one for each module, named after"):
        opened(found, tmp_path).open()
    with pytest.raises(DeviceError, match="there is no card 1: XRT finds 1 in this machine"):
        opened(found, folder, card=1).open()
    with pytest.raises(DeviceError, match="cannot drive alveo-u200: XRT swaps one partition"):
        Xrt("alveo-u200")
    found.refusals["kernel"] = ""
    with pytest.raises(DeviceError, match="XRT cannot open kernel fpga_rt of xclbin 0000"):
        opened(found, folder).open()


def test_registers_that_xrt_refuses(machine: tuple[Machine, Path], device: Xrt) -> None:
    machine[0].refusals["register"] = ""
    with pytest.raises(
        DeviceError, match="XRT cannot read register 0x1000: error -22; is the card"
    ):
        device.read32(MAP)
