"""Parameter blocks: requantisation tables and packed weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import Addition, MaximumPool
from fpga_rt.arithmetic.requantise import INT8_LOW, AdditionRule, Requantisation
from fpga_rt.contract.command import Operation
from fpga_rt.contract.table import CHANNEL_BYTES, HEADER_BYTES, Table
from fpga_rt.modules.layer import Layer


@dataclass(frozen=True)
class Parameters:
    """The parameter blocks of one command: weights apart from the requantisation table."""

    weights: bytes
    table: bytes


def make_table(layer: Layer) -> Table:
    """Return the requantisation table of a whole layer."""
    operation = layer.operation
    rule = operation.rule if isinstance(operation, Addition) else layer.addition
    if isinstance(operation, Addition):
        return _table(Requantisation(*_no_channels(), 0), _no_channels()[0], 0, rule)
    if isinstance(operation, MaximumPool):
        limits = Requantisation(*_no_channels(), 0, operation.low, operation.high)
        return _table(limits, _no_channels()[0], INT8_LOW, rule)
    pad_value = getattr(operation, "pad_value", 0)
    return _table(operation.requantisation, operation.bias, pad_value, rule)


def _no_channels() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return np.empty(0, np.int32), np.empty(0, np.int32)


def _table(
    rule: Requantisation, bias: NDArray[np.int32], pad_value: int, addition: AdditionRule | None
) -> Table:
    header = {
        "zero_point": rule.zero_point,
        "low": rule.low,
        "high": rule.high,
        "pre_shift": rule.pre_shift,
        "pad_value": pad_value,
    }
    if addition:
        header |= {
            "add_shift": addition.shift,
            "add_low": addition.low,
            "add_high": addition.high,
            "add_multiplier_a": addition.multiplier_a,
            "add_multiplier_b": addition.multiplier_b,
            "add_constant": addition.constant,
        }
    return Table(header, bias, rule.multiplier, rule.shift)


def table_bytes(fields: Mapping[str, int]) -> int:
    """Return the length of the table that a command reads: some operations have no channels."""
    whole = fields["operation"] in (Operation.ADDITION, Operation.MAXIMUM_POOL)
    return HEADER_BYTES + (0 if whole else CHANNEL_BYTES * fields["output_channels"])


def requantisation(table: Table) -> Requantisation:
    """Return the requantisation rule that a table holds."""
    header = table.header
    return Requantisation(
        table.multiplier,
        table.shift,
        header["zero_point"],
        header["low"],
        header["high"],
        header["pre_shift"],
    )


def addition_rule(table: Table) -> AdditionRule:
    """Return the addition rule in a table's header."""
    header = table.header
    return AdditionRule(
        header["add_multiplier_a"],
        header["add_multiplier_b"],
        header["add_shift"],
        header["add_constant"],
        header["add_low"],
        header["add_high"],
    )


def pack_weights(weights: NDArray[np.int8], bits: int) -> bytes:
    """Flatten weights to bytes; int4 goes two to a byte, the even one in the low half."""
    flat = np.ascontiguousarray(weights).reshape(-1)
    if bits == 8:
        return flat.tobytes()
    halves = flat.view(np.uint8) & 0x0F
    return (halves[0::2] | (halves[1::2] << 4)).astype(np.uint8).tobytes()


def unpack_weights(data: bytes, bits: int) -> NDArray[np.int8]:
    """Undo `pack_weights`."""
    if bits == 8:
        return np.frombuffer(data, np.int8)
    packed = np.frombuffer(data, np.uint8)
    halves = np.empty(2 * len(packed), np.int8)
    halves[0::2] = (packed << 4).view(np.int8) >> 4
    halves[1::2] = packed.view(np.int8) >> 4
    return halves
