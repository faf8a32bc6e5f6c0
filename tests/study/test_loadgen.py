"""LoadGen's own logs of short runs over the emulator."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.device.emulator import Emulator
from fpga_rt.errors import ArtifactError, ExecutionError, ToolchainError
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.model import LoadedModel
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.study.loadgen import Settings, drive, read_summary
from tests.random_networks import Builder

PYNQ = board("pynq-z2")
Place = tuple[Runtime, LoadedModel, np.ndarray]


@pytest.fixture
def place() -> Iterator[Place]:
    """Return a runtime with a network that takes 7 ms a query: it swaps."""
    yield from _place(1)


@pytest.fixture
def resident() -> Iterator[Place]:
    """Return a runtime with the same network on two partitions: it does not swap."""
    yield from _place(2)


def _place(partitions: int) -> Iterator[Place]:
    builder = Builder(np.random.default_rng(0), (8, 8, 16))
    builder.convolution(16, 3)
    builder.depthwise(3)
    codes = np.random.default_rng(1).integers(-128, 128, (16, 8, 8, 16)).astype(np.int8)
    with Emulator(PYNQ, memory_bytes=16 << 20) as device, Runtime(device) as runtime:
        yield runtime, runtime.load(compile_network(builder.build(), PYNQ, partitions)), codes


def _latency_ns(place: Place) -> int:
    """Return what a query takes by the virtual clock."""
    runtime, model, codes = place
    runtime.run(model, codes[:1])
    before = runtime.device.now_ps()
    runtime.run(model, codes[:1])
    return (runtime.device.now_ps() - before) // 1000


def test_single_stream_is_valid_and_never_faster_than_the_device(
    place: Place, tmp_path: Path
) -> None:
    """LoadGen wants 64 queries at least."""
    pytest.importorskip("mlperf_loadgen")
    device_ns = _latency_ns(place)
    outcome = drive(*place, "SingleStream", tmp_path / "logs", Settings(seconds=0.1, queries=80))
    assert outcome.valid
    assert outcome.summary["Scenario"] == "SingleStream"
    assert outcome.queries >= 80
    assert outcome.clock == "wall"
    assert int(outcome.summary["Min latency (ns)"]) >= device_ns
    detail = (tmp_path / "logs" / "mlperf_log_detail.txt").read_text()
    assert '"key": "result_validity", "value": "VALID"' in detail


def test_server_is_valid(resident: Place, tmp_path: Path) -> None:
    """LoadGen wants 459 queries at least."""
    pytest.importorskip("mlperf_loadgen")
    settings = Settings(seconds=0.5, queries=500, rate_hz=250, latency_us=5e6)
    outcome = drive(*resident, "Server", tmp_path, settings)
    assert outcome.valid
    assert outcome.summary["Scenario"] == "Server"
    assert outcome.queries >= 500


def test_a_latency_that_cannot_be_kept_is_invalid(place: Place, tmp_path: Path) -> None:
    pytest.importorskip("mlperf_loadgen")
    settings = Settings(seconds=0.2, queries=10, rate_hz=20, latency_us=1.0)
    outcome = drive(*place, "Server", tmp_path, settings)
    assert not outcome.valid
    assert outcome.summary["Result is"] == "INVALID"


def test_a_query_that_fails_ends_the_run_with_its_error(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlperf_loadgen")

    def failing(*_: object) -> None:
        raise ExecutionError("a bus error")

    monkeypatch.setattr(place[0], "trace", failing)
    with pytest.raises(ExecutionError, match="a bus error"):
        drive(*place, "SingleStream", tmp_path, Settings(seconds=0.01, queries=2))


def test_an_interrupt_ends_the_run(place: Place, tmp_path: Path) -> None:
    """In a thread that LoadGen calls, it would end the process instead."""
    pytest.importorskip("mlperf_loadgen")
    main, before = threading.get_ident(), signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            drive(*place, "SingleStream", tmp_path, Settings(seconds=60, queries=64))
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 50  # it does not go on to its 60 s
    assert drive(*place, "SingleStream", tmp_path, Settings(seconds=0.1, queries=64)).valid


def test_a_missing_library_names_the_extra(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    with pytest.raises(ToolchainError, match=r"pip install 'fpga-rt\[loadgen\]'"):
        drive(*place, "Server", tmp_path)


def test_what_is_no_summary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"summary.txt cannot be read \(No such file"):
        read_summary(tmp_path / "summary.txt")
    (tmp_path / "summary.txt").write_text("key : value\n")
    with pytest.raises(ArtifactError, match="has no line `Result is`"):
        read_summary(tmp_path / "summary.txt")
