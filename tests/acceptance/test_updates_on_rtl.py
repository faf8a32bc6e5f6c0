"""Updates while the real static region and modules compute."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth")
pytest.importorskip("cryptography")

from pathlib import Path

from benchmarks.update_campaign import Campaign, small_network
from fpga_rt import api
from fpga_rt.arch.boards import board
from fpga_rt.planner.compile import compile_network
from fpga_rt.update.ed25519 import PrivateKey
from fpga_rt.update.store import Store


@pytest.mark.parametrize("updates", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_updates_at_random_moments(tmp_path: Path, updates: int) -> None:
    """A sample; `python -m benchmarks.update_campaign --device rtl` runs 1,000."""
    network, key = small_network(), PrivateKey.generate()
    store = Store.install(
        tmp_path / "store", compile_network(network, board("pynq-z2"), 2), [key.public_key]
    )
    with api.open_device("rtl", "pynq-z2") as device:
        outcome = Campaign(device, store, key, network, updates).run(updates)
    assert outcome.updates == updates
    assert outcome.inferences > 5 * updates
    assert outcome.during > updates
    assert max(outcome.pauses_ps) <= 10**9  # 1 ms
