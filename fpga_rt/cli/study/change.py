"""`fpga-rt study change`: what a change of network costs published designs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fpga_rt.cli.description import Json
from fpga_rt.cli.table import table
from fpga_rt.study.change import Changes, Design, read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("file", type=Path, metavar="DESIGNS.toml", help="published designs")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print every design with the fixed load time and with calibrated ones."""
    found = read(arguments.file)
    if arguments.json:
        print(json.dumps(_data(found), indent=2))
        return
    port = found.port
    print(f"{found.title}\n")
    print(_table(found))
    print(f"\nfixed: {found.fixed_ms:g} ms for every device ({found.fixed_source})")
    print(f"full: the device's full bitstream by {port.name}, modelled: {port.source}")
    ports = " or ".join(sorted({d.regions_port.upper() for d in found.designs if d.regions_port}))
    if ports:
        print(
            f"regions: every region of a board of this project with that device, by {ports},"
            " modelled"
        )
    print("half: images whose computing takes as long as the load")


def _table(found: Changes) -> str:
    heads = [
        "design", "part", "inference\nms\npublished", "full\nbytes", "load\nfixed\nms",
        "load\nfull\nms", "load\nregions\nms", "first image\nfixed\nms", "first image\nfull\nms",
        "fixed /\nfull", "half\nfixed", "half\nfull",
    ]  # fmt: skip
    rows = [_row(found.fixed_ms, design) for design in found.designs]
    return table(heads, "<<" + ">" * (len(heads) - 2), rows)


def _row(fixed_ms: float, design: Design) -> list[object]:
    first = design.first_ms(fixed_ms), design.first_ms(design.full_ms)
    regions = None if design.regions_ms is None else f"{design.regions_ms:.2f}"
    return [
        design.name,
        design.part,
        f"{design.inference_ms:.3f}",
        design.full_bytes,
        f"{fixed_ms:.2f}",
        f"{design.full_ms:.2f}",
        regions,
        *(f"{time_ms:.2f}" for time_ms in first),
        f"{first[0] / first[1]:.2f}",
        round(design.images_to_halve(fixed_ms)),
        round(design.images_to_halve(design.full_ms)),
    ]


def _data(found: Changes) -> Json:
    return {
        "title": found.title,
        "fixed_ms": found.fixed_ms,
        "fixed_source": found.fixed_source,
        "port": {"name": found.port.name, "source": found.port.source},
        "designs": [
            {
                "name": design.name,
                "part": design.part,
                "inference_ms": design.inference_ms,
                "inference_origin": "published",
                "full_bytes": design.full_bytes,
                "load_ms": {
                    "fixed": found.fixed_ms,
                    "full": design.full_ms,
                    "regions": design.regions_ms,
                },
                "load_origin": "modelled",
                "first_image_ms": {
                    "fixed": design.first_ms(found.fixed_ms),
                    "full": design.first_ms(design.full_ms),
                },
            }
            for design in found.designs
        ],
    }
