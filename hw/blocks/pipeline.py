"""Registers in a row: what a pipeline without back-pressure is made of.

Registers of data have no reset, so that they fit into DSP48 and shift-register lookup tables; only
what says that data counts is reset.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value


def stage(m: Module, value: Value, name: str) -> Signal:
    """Return a register, without reset, that holds `value` of the clock before."""
    register = Signal(value.shape(), name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register


def delay(m: Module, value: Value, cycles: int, *, reset_less: bool = True) -> Value:
    """Return `value` of `cycles` clocks before, zero after a reset unless `reset_less`."""
    for index in range(cycles):
        register = Signal.like(value, name=f"delay{index}", reset_less=reset_less)
        m.d.sync += register.eq(value)
        value = register
    return value
