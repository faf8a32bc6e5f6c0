"""`fpga-rt inspect`: what a deployment holds, needs and is predicted to take."""

from __future__ import annotations

import argparse
import json
from typing import Any

from fpga_rt.cli.description import Json, describe
from fpga_rt.cli.options import add_calibration, add_schedule, add_source, port_of
from fpga_rt.cli.source import deployment_of
from fpga_rt.cli.table import indented, table
from fpga_rt.runtime.report_text import bytes_text, count_text, time_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_source(parser)
    add_schedule(parser)
    add_calibration(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print what a deployment holds, needs and is predicted to take."""
    deployment, target = deployment_of(arguments)
    port = port_of(target, arguments.port)
    data = describe(deployment, target, arguments.batch, arguments.prefetch, port)
    print(json.dumps(data, indent=2) if arguments.json else text(data))


def text(data: Json) -> str:
    """Return a description as sections of text."""
    title = f"{data['network']} on {data['title']}, partitions {', '.join(data['partitions'])}"
    times = f"{data['clock']}, {data['calibration'] or data['origin']}"
    sections = {
        "Steps": steps_table(data["steps"]),
        "Modules": modules_table(data["modules"]),
        "Memory": _memory(data),
        f"Predicted ({times})": predicted_table(data),
        "Assumptions": "\n".join(data["assumptions"]),
    }
    parts = [f"{name}\n{indented(content)}" for name, content in sections.items()]
    return "\n\n".join([title, *parts])


def steps_table(steps: list[Json]) -> str:
    """Return a line for each step: where it runs, its size and its cycles."""
    headers = (
        "launch", "layer", "operation", "partition", "module", "output\nchannels", "commands",
        "weights\nbytes", "tables\nbytes", "parameter\ncycles", "compute\ncycles",
    )  # fmt: skip
    rows = [
        (
            step["launch"],
            step["layer"],
            step["operation"],
            step["partition"],
            step["module"],
            "{}..{}".format(step["channels"][0], step["channels"][1] - 1),
            *(step[name] for name in ("commands", "weight_bytes", "table_bytes")),
            *(step[name] for name in ("parameter_cycles", "compute_cycles")),
        )
        for step in steps
    ]
    return table(headers, "><<<<>>>>>>", rows)


def modules_table(modules: list[Json]) -> str:
    """Return a line for each module in each partition: resources used of those there, load time."""
    marked = any("calibrated" in entry["load_origins"].values() for entry in modules)
    headers = (
        "partition",
        "module",
        "LUT",
        "DSP",
        "BRAM36",
        "bytes",
        "load (* calibrated, else modelled)" if marked else "load (modelled)",
    )
    rows = [
        (
            entry["partition"],
            entry["module"],
            *(_used(entry, kind) for kind in ("lut", "dsp", "bram36")),
            entry["bitstream_bytes"],
            ", ".join(_load_text(entry, port) for port in entry["load_us"]),
        )
        for entry in modules
    ]
    return table(headers, "<<>>>>>", rows)


def _load_text(entry: Json, port: str) -> str:
    mark = "*" if entry["load_origins"][port] == "calibrated" else ""
    return f"{port}{mark} {time_text(entry['load_us'][port])}"


def predicted_table(data: Json) -> str:
    """Return the predicted figures beside those of the static baseline, and what follows."""
    predicted, static = data["predicted"], data["static_baseline"]
    headers = ("", "this deployment", "static baseline")
    batch = predicted["batch"]
    rows: list[tuple[object, ...]] = [
        ("modules", count_text(len(data["modules"]), "module"), _static(static, "modules")),
        ("images a request", batch, batch),
        ("prefetch", predicted["prefetch"], None),
        ("cold", time_text(predicted["cold_us"]), None),
        ("warm", time_text(predicted["warm_us"]), _static(static, "warm_us")),
        ("an image, warm", time_text(predicted["image_us"]), _static(static, "image_us")),
        ("inferences/s", f"{predicted['inferences_per_s']:,.1f}", _static(static, "inferences")),
        ("swaps a request", predicted["swaps"], "0"),
        ("swaps an inference", f"{predicted['swaps_per_inference']:.3g}", "0"),
    ]
    lines = [table(headers, "<>>", rows), "", data["verdict"]]
    if static is not None:
        lines.append(f"The static baseline holds {', '.join(static['modules'])}.")
    return "\n".join(lines)


def _static(static: Json | None, what: str) -> str:
    if static is None:
        return "does not fit"
    texts = {
        "modules": count_text(len(static["modules"]), "module"),
        "warm_us": time_text(static["warm_us"]),
        "image_us": time_text(static["image_us"]),
        "inferences": f"{static['inferences_per_s']:,.1f}",
    }
    return texts[what]


def _used(entry: Json, kind: str) -> str:
    used: dict[str, Any] | None = entry["used"]
    return (f"{used[kind]:,}" if used else "?") + f" / {entry['available'][kind]:,}"


def _origin(blocks: Json) -> str:
    """Return where the bitstreams come from."""
    region = blocks["static_id"]
    return f"built against static region {region}" if region else "for simulation"


def _memory(data: Json) -> str:
    features, blocks = data["feature_memory"], data["blocks"]
    place = "on chip" if features["on_chip"] else "in DRAM"
    return "\n".join(
        [
            f"features    {bytes_text(features['image_bytes'])} an image,"
            f" {count_text(features['images_at_a_time'], 'image')} at a time:"
            f" {bytes_text(features['needed_bytes'])} {place};"
            f" on chip is room for {bytes_text(features['available_bytes'])}"
            f" ({count_text(features['on_chip_images'], 'image')})",
            f"parameters  {count_text(blocks['weights'], 'weight block')},"
            f" {bytes_text(blocks['weights_bytes'])};"
            f" {count_text(blocks['tables'], 'table')}, {bytes_text(blocks['tables_bytes'])}",
            f"bitstreams  {blocks['bitstreams']} {_origin(blocks)},"
            f" {bytes_text(blocks['bitstream_bytes'])};"
            " loads are charged with the real size above",
        ]
    )
