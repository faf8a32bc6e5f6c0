"""`fpga-rt bitstream verify`: every word, and that all frames lie in a region."""

from __future__ import annotations

import argparse
import json
from math import floor
from typing import TYPE_CHECKING, Any

from fpga_rt.cli.bitstream.files import add_file, add_json, read_file
from fpga_rt.cli.bitstream.region import Region, add_region, region_of
from fpga_rt.runtime.report_text import count_text

if TYPE_CHECKING:
    from fpga_rt.arch.devices import Device
    from fpga_rt.bitstream.verify import Verified


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_file(parser)
    add_region(parser)
    parser.add_argument(
        "--difference", action="store_true",
        help="accept a partial that writes columns in part, as `shrink --against` makes them",
    )  # fmt: skip
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Say that a bitstream may be loaded, or fail with the reason why not."""
    from fpga_rt.bitstream.locate import device_of
    from fpga_rt.bitstream.read import parse
    from fpga_rt.bitstream.verify import verify, verify_partial

    region = region_of(arguments)
    data = read_file(arguments.file)
    if region is None:
        region = Region(device_of(parse(data)))
    whole_columns = not arguments.difference
    if region.partition is not None:
        verified = verify_partial(data, region.device, region.partition, whole_columns)
    else:
        verified = verify(data, region.device, region.cells, whole_columns)
    result = _data(str(arguments.file), region, verified)
    print(json.dumps(result, indent=2) if arguments.json else _text(result))


def _data(name: str, region: Region, verified: Verified) -> dict[str, Any]:
    module_id = verified.module_id
    return {
        "file": name,
        "digest": verified.digest,
        "device": region.device.name,
        "board": region.board.name if region.board else None,
        "partition": region.partition.name if region.partition else None,
        "region_checked": region.partition is not None or region.cells is not None,
        "kind": verified.kind,
        "words": len(verified.words),
        "frames": len(verified.frames.addresses),
        "coverage": verified.coverage,
        "module_id": None if module_id is None else f"{module_id:016x}",
        "ecc_mismatches": _ecc_mismatches(region.device, verified),
    }


def _ecc_mismatches(chip: Device, verified: Verified) -> int | None:
    """Return how many frames have a wrong ECC; None where frames have none that is known.

    Simulation bitstreams, whose frames carry an identity, have none.
    """
    from fpga_rt.arch.families import SERIES7
    from fpga_rt.bitstream.ecc import mismatches

    if chip.family is not SERIES7 or verified.module_id is not None:
        return None
    return len(mismatches(verified.frames))


def _percent(share: float) -> str:
    """Return a share in percent: 100 only where it is all, and never 0 where it is something."""
    return f"{floor(100 * share)}" if share >= 0.01 else f"{100 * share:.2g}"


def _text(result: dict[str, Any]) -> str:
    place = result["device"]
    if result["partition"] is not None:
        place = f"partition {result['partition']} of {result['board']} ({place})"
    elif result["region_checked"]:
        place = f"these columns of {place}"
    lines = [
        f"{result['file']}: may be loaded into {place}",
        f"  {result['kind']}, {count_text(result['words'], 'word')}, "
        f"{count_text(result['frames'], 'frame')}; every CRC matches, every word is allowed",
        f"  sha256 {result['digest']}",
    ]
    if result["coverage"] is not None:
        whole = "partition" if result["partition"] is not None else "region"
        lines.append(f"  writes {_percent(result['coverage'])} % of the {whole}")
    if result["module_id"] is not None:
        lines.append(f"  module {result['module_id']}, by the identity in its frames")
    if result["ecc_mismatches"]:
        lines.append(
            f"warning: the ECC of {count_text(result['ecc_mismatches'], 'frame')} does not match;"
            " usual for LUT memories, shift registers and clock management, harmless to load"
        )
    if result["kind"] == "partial" and not result["region_checked"]:
        lines.append(
            "not checked: where its frames lie; name a partition, or columns and rows, for that"
        )
    return "\n".join(lines)
