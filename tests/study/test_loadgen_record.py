"""What is kept beside LoadGen's logs: both clocks, each under its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Capabilities
from fpga_rt.errors import ArtifactError
from fpga_rt.study.loadgen import Outcome, Scenario, Settings
from fpga_rt.study.loadgen_record import read, record, write

US = 10**6


@pytest.fixture
def capabilities() -> Iterator[Capabilities]:
    with Emulator("pynq-z2", memory_bytes=1 << 20) as device:
        yield device.capabilities


def _outcome(scenario: Scenario) -> Outcome:
    summary = {f"{p}.00 percentile latency (ns)": str(p * 1000) for p in (50, 90, 99)}
    service_ps = [i * US for i in range(1, 101)]
    return Outcome(scenario, True, summary | {"Result is": "VALID"}, 100, 3, service_ps)


def test_clocks_are_never_mixed(capabilities: Capabilities, tmp_path: Path) -> None:
    found = record(_outcome("SingleStream"), Settings(pace=2), capabilities, "x", "a command")
    assert found["wall"] == {
        "clock": "wall", "origin": "measured",
        "latency_us": {"p50": 50.0, "p90": 90.0, "p99": 99.0},
    }  # fmt: skip
    assert found["device"] == {
        "name": "emulator", "board": "pynq-z2", "clock": "virtual", "origin": "modelled",
        "latency_us": {"p50": 50.0, "p90": 90.0, "p99": 99.0},
    }  # fmt: skip
    assert (found["slower"], found["pace"], found["command"]) == (3, 2, "a command")
    write(found, tmp_path)
    assert read(tmp_path / "loadgen.json") == found


def test_a_servers_queries_wait_for_each_other(capabilities: Capabilities) -> None:
    """At ten times the rate that the device serves, most of the latency is waiting."""
    busy = record(_outcome("Server"), Settings(rate_hz=200_000), capabilities, "x", "c")
    calm = record(_outcome("Server"), Settings(rate_hz=0.001), capabilities, "x", "c")
    assert calm["device"]["latency_us"] == {"p50": 50.0, "p90": 90.0, "p99": 99.0}
    assert busy["device"]["latency_us"]["p99"] > 4000


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "loadgen.json"
    path.write_text(content)
    with pytest.raises(ArtifactError, match="run `fpga-rt study loadgen` again"):
        read(path)
