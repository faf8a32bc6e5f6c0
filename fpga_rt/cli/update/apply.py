"""`fpga-rt update apply`: try a package on the device, and switch to it or refuse it."""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpga_rt import api
from fpga_rt.cli.update.arguments import add_json, add_package, add_store, judging, read_package
from fpga_rt.errors import FpgaRtError, UpdateError
from fpga_rt.runtime.report import to_us
from fpga_rt.runtime.report_text import count_text, time_text

if TYPE_CHECKING:
    from fpga_rt.update.live import Applied, Live
    from fpga_rt.update.store import Store

_CHUNK_BYTES = 64 << 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_store(parser)
    add_package(parser)
    parser.add_argument("--device", default="emulator", help="`emulator` by default")
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Take the package, try it, and print what became of it."""
    from fpga_rt.update.live import Live
    from fpga_rt.update.store import Store

    store = Store(arguments.store)
    package = _taken(store, arguments.package)
    with judging(arguments.package):
        store.admit(package)  # before a device is opened for it
    board = store.deployment().board
    with (
        api.open_device(arguments.device, board) as device,
        api.Runtime(device) as runtime,
    ):
        live = Live(runtime, store)
        live.confirm()  # as on a device that runs, modules are in place when the update comes
        applied = live.apply(package)
        first_ps = _confirmed(live, applied, arguments.store) - applied.accepted_ps
    result = {
        "device": arguments.device,
        "clock": device.capabilities.clock,
        "origin": device.capabilities.origin,
        **asdict(applied),
        "self_test_us": to_us(applied.self_test_ps),
        "first_correct_us": to_us(first_ps),
    }
    del result["self_test_ps"], result["accepted_ps"]
    print(json.dumps(result, indent=2) if arguments.json else _text(result))


def _confirmed(live: Live, applied: Applied, store: Path) -> int:
    """Return when the version that was applied had answered a test vector rightly; or go back.

    Raises:
        UpdateError: it did not, and the version before is back, or the message says that it is not.
    """
    try:
        return live.confirm()
    except FpgaRtError as error:
        failed = f"version {applied.version} replaced version {applied.replaced}, but {error}"
        try:
            live.rollback()
        except FpgaRtError as failure:
            if live.version == applied.version:
                raise UpdateError(
                    f"{failed}; it stays, for rolling back failed ({failure}): fpga-rt update"
                    f" rollback {store}",
                    "self-test",
                ) from failure
        raise UpdateError(
            f"{failed}; it was rolled back to version {applied.replaced}", "self-test"
        ) from error


def _taken(store: Store, path: Path) -> bytes:
    """Return the package once all of it lies in the store; what has come before is not read again.

    Raises:
        UpdateError: it is too large for the store, or another process is changing that.
    """
    data = read_package(path)
    if not data:
        raise UpdateError(f"{path} is empty, expected an update package; send it again", "damaged")
    with store.changing():
        transfer = store.transfer(hashlib.sha256(data).hexdigest(), len(data))
        while transfer.missing_bytes:
            transfer.write(data[transfer.offset : transfer.offset + _CHUNK_BYTES])
        package = transfer.finish()
        transfer.discard()
    return package


def _text(result: dict[str, Any]) -> str:
    how = "a new program was loaded" if result["new_program"] else "parameters only"
    return (
        f"version {result['version']} replaced version {result['replaced']}: {how}\n"
        f"  sent       {result['package_bytes']:,} bytes, of {result['parameter_bytes']:,} bytes of"
        f" parameters\n"
        f"  self-test  {count_text(result['vectors'], 'test vector')} right in"
        f" {time_text(result['self_test_us'])} on {result['device']} ({result['clock']} clock,"
        f" {result['origin']})\n"
        f"  answers    rightly {time_text(result['first_correct_us'])} after the package was"
        " accepted, by the same clock"
    )
