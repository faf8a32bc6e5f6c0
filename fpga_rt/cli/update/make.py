"""`fpga-rt update make`: a signed package from one version of a network to the next."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fpga_rt import api
from fpga_rt.cli.update import written
from fpga_rt.network.graph import Network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("base", type=Path, metavar="BASE.frt", help="what devices run")
    parser.add_argument(
        "model", type=Path, metavar="NEW", help="what they shall run: .onnx, .tflite or .frt"
    )
    written.add_outputs(parser)


def run(arguments: argparse.Namespace) -> None:
    """Make the package and say what it holds."""
    from fpga_rt.update.make import make_target

    key = written.signing_key(arguments, (arguments.base, arguments.model))
    base = api.load(arguments.base)
    target = make_target(base, _network(arguments.model))
    result = written.write(arguments, base, target, key)
    print(json.dumps(result, indent=2) if arguments.json else written.text(result))


def _network(path: Path) -> Network:
    return api.load(path).network if api.is_archive(path) else api.load_model(path)
