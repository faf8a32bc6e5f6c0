"""`fpga-rt study loadgen`: MLPerf LoadGen in front of a deployment."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fpga_rt import api
from fpga_rt.cli import arrays
from fpga_rt.cli.description import Json
from fpga_rt.cli.numbers import number
from fpga_rt.cli.options import add_calibration, add_schedule, add_source, port_of, positive
from fpga_rt.cli.source import deployment_of
from fpga_rt.cli.table import indented, table
from fpga_rt.errors import ExecutionError
from fpga_rt.network.graph import Network
from fpga_rt.runtime.model import LoadedModel
from fpga_rt.runtime.report_text import time_text
from fpga_rt.runtime.runtime import Codes, Runtime
from fpga_rt.study.loadgen import SCENARIOS, Scenario, Settings, drive
from fpga_rt.study.loadgen_record import PERCENTS, record, write
from fpga_rt.study.loadgen_verdict import why_invalid

_FOLDERS: dict[Scenario, str] = {"SingleStream": "single-stream", "Server": "server"}
_DECIDING = (
    "board", "partitions", "modules", "calibration", "device", "prefetch", "port", "input",
    "seconds", "queries", "rate", "latency_ms", "pace",
)  # fmt: skip
"""Arguments that stand in a record's command, where they were given or have a default."""
_RANDOM_IMAGES = 64
_OFFICIAL_S = 600
_PROBES, _PATIENCE, _UTILISATION = 8, 20, 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    default = Settings()
    above_0 = number("more than 0", lambda value: value > 0)
    add_source(parser)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("loadgen"), metavar="DIR",
        help="folder of LoadGen's logs, one in it for each scenario; `loadgen` by default",
    )  # fmt: skip
    parser.add_argument(
        "--scenario", choices=SCENARIOS, action="append",
        help="how queries come; both by default, one after the other",
    )  # fmt: skip
    parser.add_argument(
        "--input", type=Path, metavar="X.npz",
        help="images to draw from, in the model's layout; random ones by default",
    )  # fmt: skip
    parser.add_argument("--device", default="emulator", help="`emulator` by default")
    parser.add_argument(
        "--seconds", type=above_0, default=default.seconds, metavar="S",
        help=f"of each scenario, {default.seconds:g} by default; MLPerf's rules want {_OFFICIAL_S}",
    )  # fmt: skip
    parser.add_argument(
        "--queries", type=positive, default=default.queries, metavar="N",
        help=f"of each scenario at least, {default.queries} by default",
    )  # fmt: skip
    parser.add_argument(
        "--rate", type=above_0, metavar="HZ",
        help="queries a second of Server; by default half of what a first few are answered at",
    )  # fmt: skip
    parser.add_argument(
        "--latency-ms", type=above_0, metavar="MS",
        help="what 99 %% of the queries of Server must keep to; by default"
        f" {_PATIENCE} times what a first few take",
    )  # fmt: skip
    parser.add_argument(
        "--pace", type=number("at least 0", lambda value: value >= 0), default=default.pace,
        metavar="X", help="hold answers back to X times the device's clock: 1 (the default) is"
        " real time, more leaves the emulator time to compute, 0 holds nothing back",
    )  # fmt: skip
    add_schedule(parser)
    add_calibration(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Run the scenarios and say what LoadGen says, and the device's clock apart."""
    if arguments.batch != 1:
        raise argparse.ArgumentTypeError(
            f"a query is one image, got --batch {arguments.batch}; leave it out"
        )
    deployment, target = deployment_of(arguments)
    network = deployment.network
    codes = _codes(network, arguments.input)
    found = []
    for scenario in arguments.scenario or SCENARIOS:
        folder = arguments.output / _FOLDERS[scenario]
        with (
            api.open_device(arguments.device, target) as device,
            api.Runtime(device, arguments.prefetch, port_of(target, arguments.port)) as runtime,
        ):
            model = runtime.load(deployment)
            settings = _settings(arguments, runtime, model, codes)
            outcome = drive(runtime, model, codes, scenario, folder, settings)
            command = _command(arguments, scenario)
            data = record(outcome, settings, device.capabilities, network.name, command)
        write(data, folder)
        found.append(data)
    print(json.dumps(found, indent=2) if arguments.json else _text(found, arguments.output))
    chosen = arguments.rate is None and arguments.latency_ms is None
    invalid = [why_invalid(data, chosen) for data in found if data["result"] != "VALID"]
    if invalid:
        raise ExecutionError(f"LoadGen calls the run INVALID. {'. '.join(invalid)}")


def _command(arguments: argparse.Namespace, scenario: Scenario) -> str:
    """Return the command of a scenario, with every argument that decides its figures."""
    parts = ["fpga-rt", "study", "loadgen", Path(arguments.model).name, "--scenario", scenario]
    for name in _DECIDING:
        value = getattr(arguments, name)
        if isinstance(value, tuple):  # a comma behind tells a list of one from a number
            value = ",".join(map(str, value)) + "," * (len(value) == 1 and name == "partitions")
        if value is not None:
            text = value.name if isinstance(value, Path) else str(value)
            parts += [f"--{name.replace('_', '-')}", text]
    return shlex.join(parts)


def _settings(
    arguments: argparse.Namespace, runtime: Runtime, model: LoadedModel, codes: Codes
) -> Settings:
    """Return what the arguments ask for; what they leave open is taken from a few queries.

    These also load the modules, which LoadGen's queries then find. A device on the wall clock paces
    itself.
    """
    device = runtime.device
    pace = arguments.pace if device.capabilities.clock == "virtual" else 0.0
    took_s = []
    for _ in range(_PROBES):
        started, now_ps = time.perf_counter(), device.now_ps()
        runtime.run(model, codes[:1])
        host_s = time.perf_counter() - started
        took_s.append(max(host_s, pace * (device.now_ps() - now_ps) / 1e12))
    runtime.clear_log()
    expected_s = max(took_s[1:])
    limit_us = expected_s * _PATIENCE * 1e6
    return Settings(
        seconds=arguments.seconds,
        queries=arguments.queries,
        # LoadGen prepares as many queries as this says, and is INVALID when they end too soon.
        expected_us=min(took_s) / 4 * 1e6,
        rate_hz=arguments.rate or _UTILISATION / expected_s,
        latency_us=arguments.latency_ms * 1e3 if arguments.latency_ms else limit_us,
        pace=pace,
    )


def _codes(network: Network, path: Path | None) -> Codes:
    if path is None:
        shape = (_RANDOM_IMAGES, *network.tensors[network.input].shape)
        return np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)
    codes = network.encode_input(arrays.read_array(path, ("x", "X")))
    if not len(codes):
        raise ExecutionError(f"{path} holds no images, expected at least one")
    return codes


def _text(found: Sequence[Json], folder: Path) -> str:
    first = found[0]
    device = first["device"]
    pace = f"paced {first['pace']:g} x the device's clock" if first["pace"] else "not paced"
    heads = [f"p{percent}" for percent in PERCENTS]
    align = ">" * len(PERCENTS)
    wall = [
        [d["scenario"], d["result"], d["queries"], *_times(d["wall"]), d["slower"]] for d in found
    ]
    virtual = [[d["scenario"], *_times(d["device"])] for d in found]
    asked = [
        f"Server: {d['rate_hz']:.4g} queries/s, 99 % within {time_text(d['limit_us'])}"
        for d in found
        if d["scenario"] == "Server"
    ]
    parts = [
        f"{first['network']} on {device['name']} ({device['board']}): MLPerf LoadGen",
        f"What LoadGen measured (wall clock, {pace})",
        indented(table(["scenario", "result", "queries", *heads, "slower"], f"<<>{align}>", wall)),
        *asked,
        f"What the device's clock says of the same queries ({device['clock']} clock,"
        f" {device['origin']})",
        indented(table(["scenario", *heads], f"<{align}", virtual)),
        "`slower` are queries that took the host longer than the pace allows: their latency is the"
        f"\nhost's. Valid by the settings in the logs; MLPerf's rules want {_OFFICIAL_S} s.",
        f"written: {folder}",
    ]
    return "\n\n".join(parts)


def _times(data: Json) -> list[str]:
    return [time_text(data["latency_us"][f"p{percent}"]) for percent in PERCENTS]
