"""What the gateware refuses is what the host refuses, and its products are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from fpga_rt.arithmetic.operations import AveragePool
from fpga_rt.arithmetic.requantise import SHIFTS, Requantisation
from fpga_rt.contract.command import COMMAND, CommandFlag, Operation
from fpga_rt.contract.table import Table
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.convolution import ConvolutionModule
from fpga_rt.modules.geometry import Fields
from hw.modules.convolution.operator import Convolution
from hw.modules.depthwise.operator import Depthwise
from hw.modules.pooling.operator import Pooling
from hw.modules.window.decoder import Decoder
from hw.modules.window.operator import Operator
from tests.hw.modules.window_streams import layer_of

MOST_CLOCKS = 36
"""From a descriptor to its work, however large its numbers are, if it can be computed."""
USUAL_CLOCKS = 32
"""With numbers as layers have them: less than the shortest parameters take to come."""


class Memory:
    """Operands that are all zero, and the weights of an average."""

    def __init__(self, module: ConvolutionModule) -> None:
        """Pack the weights of an average."""
        nothing = np.zeros(1, np.int32)
        rule = Requantisation(nothing, nothing + SHIFTS[0], 0)
        layer = layer_of(AveragePool((1, 1), nothing, rule), (1, 1, 1))
        (tile,) = module.tiles(layer)
        self._weights = module.pack(layer, tile)

    def read(self, fields: Fields, name: str) -> Any:  # noqa: ANN401
        """Return zeros."""
        side = "input" if name == "input" else "output"
        sizes = (fields[f"{side}_{n}"] for n in ("height", "width", "channels"))
        return np.zeros((1, *sizes), np.int8)

    def write(self, fields: Fields, codes: Any) -> None:  # noqa: ANN401
        """Forget the output."""

    def block(self, address: int, size_bytes: int) -> bytes:
        """Return a table of zeros, or zeros."""
        channels = (size_bytes - 32) // 8
        if address:
            zeros = np.zeros(channels, np.int32)
            return Table({}, zeros, zeros, zeros + 20).encode()
        identity = size_bytes == len(self._weights)
        return self._weights if identity else bytes(size_bytes)


def refused(module: ConvolutionModule, fields: Fields) -> bool:
    """Tell whether the host half refuses a descriptor."""
    try:
        module.execute(fields, Memory(module))
    except ExecutionError:
        return True
    return False


def random_fields(random: np.random.Generator, module: ConvolutionModule) -> dict[str, int]:
    """Return a descriptor of which at most one or two things are wrong."""
    kernel, stride = random.integers(1, 6, 2), random.integers(1, 4, 2)
    channels = int(random.choice([1, 2, 3, 5, 8, 17, 40]))
    fields = {
        "operation": int(random.choice([1, 1, 1, 2, 4])),
        "table": 1,
        "flags": int(random.choice([0, CommandFlag.WEIGHTS_INT4])),
        "input_height": int(random.integers(1, 30)),
        "input_width": int(random.integers(1, 60)),
        "input_channels": channels,
        "output_height": int(random.integers(1, 20)),
        "output_width": int(random.integers(1, 70)),
        "output_channels": int(random.choice([1, 7, 16, 33])),
        "kernel_height": int(kernel[0]),
        "kernel_width": int(kernel[1]),
        "stride_y": int(stride[0]),
        "stride_x": int(stride[1]),
        "pad_top": int(random.integers(0, kernel[0])),
        "pad_left": int(random.integers(0, kernel[1])),
    }
    if fields["operation"] == Operation.AVERAGE_POOL:
        fields["flags"] *= int(random.random() < 0.2)
        fields["output_channels"] = channels
    for axis, pad, along in (("height", "pad_top", "y"), ("width", "pad_left", "x")):
        windows = (fields[f"input_{axis}"] + fields[pad] - 1) // fields[f"stride_{along}"] + 1
        fields[f"output_{axis}"] = max(1, windows - int(random.integers(0, 3)))
    wrong = random.choice(["none"] * 9 + [*fields, "pitch", "pitch"])
    if wrong in fields and wrong not in ("table", "operation"):
        fields[wrong] = int(random.choice([0, 1, 2, 9, 60, 255]))
    gap = int(wrong == "pitch")
    for side in ("input", "output"):
        fields[f"{side}_pixel_pitch"] = fields[f"{side}_channels"] + gap
    encoded = COMMAND.decode(COMMAND.encode(fields))
    beats = 4 + encoded["output_channels"]
    try:
        weights = module.weights_bytes(encoded) // 8
    except ZeroDivisionError:
        weights = 0
    encoded |= {"table_beats": beats % 1024, "weights_beats": weights % (1 << 22)}
    if random.random() < 0.1:
        encoded[str(random.choice(["table_beats", "weights_beats"]))] += 1
    return encoded


def decode(
    operator: Operator, descriptors: list[dict[str, int]]
) -> list[tuple[int, dict[str, int]]]:
    """Return for each descriptor the clocks that decoding takes, and the work."""
    Fragment.get(operator, None)  # Amaranth wants whatever was made to be used
    dut = Decoder(operator)
    found: list[tuple[int, dict[str, int]]] = []
    names = "refused row start pixel column row_beats ring result_beats groups depth".split()

    async def bench(ctx: Any) -> None:  # noqa: ANN401
        for fields in descriptors:
            raw = int.from_bytes(COMMAND.encode(fields), "little")
            ctx.set(dut.descriptor.as_value(), raw)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            await ctx.tick()
            clocks = 2
            while not ctx.get(dut.done):
                await ctx.tick()
                clocks += 1
            await ctx.tick()
            found.append((clocks, {name: ctx.get(getattr(dut.work, name)) for name in names}))

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("lanes", [(2, 2), (4, 8), (16, 8)])
def test_refuses_what_the_host_refuses(lanes: tuple[int, int]) -> None:
    random = np.random.default_rng(lanes)
    module = ConvolutionModule(*lanes)
    descriptors = [random_fields(random, module) for _ in range(80)]
    expected = [refused(module, fields) for fields in descriptors]
    assert 15 < sum(expected) < 65
    for fields, wrong, (clocks, work) in zip(
        descriptors, expected, decode(Convolution(*lanes), descriptors), strict=True
    ):
        assert work["refused"] == wrong, fields
        assert wrong or clocks <= USUAL_CLOCKS, fields


def test_sizes_of_a_window() -> None:
    """20 channels of a tensor with 24 lie in 3 beats each; 8 outputs in pieces of one."""
    fields = {
        "operation": Operation.CONVOLUTION, "input_height": 9, "input_width": 11,
        "input_channels": 20, "input_pixel_pitch": 24, "output_height": 4, "output_width": 5,
        "output_channels": 8, "output_pixel_pitch": 24, "kernel_height": 3, "kernel_width": 3,
        "stride_y": 2, "stride_x": 2, "pad_left": 1, "table_beats": 12, "weights_beats": 27 * 2 * 4,
    }  # fmt: skip
    (clocks, work), *_ = decode(Convolution(4, 8), [COMMAND.decode(COMMAND.encode(fields))])
    assert clocks <= USUAL_CLOCKS
    assert work == {
        "refused": 0, "row": 11 * 24, "start": (1 << 24) - 24, "pixel": 48, "column": 24,
        "row_beats": 33, "ring": 5 * 33, "result_beats": 5, "groups": 2, "depth": 3,
    }  # fmt: skip


WIDE = {"kernel_height": 255, "kernel_width": 255, "pad_top": 254, "pad_left": 254}
FAR = {"stride_y": 255, "stride_x": 255}
LARGE: list[tuple[type[Operator], tuple[int, ...], dict[str, int]]] = [
    (Pooling, (8,), {**WIDE, **FAR, "input_height": 300, "input_width": 8}),
    (Pooling, (2,), {**WIDE, **FAR, "input_height": 65535, "input_width": 8, "output_height": 257}),
    (Pooling, (2,), {"input_width": 16384, "output_width": 2048, "stride_x": 8}),
    (Depthwise, (8,), {**FAR, "kernel_height": 16, "kernel_width": 16, "pad_left": 15}),
    (Convolution, (4, 8), {**FAR, "kernel_width": 255, "pad_left": 254, "input_width": 512}),
    (Convolution, (2, 2), {**FAR, "kernel_height": 255, "pad_top": 254, "flags": 2}),
]


@pytest.mark.parametrize(("kind", "lanes", "changes"), LARGE)
def test_the_largest_numbers_take_a_few_clocks_more(
    kind: type[Operator], lanes: tuple[int, ...], changes: dict[str, int]
) -> None:
    """None of them makes the descriptor one that cannot be computed."""
    operator = kind(*lanes)
    offer = next(iter(operator.offers))
    fields = {
        "operation": offer, "input_height": 1, "input_width": 1, "output_height": 1,
        "output_width": 1, "kernel_height": 1, "kernel_width": 1, "stride_y": 1, "stride_x": 1,
        "input_channels": 1, "input_pixel_pitch": 1, "output_channels": 1,
        "output_pixel_pitch": 1, "table_beats": 5,
    }  # fmt: skip
    fields |= changes
    steps = fields["kernel_height"] * fields["kernel_width"]
    if isinstance(operator, Convolution):
        fold = min(fields["kernel_width"], operator.lanes)
        steps = fields["kernel_height"] * -(-fields["kernel_width"] // fold)
    words = -(-steps // (2 if fields.get("flags") else 1))
    fields["weights_beats"] = words * operator.word_beats
    ((clocks, work),) = decode(operator, [COMMAND.decode(COMMAND.encode(fields))])
    assert not work["refused"]
    assert clocks <= MOST_CLOCKS
