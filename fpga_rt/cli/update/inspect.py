"""`fpga-rt update inspect`: what a package holds, and who signed it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from fpga_rt.cli.update.arguments import add_json, add_package, judging, read_package


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_package(parser)
    parser.add_argument(
        "--trust", type=Path, action="append", metavar="OWNER.pub",
        help="refuse it unless this key, or another one given, has signed it",
    )  # fmt: skip
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print it."""
    from fpga_rt.update.package import Package, sealed

    data = read_package(arguments.package)
    trusted = []
    if arguments.trust:
        from fpga_rt.update.ed25519 import read_public_key

        trusted = [read_public_key(path) for path in arguments.trust]
    with judging(arguments.package):
        envelope = sealed(data)
        package, _ = envelope.open(trusted) if trusted else envelope.peek()
    result = {
        "file": str(arguments.package),
        "bytes": len(data),
        **{name: getattr(package, name) for name in Package.__dataclass_fields__},
    }
    changes = package.changes
    result["changes"] = {
        "arrays": len(changes.rows) + len(changes.arrays),
        "numbers": len(changes.values),
        "new_structure": bool(changes.network),
        "new_program": bool(changes.program),
    }
    signed = envelope.key_id.hex() if envelope.signature else None
    result["signature"] = {"key": signed, "checked": bool(arguments.trust)}
    print(json.dumps(result, indent=2) if arguments.json else _text(result))


def _text(result: dict[str, Any]) -> str:
    changes, signature = result["changes"], result["signature"]
    kind = "parameters only"
    if changes["new_program"]:
        kind = "a new program"
    elif changes["new_structure"]:
        kind = "parameters under another description"
    checked = "checked" if signature["checked"] else "NOT checked, name a key with --trust"
    signed = f"key {signature['key']}, {checked}" if signature["key"] else "nobody"
    lines = [
        f"{result['file']}: version {result['version']} of {_shown(result['network'])} on"
        f" {_shown(result['board'])}, {result['bytes']:,} bytes",
        f"  signed by  {signed}",
        f"  changes    {kind}: rows of {changes['arrays']} arrays, {changes['numbers']} numbers",
        f"  from       archive {_shown(result['base'])}",
        f"  to         archive {_shown(result['target'])}",
        f"  self-test  vectors {_shown(result['vectors'][:16])},"
        f" outputs {_shown(result['outputs'][:16])}",
    ]
    if result["note"]:
        lines.append(f"  note       {_shown(result['note'])}")
    return "\n".join(lines)


def _shown(text: str) -> str:
    """Return a stranger's text with what could fake a line or drive a terminal escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
