"""Bind a launch to memory: how many images' feature maps exist at a time, and where."""

from __future__ import annotations

from dataclasses import dataclass

from fpga_rt.deployment.model import Deployment

DRAM_IMAGES = 4
"""Images whose feature maps exist at a time when they lie in DRAM and no swap interrupts them."""


@dataclass(frozen=True)
class Binding:
    """Where feature maps lie for a batch, and for how many images at a time."""

    on_chip: bool
    depth: int


def bind(deployment: Deployment, batch: int) -> Binding:
    """Return the binding for a batch.

    A network that swaps between its launches keeps every image's feature maps until the last
    launch; one that does not needs only those of the images in flight.
    """
    on_chip_images = deployment.segments.on_chip_images
    if len(deployment.launches) > 1:
        return Binding(batch <= on_chip_images, batch)
    if on_chip_images:
        return Binding(True, min(batch, on_chip_images))
    return Binding(False, min(batch, DRAM_IMAGES))
