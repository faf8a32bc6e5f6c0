"""`fpga-rt update make`: a signed package from one version of a network to the next."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from fpga_rt import api
from fpga_rt.cli.options import file_of, positive, refuse_overwriting
from fpga_rt.cli.update.arguments import add_json, add_vectors, vectors_of
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.network.graph import Network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("base", type=Path, metavar="BASE.frt", help="what devices run")
    parser.add_argument(
        "model", type=Path, metavar="NEW", help="what they shall run: .onnx, .tflite or .frt"
    )
    parser.add_argument(
        "--version", type=positive, required=True, metavar="N",
        help="number of the new version, above every one that a device has had",
    )  # fmt: skip
    parser.add_argument(
        "--key", type=Path, required=True, metavar="OWNER.key", help="private key to sign with"
    )
    parser.add_argument(
        "-o", "--output", type=file_of(".fru"), required=True, metavar="UPDATE.fru",
        help="package to write",
    )  # fmt: skip
    parser.add_argument(
        "--archive", type=file_of(".frt"), metavar="TARGET.frt",
        help="also write the new version as an archive, the base of the update after it",
    )  # fmt: skip
    parser.add_argument("--note", default="", metavar="TEXT", help="a line for people")
    add_vectors(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Make the package and say what it holds."""
    from fpga_rt.update.ed25519 import PrivateKey
    from fpga_rt.update.make import make_package, make_target

    for output in filter(None, (arguments.output, arguments.archive)):
        refuse_overwriting(output, (arguments.base, arguments.model, arguments.key))
    key = PrivateKey.read(arguments.key)
    base = api.load(arguments.base)
    vectors = vectors_of(base.network, arguments.vectors)
    target = make_target(base, _network(arguments.model))
    data = make_package(base, target.deployment, arguments.version, key, vectors, arguments.note)
    if arguments.archive:
        api.save(target.deployment, arguments.archive)
    write_atomically(arguments.output, [data])
    segments = target.deployment.segments
    result = {
        "file": str(arguments.output),
        "version": arguments.version,
        "bytes": len(data),
        "parameter_bytes": segments.weights_bytes + segments.tables_bytes,
        "key": key.public_key.identity.hex(),
        "new_program": target.obstacle,
        "archive": str(arguments.archive) if arguments.archive else None,
    }
    print(json.dumps(result, indent=2) if arguments.json else _text(result))


def _network(path: Path) -> Network:
    return api.load(path).network if api.is_archive(path) else api.load_model(path)


def _text(result: dict[str, Any]) -> str:
    share = 100 * result["bytes"] / result["parameter_bytes"]
    lines = [
        f"written: {result['file']}, version {result['version']}, {result['bytes']:,} bytes"
        f" ({share:.1f} % of {result['parameter_bytes']:,} bytes of parameters)",
        f"  signed by {result['key']}",
    ]
    if result["new_program"] is None:
        lines.append("  parameters only: devices switch between two inferences")
    else:
        lines.append(f"  with a new program, devices load it: {result['new_program']}")
    if result["archive"]:
        lines.append(f"written: {result['archive']}, the new version")
    return "\n".join(lines)
