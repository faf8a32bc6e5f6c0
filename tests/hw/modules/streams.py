"""Commands for elementwise modules as what crosses their boundary, and a bench that plays them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth.lib.wiring import Component
from amaranth.sim import Simulator
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import Addition, AveragePool, MaximumPool
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.contract.command import COMMAND, Operation
from fpga_rt.contract.table import Table

Codes = NDArray[np.int8]
READ_AHEAD = 4
_NONE = np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class Command:
    """A command as beats: what the module takes and what it gives."""

    descriptor: list[int]
    table: list[int]
    input: list[int]
    output: list[int]
    sizes: list[int]
    """Bytes that count in each beat of output."""


def beats(data: bytes) -> list[int]:
    """Cut bytes into beats, the last filled up with ones."""
    padded = data + b"\xff" * (-len(data) % 8)
    return [int.from_bytes(padded[at : at + 8], "little") for at in range(0, len(padded), 8)]


def row_pieces(row: Codes, whole: bool) -> list[bytes]:
    """Return the pieces of a row (W, C)."""
    return [row.tobytes()] if whole or len(row) == 1 else [pixel.tobytes() for pixel in row]


def make_command(
    operation: AveragePool | Addition | MaximumPool,
    tensors: list[Codes],
    pitches: tuple[int, int],
    changes: dict[str, int] | None = None,
) -> Command:
    """Return the command that computes an operation.

    Args:
        operation: with windows of one pixel.
        tensors: the operands, int8 (H, W, C).
        pitches: bytes between pixels beyond the channels, of the input and of the output.
        changes: fields of the descriptor to be other than they should.
    """
    height, width, channels = tensors[0].shape
    expected = operation.apply(*(tensor[None] for tensor in tensors))[0]
    table = table_of(operation)
    code = {
        AveragePool: Operation.AVERAGE_POOL,
        Addition: Operation.ADDITION,
        MaximumPool: Operation.MAXIMUM_POOL,
    }[type(operation)]
    fields = {
        "operation": code, "table_beats": len(table) // 8,
        "input_height": height, "input_width": width, "input_channels": channels,
        "output_height": height, "output_width": width, "output_channels": channels,
        "input_pixel_pitch": channels + pitches[0], "output_pixel_pitch": channels + pitches[1],
        "kernel_height": 1, "kernel_width": 1, "stride_y": 1, "stride_x": 1,
    }  # fmt: skip
    wholes = [pitches[0] == 0, pitches[1] == 0]
    given = [
        piece
        for y in range(height)
        for tensor, whole in zip(tensors, wholes, strict=False)
        for piece in row_pieces(tensor[y], whole)
    ]
    taken = [piece for row in expected for piece in row_pieces(row, wholes[1])]
    return Command(
        beats(COMMAND.encode({**fields, **(changes or {})})),
        beats(table),
        [beat for piece in given for beat in beats(piece)],
        [beat for piece in taken for beat in beats(piece)],
        [min(8, len(piece) - at) for piece in taken for at in range(0, len(piece), 8)],
    )


def table_of(operation: AveragePool | Addition | MaximumPool) -> bytes:
    """Return the table of an operation, every number where the contract has it."""
    if isinstance(operation, AveragePool):
        rule: Requantisation = operation.requantisation
        header = {"zero_point": rule.zero_point, "low": rule.low, "high": rule.high}
        header["pre_shift"] = rule.pre_shift
        return Table(header, operation.bias, rule.multiplier, rule.shift).encode()
    if isinstance(operation, MaximumPool):
        header = {"low": operation.low, "high": operation.high, "pad_value": -128}
        return Table(header, _NONE, _NONE, _NONE).encode()
    sums: AdditionRule = operation.rule
    header = {
        f"add_{name}": getattr(sums, name)
        for name in ("multiplier_a", "multiplier_b", "constant", "shift", "low", "high")
    }
    return Table(header, _NONE, _NONE, _NONE).encode()


@dataclass
class Log:
    """What happened, by clock."""

    starts: list[int] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    output: list[int] = field(default_factory=list)
    output_clocks: list[int] = field(default_factory=list)
    commands: list[int] = field(default_factory=list)
    parameters: list[int] = field(default_factory=list)
    error: int = 0


@dataclass
class Bench:
    """Plays commands to a module; every stream stalls with a probability of its own.

    Attributes:
        dut: the module.
        stalls: probability of a stalled clock for command, parameters, input, output.
        early: start a command before its table is in.
        paces: clocks that a reader loses before each beat of input, and a writer behind each beat
            of output; the reader begins with `start` and is at most `READ_AHEAD` beats ahead.
        seed: of the stalls.
        clocks: give up after this many.
    """

    dut: Component
    stalls: tuple[float, float, float, float] = (0, 0, 0, 0)
    early: bool = False
    paces: tuple[list[int], list[int]] | None = None
    seed: int = 0
    clocks: int = 4000
    log: Log = field(default_factory=Log)

    def play(self, commands: list[Command]) -> Log:
        """Play commands until all output has come, or for `clocks` if less comes."""
        sources = [
            ("command", [b for c in commands for b in c.descriptor], self.log.commands),
            ("parameters", [b for c in commands for b in c.table], self.log.parameters),
            ("input", [b for c in commands for b in c.input], self.log.inputs),
        ]
        simulator = Simulator(self.dut)
        simulator.add_clock(7e-9)
        for number, (name, words, log) in enumerate(sources):
            send = self._sender(name, words, log, number)
            if name == "input" and self.paces is not None:
                send = self._reader(words, self.paces[0])
            simulator.add_testbench(send, background=True)
        simulator.add_testbench(self._starter(commands), background=True)
        simulator.add_testbench(self._receiver(sum(len(c.output) for c in commands)))
        simulator.run()
        return self.log

    def _sender(self, name: str, words: list[int], log: list[int], number: int) -> Any:  # noqa: ANN401
        random = np.random.default_rng([self.seed, number])
        port, stall = getattr(self.dut, name), self.stalls[number]

        async def send(ctx: Any) -> None:  # noqa: ANN401
            clock = 0
            for word in words:
                while random.random() < stall:
                    await ctx.tick()
                    clock += 1
                ctx.set(port.payload, word)
                ctx.set(port.valid, 1)
                ready = 0
                while not ready:
                    *_, ready = await ctx.tick().sample(port.ready)
                    clock += 1
                log.append(clock - 1)
                ctx.set(port.valid, 0)

        return send

    def _reader(self, words: list[int], lost: list[int]) -> Any:  # noqa: ANN401
        port, taken = self.dut.input, self.log.inputs

        async def read(ctx: Any) -> None:  # noqa: ANN401
            await ctx.tick().until(self.dut.start)
            await ctx.tick()
            clock = read = self.log.starts[0] + 2
            for number, (word, before) in enumerate(zip(words, lost, strict=True)):
                free = taken[number - READ_AHEAD] + 1 if number >= READ_AHEAD else 0
                read = max(read, free) + before
                await ctx.tick().repeat(max(0, read - clock)) if read > clock else None
                clock = max(clock, read)
                ctx.set(port.payload, word)
                ctx.set(port.valid, 1)
                ready = 0
                while not ready:
                    *_, ready = await ctx.tick().sample(port.ready)
                    clock += 1
                taken.append(clock - 1)
                ctx.set(port.valid, 0)
                read += 1

        return read

    def _starter(self, commands: list[Command]) -> Any:  # noqa: ANN401
        async def start(ctx: Any) -> None:  # noqa: ANN401
            clock = output = table = 0
            for command in commands:
                table += len(command.table)
                while len(self.log.output) < output or (
                    len(self.log.parameters) < table and not self.early
                ):
                    await ctx.tick()
                    clock += 1
                ctx.set(self.dut.start, 1)
                self.log.starts.append(clock)
                await ctx.tick()
                clock += 1
                ctx.set(self.dut.start, 0)
                output += len(command.output)

        return start

    def _receiver(self, count: int) -> Any:  # noqa: ANN401
        random = np.random.default_rng([self.seed, 3])
        port = self.dut.output

        async def receive(ctx: Any) -> None:  # noqa: ANN401
            held, lost = None, 0
            for clock in range(self.clocks):
                ready = int(random.random() >= self.stalls[3] and not lost)
                lost = max(0, lost - 1)
                ctx.set(port.ready, ready)
                *_, valid, data, error = await ctx.tick().sample(
                    port.valid, port.payload, self.dut.error
                )
                self.log.error |= error
                if held is not None:
                    assert (valid, data) == (1, held), "an offered beat changed"
                held = data if valid and not ready else None
                if valid and ready:
                    self.log.output.append(data)
                    self.log.output_clocks.append(clock)
                    lost = self.paces[1][len(self.log.output) - 1] if self.paces else 0
                if len(self.log.output) == count and not error:
                    return

        return receive
