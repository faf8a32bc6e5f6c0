"""`fpga-rt update status`: what a store holds."""

from __future__ import annotations

import argparse
import json
from typing import Any

from fpga_rt.cli.update.arguments import add_json, add_store
from fpga_rt.runtime.report_text import count_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_store(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print it; nothing is changed."""
    from fpga_rt.update.store import Store

    store = Store(arguments.store)
    state, deployment = store.state, store.deployment()
    result = {
        "store": str(arguments.store),
        "network": deployment.network.name,
        "board": deployment.board,
        "version": state.active.number,
        "archive": state.active.archive,
        "previous": state.previous[0].number if state.previous else None,
        "on_trial": state.trial[0].number if state.trial else None,
        "highest": state.highest,
        "event": state.event,
        "trusted": [key.identity.hex() for key in state.trusted],
        "vectors": state.vectors_count,
        "bytes": store.size_bytes,
        "quota_bytes": state.quota_bytes,
    }
    print(json.dumps(result, indent=2) if arguments.json else _text(result))


def _text(result: dict[str, Any]) -> str:
    trusted = ", ".join(result["trusted"])
    back = "none" if result["previous"] is None else f"version {result['previous']}"
    lines = [
        f"{result['store']}: version {result['version']} of {result['network']} on"
        f" {result['board']}, archive {result['archive'][:16]}",
        f"  last       {result['event']}",
        f"  rollback   to {back}",
        f"  takes      versions above {result['highest']}, signed by {trusted}",
        f"  tried with {count_text(result['vectors'], 'test vector')}",
        f"  holds      {result['bytes']:,} of {result['quota_bytes']:,} bytes",
    ]
    if result["on_trial"] is not None:
        lines.append(f"  on trial   version {result['on_trial']}, not decided")
    return "\n".join(lines)
