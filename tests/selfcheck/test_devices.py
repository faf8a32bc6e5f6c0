"""The self-check on the devices that are no model: simulated gateware, a stand-in for a board."""

from __future__ import annotations

import json

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.calibration import calibrate
from fpga_rt.arch.measurements import decode
from fpga_rt.device.interface import Device
from fpga_rt.device.pynq.device import Pynq
from fpga_rt.device.registry import devices, open_device
from fpga_rt.device.xrt.device import Xrt
from fpga_rt.modules.registry import named
from fpga_rt.selfcheck.bitstreams import simulated
from fpga_rt.selfcheck.checks import Checks
from fpga_rt.selfcheck.report import Report
from fpga_rt.selfcheck.selfcheck import SelfCheck
from tests.standin import standin, xrt

TARGET = board("pynq-z2")


def checked(device: Device, *modules: str) -> Report:
    target = device.capabilities.board
    with device:
        report = Report(target, "device", "fpga-rt selfcheck", "2026-11-29", device.capabilities)
        checks = Checks()
        SelfCheck(device, simulated(target, named(modules)), 1, report, checks).run()
        report.checks = checks.done
    assert [check for check in report.checks if check.result == "failed"] == []
    return report


@pytest.mark.slow
def test_on_simulated_gateware() -> None:
    obstacle = {entry.name: entry.obstacle for entry in devices()}["rtl"]
    if obstacle:
        pytest.skip(f"rtl: {obstacle}")
    report = checked(open_device("rtl", TARGET), "clamp_8")
    found = calibrate(TARGET, decode(json.dumps(report.data()), "report", "selfcheck"), "report")
    # A word of 4 bytes each clock of 10 ns; the memory model is the board's own.
    assert found.ports["icap"].bytes_per_second == pytest.approx(400e6, rel=2e-3)
    assert found.dram.latency_cycles == pytest.approx(TARGET.dram.latency_cycles, abs=4)
    assert found.dram.numerator / found.dram.denominator == pytest.approx(5 / 4, rel=0.02)
    assert report.values["clock.compute"][0] == pytest.approx(1e12 / TARGET.clock_ps, rel=1e-3)
    results = {check.name: check.result for check in report.checks}
    assert results["load.pcap.rp0.clamp_8"] == "skipped"


def test_on_a_stand_in_for_a_board() -> None:
    """Times are those of the stand-in, so figures mean nothing; identities and values do."""
    reason = standin.obstacle()
    if reason:
        pytest.skip(reason)
    modules = ("clamp_8", "convolution_8x16", "depthwise_32", "pooling_8", "dense_8")
    with standin.installed("pynq-z2") as running:
        report = checked(
            Pynq("pynq-z2", kernel=running.kernel, simulation_bitstreams=True), *modules
        )
    passed = {check.name for check in report.checks if check.result == "passed"}
    assert {
        "load.icap.rp0.clamp_8",
        "load.icap.rp2.depthwise_32",
        "load.pcap.rp1.clamp_8",
        "network",
    } <= passed


def test_on_a_stand_in_for_xrt() -> None:
    """One partition, loaded whole: what needs two, or feature memory, says so."""
    modules = ("clamp_8", "convolution_8x16", "depthwise_32", "pooling_8", "dense_8")
    target = board("alveo-u200-xrt")
    with xrt.installed(target.name) as (machine, folder):
        device = Xrt(target, xclbins=folder, memory_bytes=1 << 22, xrt=machine.library)
        report = checked(device, *modules)
    found = {check.name: check for check in report.checks}
    assert {found[f"load.xclbin.user.{name}"].result for name in modules} == {"passed"}
    assert found["network"].result == "passed"
    assert found["clock.compute"].detail.startswith("no figure: 0 bytes of feature memory")
    assert found["port.xclbin"].detail.startswith("no figure: rate and set-up need loads of two")
