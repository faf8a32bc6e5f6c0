"""Clock plans: what the MMCM is told."""

from __future__ import annotations

import pytest

from fpga_rt.errors import ToolchainError
from hw.platform.clocking import SERIES7, ULTRASCALE_PLUS, Primitives, plan_clocks


@pytest.mark.parametrize("primitives", [SERIES7, ULTRASCALE_PLUS])
@pytest.mark.parametrize("divisor", range(4, 41))
def test_plans_are_within_the_data_sheet(primitives: Primitives, divisor: int) -> None:
    """For every clock that a processor divides 1,000 MHz to, down to 25 MHz."""
    clock_ps = divisor * 1000
    plan = plan_clocks(clock_ps, 100_000_000, primitives)
    oscillator_hz = 1e12 / clock_ps * plan.multiply
    assert primitives.lowest_hz <= oscillator_hz <= primitives.highest_hz
    assert plan.compute_ps == clock_ps
    assert 1e12 / plan.configuration_ps <= 100e6
    assert max(plan.multiply, plan.divide_compute) <= 64  # CLKFBOUT_MULT_F, CLKOUT0_DIVIDE_F
    assert plan.divide_configuration <= 128


def test_the_port_gets_its_fastest_clock() -> None:
    plan = plan_clocks(7000, 100_000_000, SERIES7)
    assert (plan.multiply, plan.divide_compute, plan.divide_configuration) == (7, 7, 10)


def test_no_plan() -> None:
    with pytest.raises(ToolchainError) as error:
        plan_clocks(1_000_000, 100_000_000, SERIES7)
    assert str(error.value) == (
        "no MMCME2_BASE makes its clocks of 1.0 MHz: expected a multiple between 600 and 1200 MHz;"
        " choose another compute clock"
    )
