"""The network between: hand-computed."""

from __future__ import annotations

import re

import pytest

from fpga_rt.study.path import Path, reach_km
from fpga_rt.study.presets import PRESETS

PATH = Path(distance_km=1000, hops=3, hop_us=20, link_mbps=100)


def test_light_takes_what_glass_lets_it() -> None:
    index, light_km_per_s = 1.468, 299_792.458
    assert PATH.fibre_ps == pytest.approx(2 * 1000 * index / light_km_per_s * 1e12, rel=1e-3)


def test_hops_store_a_frame_and_links_send_everything() -> None:
    # 3,000 bytes there: 240 us on 100 Mb/s, a frame of 1,500 bytes 120 us; 10 bytes back: 0.8 us.
    assert PATH.transfer_ps(3000, 10) == 240_800_000
    assert PATH.hops_ps(3000, 10) == 482_400_000  # 3 of 2 * 20 + 120 + 0.8 us


def test_the_reach_of_a_fibres_time_is_its_length() -> None:
    assert reach_km(PATH.fibre_ps) == 1000


def test_a_wire_takes_no_time() -> None:
    assert Path(0, 0, 0, 1e12).fibre_ps == Path(0, 0, 0, 1e12).hops_ps(100, 100) == 0


def test_presets_are_in_order() -> None:
    voice = [preset.limit_ms for name, preset in PRESETS.items() if name.startswith("voice")]
    assert voice == [200, 500, 800]
    assert all(preset.limit_origin in {"document", "assumed"} for preset in PRESETS.values())


def test_a_limit_of_a_document_names_it() -> None:
    told = [preset.basis for preset in PRESETS.values() if preset.limit_origin == "document"]
    assert told
    assert all(re.search(r"\d{4}$", basis) for basis in told)  # ends with the year
