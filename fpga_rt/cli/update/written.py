"""What `make` and `train` share: the package that is written, and what is said of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpga_rt import api
from fpga_rt.cli.options import file_of, positive, refuse_overwriting
from fpga_rt.cli.update.arguments import add_json, add_vectors, vectors_of
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.deployment.model import Deployment

if TYPE_CHECKING:
    from fpga_rt.update.ed25519 import PrivateKey
    from fpga_rt.update.make import Target


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add what describes, signs and places the package."""
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


def signing_key(arguments: argparse.Namespace, inputs: Sequence[Path]) -> PrivateKey:
    """Return the owner's key, once no output is one of the inputs.

    Raises:
        ArtifactError: an output would overwrite an input, or the key cannot be read.
        ToolchainError: what signs is not installed.
    """
    from fpga_rt.update.ed25519 import PrivateKey

    for output in filter(None, (arguments.output, arguments.archive)):
        refuse_overwriting(output, (*inputs, arguments.key))
    return PrivateKey.read(arguments.key)


def write(
    arguments: argparse.Namespace, base: Deployment, target: Target, key: PrivateKey
) -> dict[str, Any]:
    """Write the package, and the archive if it is asked for; return what they are.

    Raises:
        ArtifactError: a file cannot be read or written.
        UpdateError: nothing changes, or the package would be too large.
    """
    from fpga_rt.update.make import make_package

    vectors = vectors_of(base.network, arguments.vectors)
    data = make_package(base, target.deployment, arguments.version, key, vectors, arguments.note)
    if arguments.archive:
        api.save(target.deployment, arguments.archive)
    write_atomically(arguments.output, [data])
    segments = target.deployment.segments
    return {
        "file": str(arguments.output),
        "version": arguments.version,
        "bytes": len(data),
        "parameter_bytes": segments.weights_bytes + segments.tables_bytes,
        "key": key.public_key.identity.hex(),
        "new_program": target.obstacle,
        "archive": str(arguments.archive) if arguments.archive else None,
    }


def text(result: dict[str, Any]) -> str:
    """Return for people what `write` did."""
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
