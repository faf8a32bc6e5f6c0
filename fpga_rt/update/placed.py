"""Versions of one network on a device: the one that inferences run, and one on trial beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.command import Segment
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import FpgaRtError
from fpga_rt.runtime.model import LoadedModel
from fpga_rt.runtime.runtime import Request, Runtime
from fpga_rt.update.turns import Turns
from fpga_rt.update.vectors import Codes


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network says of a batch.

    Attributes:
        outputs: real values in the model file's layout, float32.
        codes: output codes (N, H, W, C).
        version: which version of the network made them, as the device reported its bank.
    """

    outputs: NDArray[np.float32]
    codes: Codes
    version: int


@dataclass(frozen=True, eq=False)
class Place:
    """Where a version lies on the device: a loaded model, and a parameter bank of it."""

    model: LoadedModel
    bank: int

    @property
    def deployment(self) -> Deployment:
        """What lies there."""
        return self.model.banks[self.bank].deployment


class Placed:
    """The versions; one thread may put and try another one while a second runs inferences."""

    def __init__(self, runtime: Runtime, deployment: Deployment, number: int) -> None:
        """Load a version, with room for another one's parameters.

        Raises:
            DeviceError: it is for another board, or device memory is full.
        """
        self._runtime = runtime
        self._device = Turns()
        self.place = self._load(deployment)
        """What inferences that begin now run."""
        self._numbers = {(self.place.model.index, self.place.bank): number}

    @property
    def number(self) -> int:
        """Number of the version that inferences run."""
        place = self.place
        return self._numbers[place.model.index, place.bank]

    @property
    def now_ps(self) -> int:
        """Device time in picoseconds."""
        return self._runtime.device.now_ps()

    def run(self, values: NDArray[np.generic]) -> Answer:
        """Run a batch in the model file's layout with the version that is in place.

        Raises:
            ExecutionError: wrong shape or type, or a program failed.
            ReconfigurationError: a swap failed.
        """
        with self._device:
            place = self.place
            network = place.deployment.network
            codes = network.encode_input(values)
            (result,) = self._runtime.trace([Request(place.model, codes, place.bank)])
        outputs = network.tensors[network.output].dequantise(network.decode_output(result.codes))
        return Answer(outputs, result.codes, self._numbers[place.model.index, result.bank])

    def put(self, deployment: Deployment) -> Place:
        """Put a version beside the one in place: its parameters, or all where its program is new.

        Parameters are written while programs run.

        Raises:
            DeviceError: device memory is full.
            ArtifactError: a bitstream is refused.
        """
        model = self.place.model
        if self.place.deployment.same_program(deployment):
            return Place(model, model.banks.write(deployment))
        with self._device:
            return self._load(deployment)

    def outputs(self, place: Place, codes: Codes) -> tuple[Codes, int]:
        """Run input codes (N, H, W, C) in a place, between inferences of the version in place.

        Returns:
            What the partitions gave, (N, bytes), and the device time that it took in picoseconds.

        Raises:
            ExecutionError: a program failed.
            ReconfigurationError: a swap failed.
        """
        with self._device:
            started_ps = self._runtime.device.now_ps()
            self._runtime.trace([Request(place.model, codes, place.bank)])
            took_ps = self._runtime.device.now_ps() - started_ps
            stored = place.model.read_segment(Segment.OUTPUT, len(codes))
        return stored[:, : place.deployment.segments.output_bytes], took_ps

    def switch(self, place: Place, number: int) -> None:
        """Let every inference from the next one on run the version in a place."""
        with self._device:
            self._numbers[place.model.index, place.bank] = number
            old, self.place = self.place, place
            place.model.banks.switch(place.bank)
            if old.model is not place.model:
                self._runtime.unload(old.model)

    def withdraw(self, place: Place) -> None:
        """Give up what was put; parameters in a bank are written over by the next ones."""
        if place.model is not self.place.model:
            with self._device:
                self._runtime.unload(place.model)

    def _load(self, deployment: Deployment) -> Place:
        model = self._runtime.load(deployment)
        try:
            model.banks.reserve()
        except FpgaRtError:
            self._runtime.unload(model)
            raise
        return Place(model, model.banks.active)
