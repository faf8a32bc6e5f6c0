"""What partial streams may write, against the numbers of the guides (UG470, UG570)."""

from __future__ import annotations

import pytest

from fpga_rt.arch.families import SERIES7, ULTRASCALE, ULTRASCALE_PLUS, Family
from fpga_rt.arch.rules import rules_of

COMMANDS = {0, 1, 2, 5, 7, 10, 11, 13}
"""NULL, WCFG, MFW, START, RCRC, GRESTORE, SHUTDOWN, DESYNC."""
REGISTERS = {0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x0A, 0x0C, 0x18}
"""CRC, FAR, FDRI, CMD, CTL0, MASK, MFWR, IDCODE, CTL1."""


def test_a_partial_of_the_7_series_writes_no_more_than_it_needs() -> None:
    rules = rules_of(SERIES7, full=False)
    assert set(rules.commands) == COMMANDS
    assert set(rules.registers) == REGISTERS
    assert rules.control == (0x500, 0x1000)


@pytest.mark.parametrize("family", [ULTRASCALE, ULTRASCALE_PLUS], ids=lambda f: f.name)
def test_partials_of_ultrascale_also_set_start_up_options_and_hold_clocks(family: Family) -> None:
    rules = rules_of(family, full=False)
    assert set(rules.commands) == COMMANDS | {3, 6, 8}  # LFRM, RCAP, AGHIGH
    assert set(rules.registers) == REGISTERS | {0x09}  # COR0
    assert rules.control == (0x500, 0x21000)
    assert (0x09, 0x38003FE5, 0) in rules.options
