"""Random devices and frames for property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from fpga_rt.arch.devices import Device, Row
from fpga_rt.arch.families import (
    BRAM,
    CLB,
    DSP,
    INT,
    OTHER,
    SERIES7,
    ULTRASCALE,
    ULTRASCALE_PLUS,
    Family,
)
from fpga_rt.arch.resources import Resources
from fpga_rt.bitstream.read import Frames

_IDCODES = {SERIES7: 0x03727093, ULTRASCALE: 0x03822093, ULTRASCALE_PLUS: 0x04A42093}
FAMILIES = st.sampled_from([SERIES7, ULTRASCALE, ULTRASCALE_PLUS])


def _columns(family: Family) -> st.SearchStrategy[list[tuple[str, int]]]:
    """Return pairs of kind and frames, block RAM among them; on UltraScale with interconnect."""
    if family is SERIES7:
        kinds = st.sampled_from([(CLB, 36), (DSP, 28), (BRAM, 28), (OTHER, 3)])
        some = st.lists(kinds, min_size=1, max_size=3)
        return some.map(lambda drawn: [*drawn, (BRAM, 28), *[(OTHER, 5)] * (1 - len(drawn) % 2)])
    fabric = [(CLB, 16), (DSP, 8), (BRAM, 6), (OTHER, 2)]
    if family is ULTRASCALE:
        fabric = [(CLB, 12), (OTHER, 4)]
    interconnect = (INT, family.column_frames[INT])
    pairs = st.lists(st.sampled_from(fabric), min_size=1, max_size=2)
    return pairs.map(lambda drawn: [c for one in drawn for c in (one, interconnect, (BRAM, 6))])


@st.composite
def devices(draw: st.DrawFn, families: st.SearchStrategy[Family] = FAMILIES) -> Device:
    """Draw a small device of a family."""
    family = draw(families)
    columns = draw(_columns(family))
    top = draw(st.integers(1, 2))
    bottom = draw(st.integers(0, 1)) if family is SERIES7 else 0
    rows = [Row(f"Y{bottom + row}", row) for row in reversed(range(top))]
    return Device(
        name="made-up",
        family=family,
        idcode=_IDCODES[family],
        resources=Resources(),
        source="drawn at random",
        columns=tuple(kind for kind, _ in columns),
        column_frames=tuple(frames for _, frames in columns),
        rows=(*rows, *(Row("Y0", row, bottom=True) for row in range(bottom))),
    )


@st.composite
def contents(draw: st.DrawFn, device: Device, addresses: list[int]) -> Frames:
    """Draw contents for addresses: few different ones, so that some frames are equal."""
    seed, kinds = draw(st.integers(0, 1 << 32)), draw(st.integers(1, 40))
    generator = np.random.default_rng(seed)
    size = device.family.frame_words
    pool = generator.integers(0, 1 << 32, (kinds, size), dtype=np.uint32)
    pool[0] = 0
    words = pool[generator.integers(0, kinds, len(addresses))]
    return Frames(np.array(addresses, np.int64), words)
