"""Tests of designs that are reconfigured while they run: a library for cocotb.

    ConfigurationPort     sends streams to the port model, reads it back, reports every load
    module_switch         all modules of a partition behind a switch, unknown while they are swapped
    registers_of, forget  what registers hold after a load: nothing known
    TransitionCoverage    which modules were loaded where, and after which
    CORRUPTIONS           ways to break a stream, and what each has to lead to

See docs/how-to/test-a-reconfigurable-design.md. Only `ConfigurationPort` and `forget` need cocotb.
"""

from fpga_rt.contract.boundary import Direction, Wire
from sim.reconfiguration.corruption import CORRUPTIONS, Corruption, Effect, words_of
from sim.reconfiguration.coverage import TransitionCoverage
from sim.reconfiguration.registers import forget, registers_of
from sim.reconfiguration.switch import module_switch

__all__ = [
    "CORRUPTIONS",
    "Corruption",
    "Direction",
    "Effect",
    "TransitionCoverage",
    "Wire",
    "forget",
    "module_switch",
    "registers_of",
    "words_of",
]
