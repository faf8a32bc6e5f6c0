"""Folders of studies with figures that are known, for tests of their reports."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fpga_rt.study.sweep import HEADER, MANIFEST, RESULTS

Row = dict[str, str]
Json = dict[str, Any]

MANIFEST_DATA: Json = {
    "title": "Three <models> & more",
    "command": "fpga-rt study run three.toml",
    "study_file": "three.toml",
    "points": 4,
    "seed": 7,
    "fpga_rt": "0.1.0",
    "python": "3.11.7",
    "machine": {"system": "Linux", "cores": 2},
    "study_sha256": "ab" * 32,
    "models": {"ic": {"file": "ic.tflite", "sha256": "cd" * 32}},
}


def row(policy: str, batch: int, **figures: object) -> Row:
    """Return a result: 18 requests of 10 ms, 4 ms of loads of which 1 is hidden, static twice."""
    cells = dict.fromkeys(HEADER, "") | {
        "point": f"policy={policy} batch={batch}",
        "workload": "turns", "board": "pynq-z2", "port": "default", "policy": policy,
        "batch": str(batch), "clock": "virtual", "origin": "modelled", "requests": "18",
        "total_ms": "10", "image_ms": "0.5", "p50_ms": "0.4", "p99_ms": "0.9", "loads": "4",
        "load_ms": "4", "hidden_ms": "1", "exposed_ms": "3", "hidden_share": "0.25",
        "bound_ms": "8", "gap_percent": "25", "proven": "no", "static_ms": "20",
        "static_ratio": "2",
    }  # fmt: skip
    return cells | {name: str(value) for name, value in figures.items()}


ROWS = (
    row("none", 4, hidden_ms=0, exposed_ms=4, hidden_share=0, total_ms=12, static_ratio=0.5),
    row("none", 16, image_ms=0.25),
    row("look-ahead", 4, total_ms=10.1),
    row("exact", 4, proven="yes", total_ms=10),
)


def run(policy: str = "none", batch: int = 4) -> Json:
    """Return a recording: two requests of 2 and 4 ms, a load of 1 ms before the first."""
    return {
        "format": "fpga-rt study run",
        "version": 1,
        "point": f"policy={policy} batch={batch}",
        "settings": {"policy": policy, "batch": str(batch), "workload": "turns"},
        "command": f"fpga-rt study trace three.toml --point 'policy={policy} batch={batch}'",
        "device": "emulator", "board": "pynq-z2", "port": "icap",
        "clock": "virtual", "origin": "modelled",
        "assumptions": ["Host software takes no time."],
        "partitions": ["rp0", "rp1"],
        "requests": [
            {"network": "ic", "images": 4, "us": [0.0, 2000.0]},
            {"network": "kws", "images": 4, "us": [2000.0, 6000.0]},
        ],
        "loads": [
            {
                "partition": 1, "module": "dense_8", "initial": True, "ahead": False,
                "us": [0.0, 1000.0], "hidden_us": 0.0,
                "phases_us": {"queue": 0.0, "decouple": 0.5, "load": 999.0, "first_result": 9.0},
            }
        ],
        "programs": [
            {"partition": 1, "network": "ic", "request": 0, "launch": 0, "us": [1000.0, 2000.0]},
            {"partition": 0, "network": "kws", "request": 1, "launch": 0, "us": [2000.0, 6000.0]},
        ],
    }  # fmt: skip


def write(
    folder: Path,
    rows: Sequence[Mapping[str, str]] = ROWS,
    runs: Sequence[Json] = (),
    gpu: Json | None = None,
) -> Path:
    """Write a study's folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(json.dumps(MANIFEST_DATA))
    with (folder / RESULTS).open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for number, recorded in enumerate(runs):
        place = folder / "runs" / f"run{number}"
        place.mkdir(parents=True)
        (place / "run.json").write_text(json.dumps(recorded))
    if gpu is not None:
        (folder / "gpu_baseline.json").write_text(json.dumps(gpu))
    return folder
