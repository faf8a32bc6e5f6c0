"""`fpga-rt update install`: the store of a device."""

from __future__ import annotations

import argparse
from pathlib import Path

from fpga_rt import api
from fpga_rt.cli.options import positive
from fpga_rt.cli.update.arguments import add_store, add_vectors, vectors_of
from fpga_rt.runtime.report_text import count_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_store(parser)
    parser.add_argument("archive", type=Path, metavar="BASE.frt", help="the first version")
    parser.add_argument(
        "--trust", type=Path, action="append", required=True, metavar="OWNER.pub",
        help="take updates that this key signs; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--version",
        type=positive,
        default=1,
        metavar="N",
        help="number of this version; 1 unless given",
    )
    parser.add_argument(
        "--quota", type=positive, metavar="BYTES",
        help="what the store may take; four times the archive unless given",
    )  # fmt: skip
    add_vectors(parser)


def run(arguments: argparse.Namespace) -> None:
    """Make the store."""
    from fpga_rt.update.ed25519 import read_public_key
    from fpga_rt.update.store import Store

    deployment = api.load(arguments.archive)
    vectors = vectors_of(deployment.network, arguments.vectors)
    trusted = [read_public_key(path) for path in arguments.trust]
    store = Store.install(
        arguments.store, deployment, trusted, arguments.version, vectors, arguments.quota
    )
    state = store.state
    print(
        f"{arguments.store}: version {state.active.number} of {deployment.network.name} on"
        f" {deployment.board}, archive {state.active.archive[:16]}"
    )
    print(f"  trusts     {', '.join(key.identity.hex() for key in trusted)}")
    print(f"  tried with {count_text(state.vectors_count, 'test vector')}")
    print(f"  takes      {store.size_bytes:,} of {state.quota_bytes:,} bytes")
