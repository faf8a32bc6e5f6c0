"""The 3x3 layer shapes of ResNet8, and what a design needs for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LayerShape:
    """A 3x3 convolution that pads to keep its size (divided by the stride).

    Attributes:
        shift: of NNgen's rescaling; random data then fill int8 and hardly saturate.
    """

    name: str
    height: int
    width: int
    input_channels: int
    output_channels: int
    stride: int
    shift: int

    @property
    def products(self) -> int:
        """Multiplications, those with padding too."""
        pixels = self.height * self.width // self.stride**2
        return pixels * 9 * self.input_channels * self.output_channels

    def __str__(self) -> str:
        """Return the shape as people write it."""
        stride = f" /{self.stride}" if self.stride > 1 else ""
        return f"{self.height}x{self.width}x{self.input_channels}->{self.output_channels}{stride}"


LAYERS = (
    LayerShape("stem", 32, 32, 3, 16, 1, 16),
    LayerShape("stack1", 32, 32, 16, 16, 1, 16),
    LayerShape("down2", 32, 32, 16, 32, 2, 16),
    LayerShape("stack2", 16, 16, 32, 32, 1, 17),
    LayerShape("down3", 16, 16, 32, 64, 2, 17),
    LayerShape("stack3", 8, 8, 64, 64, 1, 17),
)


@dataclass(frozen=True)
class Figure:
    """What a design needs for a layer.

    Attributes:
        cycles: from the layer's start to its end.
        parameter_cycles: in which weights and tables are read, as `Side.parameters` says; the
            side's remark says whether they are within `cycles`.
    """

    cycles: int
    parameter_cycles: int


@dataclass(frozen=True)
class Side:
    """A design and its figures.

    Attributes:
        name: of the design.
        multipliers: those that make the products.
        figures: by the name of the layer.
        clock: where the cycles come from, as in `Measurement`.
        origin: the same in words.
        remark: what else is to be known.
        parameters: what `Figure.parameter_cycles` counts.
        goal: for the busy share of all layers in per cent, or None.
    """

    name: str
    multipliers: int
    figures: Mapping[str, Figure]
    clock: Literal["virtual", "rtl"]
    origin: str
    remark: str
    parameters: str = "parameters read in"
    goal: float | None = None
