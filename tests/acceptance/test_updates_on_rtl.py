"""Updates while the real static region and modules compute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.update_campaign import Campaign, MixedError, Outcome, figures
from benchmarks.update_networks import BOARD, small_network
from fpga_rt import api
from fpga_rt.arch.boards import board
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.banks import Banks
from fpga_rt.update.ed25519 import PrivateKey
from fpga_rt.update.store import Store
from sim.toolchain import obstacle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(obstacle() is not None, reason=str(obstacle())),
]
UPDATES = 200


@pytest.fixture
def campaign(tmp_path: Path) -> Callable[[int], Outcome]:
    def run(updates: int) -> Outcome:
        network, key = small_network(), PrivateKey.generate()
        base = compile_network(network, board(BOARD), 2)
        store = Store.install(tmp_path / "store", base, [key.public_key])
        with api.open_device("rtl", BOARD) as device:
            return Campaign(device, store, key, network, 1).run(updates)

    return run


def test_updates_at_random_moments(campaign: Callable[[int], Outcome]) -> None:
    """A sample; `python -m benchmarks.update_campaign --device rtl` runs 1,000."""
    outcome = campaign(UPDATES)
    assert outcome.updates == UPDATES
    assert outcome.inferences > 5 * UPDATES
    assert outcome.during > UPDATES
    simulated = [one for one in figures(outcome, "rtl") if one.clock == "rtl"]
    assert not any(one.missed for one in simulated), "\n".join(map(str, simulated))


def test_a_bank_written_while_it_is_read(
    campaign: Callable[[int], Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules of the gateware read parameters while they compute."""
    monkeypatch.setattr(Banks, "_other", lambda self, kind, bank: getattr(bank, kind))
    with pytest.raises(MixedError, match=r"an answer of version \d+ is golden execution of"):
        campaign(40)
