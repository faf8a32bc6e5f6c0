"""Run a deployment on a device of a kind, with a progress bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpga_rt import api
from fpga_rt.arch.boards import Board
from fpga_rt.cli.progress import Progress
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.interface import Capabilities, Device
from fpga_rt.device.recording.recorder import Recorder
from fpga_rt.errors import FpgaRtError
from fpga_rt.planner.schedule import Policy
from fpga_rt.runtime.compare import Comparison, compare_layers, compared_batch
from fpga_rt.runtime.records import Log
from fpga_rt.runtime.report import Report
from fpga_rt.runtime.runtime import Runtime

Codes = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run gave: output codes (N, H, W, C), the report, and the log that it sums up."""

    codes: Codes
    report: Report
    log: Log
    capabilities: Capabilities


@dataclass(frozen=True)
class Conditions:
    """What a run's times depend on besides the deployment."""

    device: str
    board: Board
    batch: int
    prefetch: Policy
    port: str
    options: Mapping[str, object] = field(default_factory=dict)
    """What the device is opened with."""
    record: Path | None = None
    """Where to write the session with the device."""
    command: str = ""
    """What is run, for recordings."""


def execute(
    deployment: Deployment, images: Codes, conditions: Conditions, verbose: bool = False
) -> Outcome:
    """Run input codes (N, H, W, C).

    Raises:
        FpgaRtError: the device, a swap or a program failed.
    """
    batch, requests = conditions.batch, -(-len(images) // conditions.batch)
    with _runtime(conditions) as runtime:
        model = runtime.load(deployment)
        what = f"{deployment.network.name} on {conditions.device}"
        with Progress(what, requests, lambda: len(runtime.log.requests), verbose):
            codes = runtime.run(model, images, batch)
        return Outcome(codes, runtime.report(), runtime.log, runtime.device.capabilities)


def execute_compared(
    deployment: Deployment, images: Codes, conditions: Conditions, verbose: bool = False
) -> Comparison:
    """Run input codes (N, H, W, C) and compare every layer with golden execution.

    Raises:
        LayerDifferenceError: a layer differs.
        FpgaRtError: the device, a swap or a program failed.
    """
    batch = compared_batch(deployment, conditions.batch)
    requests = -(-len(images) // batch)
    with _runtime(conditions) as runtime:
        what = f"{deployment.network.name} on {conditions.device}, every layer compared"
        with Progress(what, requests, lambda: len(runtime.log.requests), verbose):
            return compare_layers(runtime, deployment, images, batch)


@contextmanager
def _runtime(conditions: Conditions) -> Iterator[Runtime]:
    device = api.open_device(conditions.device, conditions.board, **conditions.options)
    with (
        _recorded(device, conditions) as used,
        api.Runtime(used, conditions.prefetch, conditions.port) as runtime,
    ):
        yield runtime


@contextmanager
def _recorded(device: Device, conditions: Conditions) -> Iterator[Device]:
    """Yield the device, and write what happened on it where that is asked for, however it ended.

    A surprise and an interrupt are kept too: it is those that a recording is wanted of.
    """
    if conditions.record is None:
        with device:
            yield device
        return
    recorder = Recorder(device, conditions.command)
    try:
        with recorder:
            yield recorder
    except BaseException:
        with suppress(FpgaRtError):  # the run's own error is the one to tell
            write_atomically(conditions.record, [recorder.recording()])
        raise
    write_atomically(conditions.record, [recorder.recording()])
