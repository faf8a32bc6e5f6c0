"""MLPerf LoadGen over the emulator on the models of MLPerf Tiny: are its logs VALID?

LoadGen measures by the wall clock, so these latencies are those of the emulator on this host: what
the device would take stands beside them, by the virtual clock and computed apart.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import datasets
from benchmarks.measurement import Measurement
from fpga_rt.cli.main import main
from fpga_rt.errors import ExecutionError

MODELS = tuple(filter(None, os.environ.get("FPGA_RT_LOADGEN", "").split(","))) or tuple(
    datasets.MODELS
)
SECONDS, QUERIES = 5, 460
"""LoadGen calls no run of Server with less than 459 queries valid."""


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    return datasets.obstacle("tflite", "mlperf_loadgen")


def run() -> list[Measurement]:
    """Return both scenarios of every model."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            for data in _driven(name, Path(folder)):
                found.append((name, data))
    valid = sum(data["result"] == "VALID" for _, data in found)
    return [
        *(measurement for name, data in found for measurement in _latencies(name, data)),
        Measurement("LoadGen's logs that are VALID", valid, "logs", "none", len(found), False),
    ]


def _driven(name: str, folder: Path) -> list[dict[str, Any]]:
    printed = io.StringIO()
    arguments = [
        "study", "loadgen", str(datasets.model_path(name)), "-o", str(folder / name), "--json",
        "--seconds", str(SECONDS), "--queries", str(QUERIES),
    ]  # fmt: skip
    with contextlib.redirect_stdout(printed):
        code = main(arguments)
    if code:
        raise ExecutionError(f"`fpga-rt {' '.join(arguments)}` ended with {code}, expected 0")
    found: list[dict[str, Any]] = json.loads(printed.getvalue())
    return found


def _latencies(name: str, data: dict[str, Any]) -> list[Measurement]:
    title, wall, device = f"{name} {data['scenario']}", data["wall"], data["device"]
    note = f"{data['result']}, {data['queries']:,} queries"
    if data["scenario"] == "Server":
        note += f", {data['rate_hz']:.3g}/s"
    apart = "of the same queries, apart from LoadGen"
    percent = "p90" if data["scenario"] == "SingleStream" else "p99"
    return [
        Measurement(f"{title} {percent}", wall["latency_us"][percent] / 1e3, "ms", "wall",
                    note=note),
        Measurement(f"{title} {percent}", device["latency_us"][percent] / 1e3, "ms", "virtual",
                    note=apart),
    ]  # fmt: skip
