"""PYNQ's own client, unmodified, on the simulated board: selftest, programs, a network."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import fpga_rt
from benchmarks.pynq_environment import ROOT
from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import bit_file, simulation_bitstream
from fpga_rt.device.emulator import Emulator
from fpga_rt.serve.board import PynqBoard
from fpga_rt.serve.designs import read_design, write_overlay
from fpga_rt.serve.schema import SERVICES
from fpga_rt.serve.server import PORT, Server
from tests.serve.client import run
from tests.serve.streams import ADD, TARGET, foreign_design, loopback_design

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("grpc") is None, reason="the extra `serve` is not installed"
)
ELDER, NEWER = "3.1.2", pytest.param("4.0.0", marks=pytest.mark.slow)
"""The last version that knows the PYNQ-Z2, and the one that dropped it."""

_addresses = (f"127.0.{os.getpid() % 250 + 1}.{n}" for n in itertools.count(2))
"""PYNQ's client knows one port; tests that run at once differ in their address."""


@contextmanager
def served(*designs: Path, name: str = TARGET.name, memory_bytes: int = 64 << 20) -> Iterator[str]:
    """Serve a board; give the address."""
    address = next(_addresses)
    with Emulator(name, memory_bytes=memory_bytes) as device:
        simulated = PynqBoard(device, [read_design(str(design)) for design in designs])
        with Server(simulated, address, PORT):
            yield address


@pytest.mark.parametrize("version", [ELDER, NEWER])
def test_the_protocol_is_that_of_the_clients_own_modules(version: str) -> None:
    """The descriptors in the client's wheel are the oracle; 3.1 has no GPIO service."""
    script = """
import importlib, json
found = {}
for name in ("remote_device", "mmio", "buffer", "gpio"):
    try:
        module = importlib.import_module(f"pynq.remote.{name}_pb2").DESCRIPTOR
    except ImportError:
        continue
    ((service, methods),) = module.services_by_name.items()
    found[name] = {
        "service": service,
        "messages": {m: {f.name: [f.number, f.type, f.has_presence] for f in d.fields}
                     for m, d in module.message_types_by_name.items()},
        "methods": {m.name: [m.input_type.name, m.output_type.name, m.client_streaming,
                             m.server_streaming] for m in methods.methods},
    }
print(json.dumps(found))
"""
    found = json.loads(run(version, "", "-c", script))
    assert set(found) == {s.package for s in SERVICES} - ({"gpio"} if version < "4" else set())
    for service in SERVICES:
        if service.package in found:
            _compare(service, found[service.package])


# FieldDescriptor's numbers of the types, from protobuf's descriptor.proto
_TYPES = {"uint64": 4, "int32": 5, "bool": 8, "string": 9, "bytes": 12, "uint32": 13}


def _compare(service: Any, found: Mapping[str, Any]) -> None:  # noqa: ANN401 - a Service
    assert service.name == found["service"]
    ours = {
        message: {
            name: [number, _TYPES[kind.removesuffix("?")], kind.endswith("?")]
            for name, (number, kind) in fields.items()
        }
        for message, fields in service.messages.items()
    }
    theirs = found["messages"]
    if "ReadResponse" in theirs and service.package == "mmio":
        assert theirs["ReadResponse"]["data"][1] in (_TYPES["int32"], _TYPES["uint32"])
        theirs["ReadResponse"]["data"][1] = _TYPES["uint32"]
    assert ours == theirs
    assert {
        m.name: [m.request, m.response, m.request_stream, m.response_stream]
        for m in service.methods
    } == found["methods"]


@pytest.mark.slow
def test_its_selftest_passes() -> None:
    """The selftest came with 4.0; on PYNQ-Z2 without a bitstream, since 4.0 dropped that board."""
    with served() as address:
        printed = run("4.0.0", address, "-m", "pynq.remote.selftest", "--ip", address)
    assert "summary: 9 passed, 0 failed, 1 skipped" in printed


@pytest.mark.slow
def test_its_selftest_passes_with_a_bitstream(tmp_path: Path) -> None:
    design = loopback_design(board("zcu104"), tmp_path)
    with served(design, name="zcu104") as address:
        arguments = ("--ip", address, "--bitstream", design)
        printed = run("4.0.0", address, "-m", "pynq.remote.selftest", *arguments)
    assert "arch=aarch64, board=ZCU104" in printed
    assert "downloaded loopback_zcu104.bit and programmed the PL" in printed
    assert "leds_gpio@0xa1200000: wrote 0x5, read 0x5" in printed
    assert "summary: 11 passed, 0 failed, 0 skipped" in printed


def test_a_program_uses_overlay_mmio_allocate_dma_and_partials(
    tmp_path: Path, data_dir: Path
) -> None:
    full, region = foreign_design(data_dir, tmp_path)
    loopback = loopback_design(TARGET, tmp_path)
    overlay, _ = write_overlay(TARGET, tmp_path)
    module = tmp_path / "add_8.bit"
    stream = simulation_bitstream(TARGET.device, TARGET.partitions[0], ADD.module_id)
    module.write_bytes(bit_file(stream, "add_8", "7z020clg400", partial=True))
    program = Path(__file__).with_name("pynq_program.py")
    with served(loopback, full, region) as address:
        files = (loopback, overlay, module, full, region)
        found = json.loads(run(ELDER, address, program, *files))
    assert found == {
        "board": "Pynq-Z2",
        "arch": "armv7l",
        "loaded": True,
        "driver": "DMA",
        "received": True,
        "transferred": 12_000,
        "leds": 5,
        "clock_mhz": pytest.approx(1000 / 7, abs=1e-3),
        "before": 0,
        "identity": ADD.module_id,
        "refused": "",
        "ip": [
            *(f"gpio_0/{name}_gpio" for name in ("btns", "leds", "rgbleds", "switches")),
            "ps7_0",
            "system_interrupts",
        ],
        "region": {"gpio_0": "led_0.bit"},
        "region_leds": 6,
    }


@pytest.mark.parametrize("port", ["icap", pytest.param("pcap", marks=pytest.mark.slow)])
def test_the_example_runs_a_network(port: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    digits = ROOT / "examples" / "digits"
    fpga_rt.save(
        fpga_rt.compile(digits / "digits.onnx", board=TARGET.name, partitions=2),
        tmp_path / "digits.frt",
    )
    overlay, _ = write_overlay(TARGET, tmp_path)
    example = ROOT / "examples" / "pynq_remote" / "run_digits.py"
    arguments = (tmp_path / "digits.frt", overlay, digits / "digits.npz", "--port", port)
    with served() as address:
        printed = run(ELDER, address, example, *arguments)
    assert "digits on pynq-remote (pynq-z2): 20 inferences in 2 requests" in printed
    assert "golden execution: equal" in printed


@pytest.mark.slow
def test_a_board_behind_the_client_conforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every conformance test passes on a device that is PYNQ's client and nothing else."""
    overlay, _ = write_overlay(TARGET, tmp_path)
    monkeypatch.setenv("PYNQ_OVERLAY", str(overlay))
    script = f"""
import sys, types
import pytest

tests = types.ModuleType("tests")  # another package has installed one of this name
tests.__path__ = [{str(ROOT / "tests")!r}]
sys.modules["tests"] = tests
sys.path.insert(0, {str(ROOT / "examples" / "pynq_remote")!r})
options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--import-mode=importlib"]
sys.exit(pytest.main([*options, {str(Path(__file__).with_name("remote_conformance.py"))!r}]))
"""
    with served(memory_bytes=256 << 20) as address:
        printed = run(ELDER, address, "-c", script)
    assert "failed" not in printed
    assert int(printed.split(" passed")[0].split()[-1]) >= 40
