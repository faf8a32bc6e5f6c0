"""A process that updates and rolls back without end is killed at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from fpga_rt.deployment import archive
from fpga_rt.deployment.model import Deployment
from fpga_rt.update.store import Store
from tests.update.signing import Secret

ROOT = Path(__file__).resolve().parents[2]
MOST_CHANGES = 150
"""Of the disk before a kill: three updates and a rollback."""


@contextmanager
def _changing(folder: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Start `tests.update.changing` and yield its input and output."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # it forks
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.update.changing", str(folder)],
        cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdin, process.stdout
    finally:
        process.stdin.close()
        process.stdout.close()
        assert process.wait(60) == 0


def _killed(orders: IO[bytes], output: IO[bytes], changes: int) -> None:
    """Have a child change the store, and kill it after some changes of the disk or a few more."""
    orders.write(b"go\n")
    number = b""
    while not number.endswith(b"\n"):
        number += output.read(1)
    for _ in range(changes):
        assert output.read(1) == b"."
    os.kill(int(number), signal.SIGKILL)
    while output.read(1) != b"|":
        pass


@pytest.mark.parametrize("kills", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_the_store_survives_every_kill(
    tmp_path: Path, base: Deployment, target: Deployment, owner: Secret, kills: int
) -> None:
    folder = tmp_path / "store"
    Store.install(folder, base, [owner.public_key])
    identities = [archive.encode(version)[-1].hex() for version in (base, target)]
    chance, highest, advanced = random.Random(kills), 1, 0
    with _changing(folder) as (orders, output):
        for _ in range(kills):
            _killed(orders, output, chance.randrange(MOST_CHANGES))
            store = Store(folder)
            with store.changing():  # the lock of the process that died is gone
                state = store.state
            assert state.active.archive in identities
            for version in (state.active, *state.previous):
                assert archive.encode(store.deployment(version))[-1].hex() == version.archive
            assert state.trial == ()
            assert state.highest >= highest
            advanced += state.highest > highest
            highest = state.highest
    assert advanced > kills // 3
    with store.changing():
        store.collect()
    objects = {path.name for path in (folder / "objects").iterdir()}
    assert {version.head for version in store.state.versions} <= objects
    assert not {name for name in objects if name.startswith("writing-")}
