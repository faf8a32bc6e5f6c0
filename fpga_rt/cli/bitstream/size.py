"""`fpga-rt bitstream size`: what a region offers, and what loading it takes."""

from __future__ import annotations

import argparse
import json
from typing import Any

from fpga_rt.arch.floorplan import Rectangle
from fpga_rt.bitstream.size import RegionSize, ports_of, region_size
from fpga_rt.cli.bitstream.files import add_json
from fpga_rt.cli.bitstream.region import Region, add_region, region_of
from fpga_rt.cli.table import indented, table
from fpga_rt.errors import PlanningError
from fpga_rt.runtime.report import to_us
from fpga_rt.runtime.report_text import time_text

_WHAT = {
    "vivado": "a Vivado partial that resets its region",
    "plain": "every frame once, no reset",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_region(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print frames, bytes, resources and load times of a region."""
    region = region_of(arguments)
    if region is None or region.cells is None:
        raise argparse.ArgumentTypeError(
            "no region: name --board and --partition, or --device with --columns and --rows or"
            " --pblock"
        )
    if not region.cells:
        raise PlanningError(
            f"the geometry of {region.device.name} is not known, so nothing can be predicted from "
            "columns; `fpga-rt devices` has the figures that its partitions declare"
        )
    size = region_size(region.device, region.cells)
    data = _data(region, size)
    print(json.dumps(data, indent=2) if arguments.json else _text(data))


def rectangle_text(rectangle: Rectangle) -> str:
    """Return a rectangle as people read it: `columns 28-29 of Y1, Y0`."""
    first, last = rectangle.columns
    return f"columns {first}-{last} of {', '.join(rectangle.rows)}"


def rectangle_data(rectangles: tuple[Rectangle, ...]) -> list[dict[str, Any]]:
    """Return rectangles as plain data."""
    return [{"columns": list(r.columns), "rows": list(r.rows)} for r in rectangles]


def _data(region: Region, size: RegionSize) -> dict[str, Any]:
    ports = region.board.ports if region.board else ports_of(region.device)
    return {
        "device": size.device,
        "family": region.device.family.name,
        "board": region.board.name if region.board else None,
        "partition": region.partition.name if region.partition else None,
        "rectangles": rectangle_data(size.rectangles),
        "resources": vars(size.resources),
        "frames": size.frames,
        "exact": size.exact,
        "forms": {
            form.name: {
                "frames": form.frames,
                "bytes": form.size_bytes,
                "load_us": {n: to_us(p.load_ps(form.size_bytes)) for n, p in ports.items()},
            }
            for form in size.forms
        },
        "ports": {
            name: {
                "bytes_per_second": port.bytes_per_second,
                "setup_us": to_us(port.setup_ps),
                "origin": port.origin,
                "source": port.source,
            }
            for name, port in ports.items()
        },
        "findings": list(region.findings),
    }


def _text(data: dict[str, Any]) -> str:
    places = [Rectangle(tuple(r["columns"]), tuple(r["rows"])) for r in data["rectangles"]]
    amount = data["resources"]
    lines = [
        f"{data['device']} ({data['family']}): {'; '.join(map(rectangle_text, places))}",
        f"  offers {amount['lut']:,} LUT, {amount['dsp']:,} DSP, {amount['bram36']:,} BRAM36",
        f"  {data['frames']:,} configuration frames",
        "",
        indented(_forms_table(data)),
        "",
        "bytes are exact, without the .bit header of about 120 bytes"
        if data["exact"]
        else "bytes are within 1 %, without the .bit header of about 120 bytes",
        "load times are modelled: bytes by the port's rate",
    ]
    for name, port in data["ports"].items():
        rate = port["bytes_per_second"] / 1e6
        lines.append(f"  {name}: {rate:,.1f} MB/s, {port['origin']} ({port['source']})")
    lines += [f"warning: {finding}" for finding in data["findings"]]
    return "\n".join(lines)


def _forms_table(data: dict[str, Any]) -> str:
    ports = list(data["ports"])
    rows = [
        (
            name,
            form["frames"],
            form["bytes"],
            *(time_text(form["load_us"][port]) for port in ports),
            _WHAT[name],
        )
        for name, form in data["forms"].items()
    ]
    headers = ("form", "frames sent", "bytes", *ports, "what it is")
    return table(headers, "<>>" + ">" * len(ports) + "<", rows)
