"""The whole self-check: what it measures of a board that the model knows nothing of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from fpga_rt.arch.boards import Board, board
from fpga_rt.arch.calibration import calibrate
from fpga_rt.arch.measurements import decode
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.faults import CorruptLoad, Fault, WrongModule
from fpga_rt.device.interface import Completion, Device, Pending, Staged
from fpga_rt.device.loads import LoadPending
from fpga_rt.errors import ArtifactError, DeviceError, PortUnavailableError
from fpga_rt.modules.registry import named
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.predict import predict
from fpga_rt.selfcheck.bitstreams import simulated
from fpga_rt.selfcheck.checks import Check, Checks
from fpga_rt.selfcheck.network import run_network, small_network
from fpga_rt.selfcheck.report import Report
from fpga_rt.selfcheck.selfcheck import SelfCheck
from tests.selfcheck.altered import AlteredBoard

MODULES = ("clamp_8", "convolution_8x16", "depthwise_64", "pooling_8", "dense_8")


def checked(device: Device, modules: Sequence[str] = MODULES) -> Report:
    target = device.capabilities.board
    report = Report(target, "board", "fpga-rt selfcheck", "2026-11-29", device.capabilities)
    checks = Checks()
    with device:
        SelfCheck(device, simulated(target, named(modules)), 2, report, checks).run()
    report.checks = checks.done
    return report


def altered(target: Board) -> Board:
    """Return a board that loads, computes and waits otherwise."""
    ports = {
        "icap": replace(
            target.ports["icap"], bytes_per_second=311_000_000, setup_ps=4_700_000,
            contention_percent=23,
        ),
        "pcap": replace(
            target.ports["pcap"], bytes_per_second=99_000_000, setup_ps=61_000_000,
            contention_percent=61,
        ),
    }  # fmt: skip
    dram = replace(
        target.dram, latency_cycles=47, numerator=8, denominator=5, shared_numerator=9,
        shared_denominator=10,
    )  # fmt: skip
    return replace(target, ports=ports, dram=dram, swap_software_ps=187_000_000)


def test_a_calibrated_model_predicts_a_board_that_is_not_as_modelled() -> None:
    claimed = board("pynq-z2")
    behaviour = altered(claimed)
    report = checked(AlteredBoard(behaviour, claimed))
    assert [c for c in report.checks if c.result != "passed"] == []
    measured = decode(json.dumps(report.data()), "report.json", "selfcheck")
    found = calibrate(claimed, measured, "report.json")
    for name, port in behaviour.ports.items():
        assert found.ports[name].bytes_per_second == pytest.approx(port.bytes_per_second, rel=1e-6)
        assert found.ports[name].setup_ps == pytest.approx(port.setup_ps, rel=1e-3)
        assert found.ports[name].contention_percent == port.contention_percent
    assert found.dram.latency_cycles == behaviour.dram.latency_cycles
    assert found.dram.numerator / found.dram.denominator == pytest.approx(8 / 5, rel=1e-3)
    shared = found.dram.shared_numerator / found.dram.shared_denominator
    assert shared == pytest.approx(0.9, rel=2e-3)
    assert found.swap_software_ps == pytest.approx(behaviour.swap_software_ps, rel=1e-3)
    for policy in ("none", "aggressive"):
        totals = []
        for target in (claimed, behaviour, found):
            deployment = compile_network(small_network(), claimed, 2)
            totals.append(predict(target, [(deployment, 2)], policy, "pcap").total_ps)
        assert totals[2] == pytest.approx(totals[1], rel=1e-3)
        assert totals[0] != pytest.approx(totals[1], rel=0.05)


def test_the_clock_of_a_slower_board_is_found() -> None:
    claimed = board("pynq-z2")
    report = checked(AlteredBoard(replace(claimed, clock_ps=10_000), claimed), ("clamp_8",))
    assert report.values["clock.compute"][0] == pytest.approx(100e6, rel=1e-6)
    latency_ns = claimed.dram.latency_cycles * 10
    assert report.values["dram.latency"][0] == pytest.approx(latency_ns, rel=1e-6)


def results(report: Report) -> dict[str, Check]:
    return {check.name: check for check in report.checks}


@pytest.mark.parametrize(
    ("fault", "name", "words", "code"),
    [
        (CorruptLoad(load=2), "load.icap.rp1.clamp_8", "CRC error", 7),
        (WrongModule(1, 5), "load.icap.rp0.clamp_8", "identity 0x0000000000000005", 7),
    ],
)
def test_the_rest_goes_on_after_a_failure(fault: Fault, name: str, words: str, code: int) -> None:
    device = Emulator("pynq-z2", faults=[fault])
    report = Report(board("pynq-z2"), "emulator", "", "2026-11-29", device.capabilities)
    checks = Checks()
    with device:
        SelfCheck(device, simulated(report.board, named(["clamp_8"])), 1, report, checks).run()
    report.checks = checks.done
    failed = [check for check in report.checks if check.result == "failed"]
    assert [check.name for check in failed] == [name]
    assert words in failed[0].detail
    assert failed[0].exit_code == code
    found = results(report)
    assert found["load.icap.rp2.clamp_8"].result == "passed"
    assert found["port.icap.contention"].result == "passed"
    assert found["network"].result == "skipped"
    assert found["network"].detail.startswith("not run: ")


def test_a_device_may_offer_one_port_only() -> None:
    class OnePort(Emulator):
        """Refuses the processor's port, as simulated gateware does."""

        def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
            if port == "pcap":
                raise PortUnavailableError("cannot load through pcap: it is the processor's")
            return super().begin_load(partition, staged, port)

    found = results(checked(OnePort("pynq-z2"), ("clamp_8",)))
    assert found["load.pcap.rp0.clamp_8"].result == "skipped"
    assert found["load.pcap.rp0.clamp_8"].detail == (
        "not offered: cannot load through pcap: it is the processor's"
    )
    assert found["port.pcap"].detail.startswith("no figure: rate and set-up need loads of two")


def test_a_fault_of_another_port_is_no_port_that_is_not_offered() -> None:
    class Faulty(Emulator):
        """Loses the device when it loads through the processor's port."""

        def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
            if port == "pcap":
                raise DeviceError("register map_id holds 0xffffffff")
            return super().begin_load(partition, staged, port)

    found = results(checked(Faulty("pynq-z2"), ("clamp_8",)))["load.pcap.rp0.clamp_8"]
    assert (found.result, found.exit_code) == ("failed", DeviceError.exit_code)
    assert found.detail == "register map_id holds 0xffffffff"


def test_a_surprise_of_a_driver_does_not_cost_the_report() -> None:
    class Surprising(Emulator):
        """Fails as no device should."""

        def identify(self, partition: int) -> int:
            raise RuntimeError("the cable fell out")

    report = checked(Surprising("pynq-z2"), ("clamp_8",))
    failed = [check for check in report.checks if check.result == "failed"]
    assert failed[0].detail == "RuntimeError: the cable fell out"
    assert failed[0].exit_code == 1
    assert report.data()["checks"][-1]["name"] == "network"


def test_a_load_that_never_ends_is_a_failure_through_every_port() -> None:
    class Endless(Emulator):
        """Its processor's port does not come to an end."""

        def wait(self, *pending: Pending, timeout_s: float | None = None) -> Completion:
            if isinstance(pending[0], LoadPending) and pending[0].port == "pcap":
                timeout_s = 1e-9
            return super().wait(*pending, timeout_s=timeout_s)

    found = results(checked(Endless("pynq-z2"), ("clamp_8",)))
    assert found["load.pcap.rp0.clamp_8"].result == "failed"
    assert "timeout, the load of partition 0 through pcap" in found["load.pcap.rp0.clamp_8"].detail
    assert found["load.icap.rp0.clamp_8"].result == "passed"


def test_a_network_that_is_wrong_names_the_layer_and_its_module() -> None:
    class Wrong(Emulator):
        """Its depthwise module loses a bit."""

        def wait(self, *pending: Pending, timeout_s: float | None = None) -> Completion:
            done = super().wait(*pending, timeout_s=timeout_s)
            if pending[0].kind == "program":
                data = self._region.memory.dram.data
                data[:] = np.where(data == 99, 98, data)
            return done

    report = checked(Wrong("pynq-z2", memory_bytes=1 << 20))
    network = results(report)["network"]
    assert network.exit_code == 10
    assert network.detail.startswith("selfcheck on emulator: layer n")
    assert "computed by " in network.detail


def test_bitstreams_of_several_static_regions_make_no_network() -> None:
    device = Emulator("pynq-z2")
    candidates = simulated(board("pynq-z2"), named(MODULES))
    mixed = [
        replace(c, static_id=7 if c.module.name == "depthwise_64" else None) for c in candidates
    ]
    with device, pytest.raises(ArtifactError, match=r"static regions .*expected one and the same"):
        run_network(device, mixed, "icap")
    with device:
        assert run_network(device, candidates, "icap").values == 40
