"""The two clocks of the static region from one clock of the processor.

Both come from one mixed-mode clock manager (MMCM), so the configuration port's clock follows the
compute clock at a fixed ratio: a processor that leaves its clock slower than planned makes
everything slower, and nothing fails.

Ref: 7 Series FPGAs Data Sheet DC and AC, Zynq-7000 (DS187), MMCM switching characteristics
Document: FVCO 600 to 1200 MHz, speed grade -1
Ref: Zynq UltraScale+ MPSoC Data Sheet (DS925), MMCM switching characteristics
Document: FVCO 800 to 1600 MHz
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth import ClockSignal, Instance, Module, Signal
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import Component, In

from fpga_rt.errors import ToolchainError

COMPUTE, CONFIGURATION = "sync", "icap"
_PS_PER_S = 10**12
_MOST_MULTIPLIED, _MOST_DIVIDED = 64, 128


@dataclass(frozen=True)
class Primitives:
    """The clocking primitives of a family, and the frequencies at which its MMCM oscillates."""

    mmcm: str
    input_buffer: str
    lowest_hz: int
    highest_hz: int


SERIES7 = Primitives("MMCME2_BASE", "BUFG", 600_000_000, 1_200_000_000)
ULTRASCALE_PLUS = Primitives("MMCME4_BASE", "BUFG_PS", 800_000_000, 1_600_000_000)


@dataclass(frozen=True)
class ClockPlan:
    """The factors of an MMCM: its input times `multiply`, divided for either clock."""

    input_ps: int
    multiply: int
    divide_compute: int
    divide_configuration: int

    @property
    def compute_ps(self) -> int:
        """Period of the compute clock."""
        return self.input_ps * self.divide_compute // self.multiply

    @property
    def configuration_ps(self) -> int:
        """Period of the configuration port's clock, rounded up."""
        return -(-self.input_ps * self.divide_configuration // self.multiply)


def plan_clocks(clock_ps: int, fastest_hz: int, primitives: Primitives) -> ClockPlan:
    """Return the factors by which the compute clock is the processor's and the port's the fastest.

    Args:
        clock_ps: period of the processor's clock, and of the compute clock.
        fastest_hz: what the configuration port takes at most.
        primitives: of the family.

    Raises:
        ToolchainError: no factor makes the MMCM oscillate where it may.
    """
    found = []
    for multiply in range(2, _MOST_MULTIPLIED + 1):
        oscillator_hz = multiply * _PS_PER_S / clock_ps
        divide = -(-multiply * _PS_PER_S // (clock_ps * fastest_hz))
        if (
            primitives.lowest_hz <= oscillator_hz <= primitives.highest_hz
            and divide <= _MOST_DIVIDED
        ):
            found.append((divide / multiply, multiply, divide))
    if not found:
        raise ToolchainError(
            f"no {primitives.mmcm} makes its clocks of {_PS_PER_S / clock_ps / 1e6:.1f} MHz:"
            f" expected a multiple between {primitives.lowest_hz // 10**6} and"
            f" {primitives.highest_hz // 10**6} MHz; choose another compute clock"
        )
    _, multiply, divide = min(found)
    return ClockPlan(clock_ps, multiply, multiply, divide)


class Clocking(Component):
    """Drives the domains `sync` and `icap`; both are in reset until the MMCM is locked.

    `source` is the processor's clock, `running` whether it lets the logic run.
    """

    def __init__(self, plan: ClockPlan, primitives: Primitives) -> None:
        """Make the clocks of a plan."""
        self._plan = plan
        self._primitives = primitives
        super().__init__({"source": In(1), "running": In(1)})

    def elaborate(self, platform: object) -> Module:
        """Instantiate MMCM and buffers, and a synchroniser for each reset."""
        m = Module()
        plan = self._plan
        buffered, feedback, locked = Signal(), Signal(), Signal()
        outputs = {name: Signal(name=f"{name}_unbuffered") for name in (COMPUTE, CONFIGURATION)}
        m.submodules.input_buffer = Instance(
            self._primitives.input_buffer, i_I=self.source, o_O=buffered
        )
        m.submodules.mmcm = Instance(
            self._primitives.mmcm,
            p_CLKIN1_PERIOD=plan.input_ps / 1000,
            p_CLKFBOUT_MULT_F=float(plan.multiply),
            p_DIVCLK_DIVIDE=1,
            p_CLKOUT0_DIVIDE_F=float(plan.divide_compute),
            p_CLKOUT1_DIVIDE=plan.divide_configuration,
            i_CLKIN1=buffered,
            i_CLKFBIN=feedback,
            i_PWRDWN=0,
            i_RST=0,
            o_CLKFBOUT=feedback,
            o_CLKOUT0=outputs[COMPUTE],
            o_CLKOUT1=outputs[CONFIGURATION],
            o_LOCKED=locked,
        )
        for name, unbuffered in outputs.items():
            m.submodules[f"{name}_buffer"] = Instance("BUFG", i_I=unbuffered, o_O=ClockSignal(name))
            m.submodules[f"{name}_reset"] = ResetSynchronizer(~(locked & self.running), domain=name)
        return m
