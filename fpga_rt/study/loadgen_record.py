"""What LoadGen's logs do not say of a run: command, device, pace, and the virtual clock's figures.

`loadgen.json` lies beside LoadGen's own logs. Its `latency_us` are of the virtual clock, computed
apart from LoadGen's, which are of the wall clock.
"""

from __future__ import annotations

import json
from pathlib import Path

from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.device.interface import Capabilities
from fpga_rt.runtime.report import to_us
from fpga_rt.study.evaluate import nearest_rank
from fpga_rt.study.json_file import Json, read_json
from fpga_rt.study.loadgen import Outcome, Settings, server_ps, single_stream_ps, unsatisfied

FORMAT, VERSION = "fpga-rt study loadgen", 1
RECORD = "loadgen.json"
PERCENTS = (50, 90, 99)


def record(
    outcome: Outcome, settings: Settings, capabilities: Capabilities, network: str, command: str
) -> Json:
    """Return a run as plain data."""
    served = (
        server_ps(outcome.service_ps, settings.rate_hz)
        if outcome.scenario == "Server"
        else single_stream_ps(outcome.service_ps)
    )
    return {
        "format": FORMAT,
        "version": VERSION,
        "command": command,
        "network": network,
        "scenario": outcome.scenario,
        "result": outcome.summary["Result is"],
        "unsatisfied": unsatisfied(outcome.summary),
        "queries": outcome.queries,
        "rate_hz": settings.rate_hz,
        "limit_us": settings.latency_us,
        "pace": settings.pace,
        "slower": outcome.slower,
        "wall": {
            "clock": outcome.clock,
            "origin": "measured",
            "latency_us": {f"p{p}": outcome.latency_ns(f"{p}.00") / 1e3 for p in PERCENTS},
        },
        "device": {
            "name": capabilities.device,
            "board": capabilities.board.name,
            "clock": capabilities.clock,
            "origin": capabilities.origin,
            "latency_us": {f"p{p}": to_us(nearest_rank(served, p)) for p in PERCENTS},
        },
    }


def write(data: Json, folder: Path) -> None:
    """Write a run's record beside its logs.

    Raises:
        ArtifactError: the file cannot be written.
    """
    write_atomically(folder / RECORD, [json.dumps(data, indent=2).encode(), b"\n"])


def read(path: Path) -> Json:
    """Return the record of a run.

    Raises:
        ArtifactError: it cannot be read, or is of another format.
    """
    again = "run `fpga-rt study loadgen` again"
    return read_json(path, (FORMAT, VERSION), "record", again)
