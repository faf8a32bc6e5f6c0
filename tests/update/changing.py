"""Update and roll back the store of a folder without end, for `test_kill`.

    python -m tests.update.changing STORE

For every line that comes in, a child is forked that writes its number and then a dot before each
change of the disk, until somebody kills it; then a bar is written.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fpga_rt.arch.boards import board
from fpga_rt.deployment import archive
from fpga_rt.deployment.model import Deployment
from fpga_rt.planner.compile import compile_network
from fpga_rt.update import signature
from fpga_rt.update.files import DiskFiles
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.store import Store
from tests.update.networks import drifted, small
from tests.update.signing import Entry, Secret

_STDOUT = 1


class _Telling(DiskFiles):
    """Writes a dot before each change."""

    def write(self, path: str, data: bytes) -> None:
        os.write(_STDOUT, b".")
        super().write(path, data)

    def sync(self, path: str) -> None:
        os.write(_STDOUT, b".")
        super().sync(path)

    def sync_folder(self, folder: str) -> None:
        os.write(_STDOUT, b".")
        super().sync_folder(folder)

    def rename(self, old: str, new: str) -> None:
        os.write(_STDOUT, b".")
        super().rename(old, new)

    def remove(self, path: str) -> None:
        os.write(_STDOUT, b".")
        super().remove(path)


def main(folder: Path) -> None:
    """Fork children as long as lines come in."""
    vars(signature)["entry_points"] = lambda group: [Entry()]
    base = compile_network(small(), board("pynq-z2"), 2)
    target = make_target(base, drifted(base.network, 1, weights=True)).deployment
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            os.write(_STDOUT, b"%d\n" % os.getpid())
            store = Store(_Telling(folder))
            while True:
                _change(store, base, target)
        os.waitpid(child, 0)
        os.write(_STDOUT, b"|")


def _change(store: Store, base: Deployment, target: Deployment) -> None:
    """Update to the version that is not active, or refuse to; now and then, roll back too."""
    with store.changing():
        number = store.state.highest + 1
        active = store.state.active.archive
        ends = (base, target) if active == archive.encode(base)[-1].hex() else (target, base)
        candidate = store.admit(make_package(*ends, number, Secret()))
        store.stage(candidate)
        if os.getpid() % 4 == 0:
            store.abandon("self-test")
        store.stage(candidate)
        store.commit(candidate)
        if number % 3 == 0:
            store.rollback()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
