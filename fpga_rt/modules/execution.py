"""What a command computes: descriptor and bytes in, operation of `arithmetic` out.

Every module executes through here, so a command means the same on each that offers it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.accumulate import Padding
from fpga_rt.arithmetic.operations import (
    Addition,
    AveragePool,
    Convolution,
    DepthwiseConvolution,
    MaximumPool,
)
from fpga_rt.arithmetic.requantise import (
    ACCUMULATOR_BITS,
    INT8_LOW,
    PRE_SHIFT_BITS,
    Requantisation,
)
from fpga_rt.contract.command import STREAM_BYTES, Operation
from fpga_rt.contract.table import Table
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.geometry import Fields, ceil_divide, is_fused
from fpga_rt.modules.module import OperandMemory
from fpga_rt.modules.parameters import addition_rule, requantisation, table_bytes

Codes = NDArray[np.int8]
Unpack = Callable[[bytes, tuple[tuple[str, int], ...]], NDArray[np.int8]]
"""Packed weights and descriptor to weights, (OC, KH, KW, IC) or (KH, KW, C)."""


def execute(
    fields: Fields, memory: OperandMemory, weights_bytes: int, unpack: Unpack | None
) -> None:
    """Run one command.

    Args:
        fields: the decoded descriptor.
        memory: where its operands lie.
        weights_bytes: length of its packed weights.
        unpack: the module's inverse of `Module.pack`.

    Raises:
        ExecutionError: unknown operation, parameter blocks of another size than the shape needs, a
            shape no window fits, a table that shifts too far, or an address outside memory.
    """
    table_size = table_bytes(fields)
    _require_beats(fields, "table", table_size)
    _require_beats(fields, "weights", weights_bytes)
    table = memory.block(fields["table"], table_size)
    packed = memory.block(fields["weights"], weights_bytes) if weights_bytes else b""
    key = tuple(sorted((k, v) for k, v in fields.items() if k in _SHAPING))
    main, rule = _operation(key, packed, table, unpack)
    codes = memory.read(fields, "input")
    if isinstance(main, Addition):
        memory.write(fields, main.apply(codes, memory.read(fields, "residual")))
        return
    result = main.apply(_crop(fields, codes))
    if is_fused(fields):
        result = rule.rule.apply(result, memory.read(fields, "residual"))
    memory.write(fields, result)


_SHAPING = frozenset(
    "operation flags kernel_height kernel_width stride_y stride_x pad_top pad_left input_height"
    " input_width input_channels output_height output_width output_channels".split()
)


def _overhang(fields: Fields) -> tuple[int, int]:
    """Rows and columns that the last window reaches past the input (negative: unused ones)."""
    rows = (fields["output_height"] - 1) * fields["stride_y"] + fields["kernel_height"]
    columns = (fields["output_width"] - 1) * fields["stride_x"] + fields["kernel_width"]
    return (
        rows - fields["pad_top"] - fields["input_height"],
        columns - fields["pad_left"] - fields["input_width"],
    )


def _crop(fields: Fields, codes: Codes) -> Codes:
    below, right = _overhang(fields)
    rows = fields["input_height"] + min(below, 0)
    columns = fields["input_width"] + min(right, 0)
    return codes[:, :rows, :columns]


@lru_cache(maxsize=256)
def _operation(
    key: tuple[tuple[str, int], ...], packed: bytes, table_data: bytes, unpack: Unpack | None
) -> tuple[Convolution | DepthwiseConvolution | AveragePool | MaximumPool | Addition, Addition]:
    """Decode parameters once for as long as descriptor and bytes stay the same."""
    fields = dict(key)
    table = Table.decode(table_data)
    if table.header["pre_shift"] >> PRE_SHIFT_BITS:
        raise ExecutionError(
            f"its table has pre_shift {table.header['pre_shift']}, expected at most"
            f" {(1 << PRE_SHIFT_BITS) - 1}; its parameters were overwritten, or the command points"
            " elsewhere"
        )
    rule = Addition(addition_rule(table))
    kernel = (fields["kernel_height"], fields["kernel_width"])
    stride = (fields["stride_y"], fields["stride_x"])
    below, right = (max(0, n) for n in _overhang(fields))
    padding: Padding = (fields["pad_top"], below, fields["pad_left"], right)
    pad_value = table.header["pad_value"]
    operation = fields["operation"]
    if operation == Operation.ADDITION:
        return rule, rule
    if operation == Operation.MAXIMUM_POOL:
        limits = (table.header["low"], table.header["high"])
        if pad_value != INT8_LOW:
            raise ExecutionError(f"maximum pool pads with {pad_value}, expected {INT8_LOW}")
        return MaximumPool(kernel, stride, padding, *limits), rule
    scale = requantisation(table)
    if operation == Operation.AVERAGE_POOL:
        average = AveragePool(kernel, table.bias, scale, stride, padding, pad_value)
        return _kept(average), rule
    if unpack is None:
        raise ExecutionError(f"operation {operation}: the loaded module has no weights")
    weights = unpack(packed, key)
    if operation == Operation.DEPTHWISE:
        depthwise = DepthwiseConvolution(weights, table.bias, scale, stride, padding, pad_value)
        return _kept(depthwise), rule
    return _kept(Convolution(weights, table.bias, scale, stride, padding, pad_value)), rule


class _Truncated(Requantisation):
    """The rule on accumulators of which the gateware keeps the lower bits only."""

    def apply(
        self, accumulator: NDArray[np.floating], bias: NDArray[np.int32] | None = None
    ) -> Codes:
        """Requantise what is left of integers held in floats; see `Requantisation.apply`."""
        shifted = accumulator.astype(np.float64) + (0 if bias is None else bias)
        shifted = np.floor(np.ldexp(shifted, -self.pre_shift))
        half = 1 << ACCUMULATOR_BITS
        plain = Requantisation(self.multiplier, self.shift, self.zero_point, self.low, self.high)
        return plain.apply((shifted + half) % (2 * half) - half)


_Scaled = TypeVar("_Scaled", Convolution, DepthwiseConvolution, AveragePool)


def _kept(operation: _Scaled) -> _Scaled:
    """Return an operation that computes with what the gateware keeps of its accumulators.

    Layers of a network shift them such that it is everything; a table may be another's.
    """
    rule = operation.requantisation
    if operation.bound >> (ACCUMULATOR_BITS + rule.pre_shift) == 0:
        return operation
    truncated = _Truncated(
        rule.multiplier, rule.shift, rule.zero_point, rule.low, rule.high, rule.pre_shift
    )
    return replace(operation, requantisation=truncated)


def _require_beats(fields: Fields, name: str, size_bytes: int) -> None:
    expected = ceil_divide(size_bytes, STREAM_BYTES)
    if fields[f"{name}_beats"] != expected:
        raise ExecutionError(
            f"its {name} has {fields[f'{name}_beats']} beats, the shape needs {expected};"
            " the program is corrupt or was compiled for another module"
        )


def require(fields: Fields, offered: frozenset[Operation], module: str) -> None:
    """Refuse an operation that a module lacks.

    Raises:
        ExecutionError: the operation is not in `offered`.
    """
    if fields["operation"] not in offered:
        names = ", ".join(sorted(o.name.lower() for o in offered))
        raise ExecutionError(
            f"module {module} got operation {fields['operation']}, expected one of {names};"
            " the program was compiled for another module"
        )
