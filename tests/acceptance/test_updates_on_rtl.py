"""Updates while the real static region and modules compute."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.update_campaign import Campaign, small_network
from fpga_rt import api
from fpga_rt.arch.boards import board
from fpga_rt.planner.compile import compile_network
from fpga_rt.update.ed25519 import PrivateKey
from fpga_rt.update.store import Store
from sim.toolchain import obstacle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(obstacle() is not None, reason=str(obstacle())),
]
UPDATES = 200


def test_updates_at_random_moments(tmp_path: Path) -> None:
    """A sample; `python -m benchmarks.update_campaign --device rtl` runs 1,000."""
    network, key = small_network(), PrivateKey.generate()
    base = compile_network(network, board("pynq-z2"), 2)
    store = Store.install(tmp_path / "store", base, [key.public_key])
    with api.open_device("rtl", "pynq-z2") as device:
        outcome = Campaign(device, store, key, network, 1).run(UPDATES)
    assert outcome.updates == UPDATES
    assert outcome.inferences > 5 * UPDATES
    assert outcome.during > UPDATES
    assert max(outcome.pauses_ps) <= 10**9  # 1 ms
