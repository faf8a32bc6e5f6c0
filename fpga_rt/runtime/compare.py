"""Compare every layer that a device computes with golden execution, value by value.

The deployment runs with its tensors apart (see `planner.apart`), so that the output of every layer
is still there when a request has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.deployment.model import Deployment, Step
from fpga_rt.errors import DifferenceError, PlanningError
from fpga_rt.network import golden
from fpga_rt.planner.apart import Apart, tensors_apart
from fpga_rt.planner.assignment import tiles_of
from fpga_rt.planner.binding import DRAM_IMAGES
from fpga_rt.planner.layers import PlannedLayer
from fpga_rt.planner.timelines import module_of
from fpga_rt.runtime.model import LoadedModel
from fpga_rt.runtime.runtime import Request, Runtime

Codes = NDArray[np.int8]
Pixel = tuple[int, int, int]
"""Row, column, channel."""


@dataclass(frozen=True)
class Comparison:
    """What was compared and found equal."""

    layers: int
    images: int
    values: int


@dataclass(frozen=True)
class Difference:
    """The first value that differs, and what should have computed it.

    Attributes:
        layer: names of its nodes, joined by `+`.
        number: of the layer, from 1.
        operation: as in commands.
        image: of the run, from 0.
        row: of the layer's output, from 0.
        column: the same.
        channel: the same.
        got: the device's value.
        expected: that of golden execution.
        module: that should have written it.
        partition: where the module was.
        launch: index.
        command: index in the launch's ring of the partition.
        values: of the layer in the images that ran together.
        wrong_values: those of them that differ.
        overwritten: the layers that read this one are right, so it may have been right when they
            read it.
    """

    layer: str
    number: int
    operation: str
    image: int
    row: int
    column: int
    channel: int
    got: int
    expected: int
    module: str
    partition: str
    launch: int
    command: int
    values: int
    wrong_values: int
    overwritten: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain data for `json.dumps`."""
        return asdict(self)

    def __str__(self) -> str:
        """Say where and what in a sentence."""
        hint = "; the layers that read it are right, so look for what overwrote it later"
        return (
            f"layer {self.layer} ({self.operation}, number {self.number}) differs at image"
            f" {self.image}, row {self.row}, column {self.column}, channel {self.channel}: got"
            f" {self.got}, expected {self.expected}; computed by {self.module} in partition"
            f" {self.partition}, launch {self.launch}, command {self.command};"
            f" {self.wrong_values:,} of {self.values:,} values of the layer differ, every layer"
            f" before it is equal{hint if self.overwritten else ''}"
        )


class LayerDifferenceError(DifferenceError):
    """A layer differs from golden execution; `difference` says where."""

    def __init__(self, where: str, difference: Difference) -> None:
        """Keep the difference."""
        super().__init__(
            f"{where}: {difference}; fpga-rt inspect lists the steps, and on rtl --waves writes"
            " what the module saw"
        )
        self.difference = difference


def compare_layers(
    runtime: Runtime,
    deployment: Deployment,
    codes: Codes,
    batch: int = 1,
) -> Comparison:
    """Run input codes (N, H, W, C) and compare the output of every layer with golden execution.

    Args:
        runtime: on an open device.
        deployment: what to run.
        codes: of the images.
        batch: images of a request, see `compared_batch`.

    Raises:
        LayerDifferenceError: the first layer of the first request that differs.
        PlanningError: the deployment's addresses are unknown, or a module is not installed.
        FpgaRtError: the device, a swap or a program failed.
    """
    apart = tensors_apart(deployment)
    model = runtime.load(apart.deployment)
    batch = compared_batch(deployment, batch)
    values = 0
    for first in range(0, len(codes), batch):
        images = codes[first : first + batch]
        runtime.trace([Request(model, images)])
        expected = golden.run_all(deployment.network, images)
        got = _tensors(apart, model, len(images))
        for index in range(len(apart.layers)):
            difference = _difference(runtime, apart, index, got, expected)
            if difference is not None:
                device = runtime.device.capabilities.device
                found = replace(difference, image=first + difference.image)
                raise LayerDifferenceError(f"{deployment.network.name} on {device}", found)
        values += sum(tensor.size for tensor in got.values())
    return Comparison(len(apart.layers), len(codes), values)


def compared_batch(deployment: Deployment, batch: int) -> int:
    """Return how many images of a request can be compared: feature maps of so many are kept."""
    return batch if len(deployment.launches) > 1 else min(batch, DRAM_IMAGES)


def compare_outputs(network: str, got: Codes, expected: Codes) -> None:
    """Refuse outputs that differ although every layer, its tensors apart, was equal.

    Raises:
        DifferenceError: with the first of the values that differ.
    """
    wrong = np.argwhere(got != expected)
    if not len(wrong):
        return
    at = tuple(int(i) for i in wrong[0])
    raise DifferenceError(
        f"output of {network} differs at image {at[0]}, row {at[1]}, column {at[2]}, channel"
        f" {at[3]}: got {got[at]}, expected {expected[at]}, although every layer is equal when each"
        " tensor has memory of its own in DRAM; look at feature memory on chip, at tensors that"
        " share memory, and at what runs ahead"
    )


def _tensors(apart: Apart, model: LoadedModel, images: int) -> dict[str, Codes]:
    """Return the output of every layer by the name of its tensor, (N, H, W, C)."""
    found = {}
    for item in apart.layers:
        extent = apart.extents[item.output]
        stored = model.read_segment(extent.segment, images)
        part = stored[:, extent.offset : extent.offset + extent.size_bytes]
        found[item.output] = part.reshape(images, *item.layer.output_shape)
    return found


def _difference(
    runtime: Runtime,
    apart: Apart,
    index: int,
    got: Mapping[str, Codes],
    expected: Mapping[str, Codes],
) -> Difference | None:
    item = apart.layers[index]
    values, wanted = got[item.output], expected[item.output]
    wrong = np.argwhere(values != wanted)
    if not len(wrong):
        return None
    image, row, column, channel = (int(i) for i in wrong[0])
    launch, step, command = _command(apart, item, (row, column, channel))
    readers = [other.output for other in apart.layers if item.output in other.reads]
    return Difference(
        layer=item.layer.name,
        number=index + 1,
        operation=step.operation,
        image=image,
        row=row,
        column=column,
        channel=channel,
        got=int(values[image, row, column, channel]),
        expected=int(wanted[image, row, column, channel]),
        module=step.module,
        partition=_place(runtime, launch, step),
        launch=launch,
        command=command,
        values=values.size,
        wrong_values=len(wrong),
        overwritten=bool(readers) and all(np.array_equal(got[n], expected[n]) for n in readers),
    )


def _place(runtime: Runtime, launch: int, step: Step) -> str:
    """Return the name of the partition where a step ran last, or was compiled for."""
    programs = [p for p in runtime.log.programs if p.launch == launch]
    places = programs[-1].places if programs else {}
    index = places.get(step.partition, step.partition)
    return runtime.device.capabilities.board.partitions[index].name


def _command(apart: Apart, item: PlannedLayer, pixel: Pixel) -> tuple[int, Step, int]:
    """Return the launch, the step and the command that should write a pixel of a layer.

    Raises:
        PlanningError: a module is not installed, or no command is meant to write there.
    """
    _, column, channel = pixel
    for number, launch in enumerate(apart.deployment.launches):
        for step in launch.steps:
            if step.layer != item.layer.name:
                continue
            module = module_of(apart.deployment, step.module)
            for index, tile in enumerate(tiles_of(item.layer, module, step.channels)):
                columns, channels = range(*tile.columns), range(*tile.channels)
                if column in columns and channel in channels:
                    return number, step, step.commands[0] + index
    raise PlanningError(
        f"no command of layer {item.layer.name} is meant to write column {column}, channel"
        f" {channel}; compile the model again"
    )
