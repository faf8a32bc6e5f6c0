"""The interface of a reconfigurable module's host half."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.resources import Resources
from fpga_rt.contract.command import COMMAND, STREAM_BYTES, CommandFlag, Operation
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.modules.geometry import Fields, Ports, ceil_divide, describe
from fpga_rt.modules.layer import Layer, Operands, Tile
from fpga_rt.modules.parameters import Parameters, make_table, table_bytes
from fpga_rt.modules.synthesis import synthesised


class OperandMemory(Protocol):
    """Device memory as a command sees it, for one or more iterations at a time."""

    def read(self, fields: Fields, name: str) -> NDArray[np.int8]:
        """Return the tensor `input` or `residual` of a command, int8 (iterations, H, W, C)."""

    def write(self, fields: Fields, codes: NDArray[np.int8]) -> None:
        """Store the command's output, int8 (iterations, H, W, C)."""

    def block(self, address: int, size_bytes: int) -> bytes:
        """Return a parameter block."""


class Module(ABC):
    """A module of certain lanes: what it computes, needs and costs.

    Attributes:
        family: name of the module without its lanes, as in the folder of its RTL.
        lanes: its parallelism, in the order the family documents.
        streams_weights: its weights are used as they come, not kept in a memory.
    """

    family: str
    lanes: tuple[int, ...]
    streams_weights: bool = False

    @property
    def name(self) -> str:
        """Family and lanes, for example `convolution_8x16`."""
        return f"{self.family}_{'x'.join(map(str, self.lanes))}"

    @property
    def multipliers(self) -> int:
        """Products of an activation and a weight that it makes in a clock, at most."""
        return 0

    @cached_property
    def resources(self) -> Resources:
        """What it takes of the fabric, as synthesised; a module from elsewhere sets its own."""
        return synthesised(self.name)

    @cached_property
    def module_id(self) -> int:
        """64-bit identity: digest of name and command layout; the running module answers it.

        It covers neither the module's RTL nor its parameters: two builds of a module are told apart
        by the digest of their bitstreams, which manifests and `Staged` carry.
        """
        fields = ",".join(f"{f.name}:{f.word}.{f.low}+{f.width}" for f in COMMAND.fields)
        digest = hashlib.sha256(f"{self.name};{fields}".encode()).digest()
        return int.from_bytes(digest[:8], "big")

    @abstractmethod
    def refusal(self, layer: Layer) -> str | None:
        """Return why the module cannot compute a layer, None when it can."""

    @abstractmethod
    def tiles(self, layer: Layer) -> tuple[Tile, ...]:
        """Cut a layer that is not refused into tiles that fit the module's memories."""

    @abstractmethod
    def operation(self, layer: Layer) -> Operation:
        """Return the operation code for a layer."""

    @abstractmethod
    def pack(self, layer: Layer, tile: Tile) -> bytes:
        """Return the packed weights of a tile, empty when the layer has none."""

    @abstractmethod
    def weights_bytes(self, fields: Fields) -> int:
        """Return the length of the packed weights that a command takes."""

    @abstractmethod
    def cost(self, fields: Fields, ports: Ports) -> CommandCost:
        """Return the exact cycles of a command (its waits are the caller's to add)."""

    @abstractmethod
    def execute(self, fields: Fields, memory: OperandMemory) -> None:
        """Do what the command says, byte for byte as the RTL does.

        Raises:
            ExecutionError: the module lacks the operation, or an address is outside the memory.
        """

    def per_channel(self, layer: Layer) -> bool:
        """Tell whether an output channel reads only the input channel of its number."""
        return self.operation(layer) not in (Operation.CONVOLUTION, Operation.DENSE)

    def parameters(self, layer: Layer, tile: Tile) -> Parameters:
        """Return the parameter blocks of a tile."""
        table = make_table(layer).channels(*tile.channels)
        return Parameters(self.pack(layer, tile), table.encode())

    def command(self, layer: Layer, tile: Tile, operands: Operands) -> dict[str, int]:
        """Return the descriptor's fields for a tile; ring position and waits are zero."""
        flags = CommandFlag.NONE
        if layer.addition is not None:
            flags |= CommandFlag.FUSED_ADDITION
        if getattr(layer.operation, "weight_bits", 8) == 4:
            flags |= CommandFlag.WEIGHTS_INT4
        if self.streams_weights:
            flags |= CommandFlag.STREAMED_WEIGHTS
        fields = describe(layer, tile, operands, self.per_channel(layer))
        fields |= {"operation": int(self.operation(layer)), "flags": int(flags)}
        return fields | {
            "table_beats": ceil_divide(table_bytes(fields), STREAM_BYTES),
            "weights_beats": ceil_divide(self.weights_bytes(fields), STREAM_BYTES),
        }
