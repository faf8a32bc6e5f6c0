"""`fpga-rt bitstream import`: verify a partial that vendor tools built and register it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from fpga_rt.cli.bitstream.files import add_file, add_json, read_file
from fpga_rt.errors import ArtifactError, ModelError

if TYPE_CHECKING:
    from fpga_rt.bitstream.manifest import Identity


def identity(text: str) -> int:
    """Return a 64-bit identity from its hexadecimal digits.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not re.fullmatch(r"(0x)?[0-9a-fA-F]{1,16}", text):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected 1 to 16 hexadecimal digits")
    return int(text, 16)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_file(parser)
    parser.add_argument("--board", required=True, help="board name; `fpga-rt devices` lists them")
    parser.add_argument("--partition", required=True, metavar="P", help="a partition of the board")
    parser.add_argument("--module", required=True, metavar="M", help="name of the module in FILE")
    parser.add_argument(
        "--module-id", type=identity, metavar="HEX",
        help="64-bit identity that the module answers with; that of the installed module M"
        " otherwise",
    )  # fmt: skip
    parser.add_argument(
        "--static-id", type=identity, metavar="HEX",
        help="64-bit identity of the static region that FILE was implemented against",
    )  # fmt: skip
    parser.add_argument(
        "--root", type=Path, default=Path("bitstreams"), metavar="DIR",
        help="folder of all manifests, `bitstreams` by default",
    )  # fmt: skip
    parser.add_argument(
        "--replace", action="store_true",
        help="replace another bitstream registered for the same partition and module",
    )  # fmt: skip
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Verify FILE, put it and its manifest into the partition's folder, and say where."""
    from fpga_rt.arch.boards import board
    from fpga_rt.bitstream.manifest import FILE_NAME, load, register
    from fpga_rt.deployment.atomic_file import write_atomically

    target = board(arguments.board)
    module = _identity(arguments.module, arguments.module_id)
    data = read_file(arguments.file)
    manifest = register(data, target, arguments.partition, module, arguments.static_id)
    folder = arguments.root / manifest.folder
    if (folder / FILE_NAME).exists() and not arguments.replace:
        registered = load(folder / FILE_NAME)
        if (registered.digest, registered.module_id) != (manifest.digest, manifest.module_id):
            raise ArtifactError(
                f"{folder / FILE_NAME} registers bitstream {registered.digest[:12]} with identity"
                f" {registered.module_id:016x}, got {manifest.digest[:12]} with"
                f" {manifest.module_id:016x}; choose another --module, or add --replace"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(
            f"cannot make the folder {folder}: {error.strerror}; choose another --root"
        ) from error
    # The bitstream first: a manifest never names a file that is not there.
    write_atomically(folder / manifest.file, [data])
    write_atomically(folder / FILE_NAME, [manifest.encode()])
    if arguments.json:
        print(manifest.encode().decode(), end="")
        return
    print(f"{arguments.file}: verified for {target.name} {manifest.partition}")
    print(f"  module    {manifest.module}, identity {manifest.module_id:016x}")
    print(f"  frames    {manifest.frames:,}")
    print(f"  built by  {manifest.tool or 'unknown: the file does not say'}")
    print(f"  sha256    {manifest.digest}")
    print(f"written: {folder / FILE_NAME} and {manifest.file} beside it")
    if manifest.static_id is None:
        print(
            "warning: the static region it was implemented against is not recorded; add --static-id"
        )


def _identity(name: str, module_id: int | None) -> Identity:
    """Return the identity of a module: as given, or of the one installed under that name."""
    from fpga_rt.bitstream.manifest import Identity
    from fpga_rt.modules.registry import modules

    installed = next((module for module in modules() if module.name == name), None)
    if module_id is None and installed is None:
        raise ModelError(
            f"module {name!r} is not installed, so its identity is not known; install its package, "
            "or give --module-id"
        )
    if installed is None:
        return Identity(name, int(module_id or 0))
    return Identity(name, installed.module_id if module_id is None else module_id,
                    installed.resources)  # fmt: skip
