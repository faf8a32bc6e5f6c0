"""A deployment in device memory: parameter banks, rings, inputs and outputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.command import COMMAND_BYTES, Segment
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE, align
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.contract.submission import Placement, Ring, Submission
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.interface import Buffer, Device, Staged
from fpga_rt.errors import DeviceError, ExecutionError, FpgaRtError
from fpga_rt.planner.binding import bind
from fpga_rt.planner.relocation import relocated
from fpga_rt.runtime.banks import Banks


class LoadedModel:
    """What a runtime keeps of a deployment on a device."""

    def __init__(self, device: Device, deployment: Deployment, index: int) -> None:
        """Upload parameters and rings, and stage every bitstream.

        Raises:
            DeviceError: the deployment is for another board or register map.
            ArtifactError: a bitstream does not fit its partition.
        """
        board = device.capabilities.board
        if deployment.board != board.name:
            raise DeviceError(
                f"network {deployment.network.name} is compiled for board {deployment.board},"
                f" the device {device.capabilities.device} is {board.name}; compile it with"
                f" --board {board.name}"
            )
        if deployment.map_id != STATIC_REGION.map_id:
            raise DeviceError(
                f"network {deployment.network.name} is compiled against register map"
                f" {deployment.map_id:#010x}, this version has {STATIC_REGION.map_id:#010x};"
                " compile it again"
            )
        self.index = index
        self._device = device
        self._buffers: list[Buffer] = []
        self._io: list[Buffer] = []
        self._batch = 0
        self.staged: dict[tuple[int, str], Staged] = {}
        self.banks = Banks(device, deployment)
        try:
            self._rings: dict[tuple[int, tuple[int, ...]], dict[int, Ring]] = {}
            for number, launch in enumerate(deployment.launches):
                self._ring(number, tuple(launch.modules))
            for key, name in deployment.loads.items():
                partial, module_id = deployment.bitstreams[name], deployment.module_ids[key[1]]
                self.staged[key] = device.stage(
                    partial, key[0], deployment.static_id or None, module_id
                )
        except FpgaRtError:
            self.free()
            raise
        segments = deployment.segments
        self._strides = (
            align(segments.input_bytes),
            align(segments.output_bytes),
            align(segments.features_bytes),
        )

    @property
    def deployment(self) -> Deployment:
        """What inferences that begin now run."""
        return self.banks.deployment

    @property
    def parameter_bytes(self) -> int:
        """Bytes of parameters sent to the device for one bank."""
        return self.deployment.segments.weights_bytes + self.deployment.segments.tables_bytes

    def submission(
        self, launch: int, batch: int, number: int, places: tuple[int, ...]
    ) -> Submission:
        """Return what the doorbell needs for a launch over a batch with a parameter bank.

        Args:
            launch: index.
            batch: images.
            number: of the parameter bank.
            places: partitions of the launch's modules, in their order.

        Raises:
            DeviceError: device memory is full; rings for other places than compiled for are put
                there when they are first needed.
        """
        binding = bind(self.deployment, batch)
        source, target, features = (buffer.address for buffer in self._io)
        input_stride, output_stride, features_stride = self._strides
        if binding.on_chip:
            features = FEATURE_MEMORY_BASE
        bank = self.banks[number]
        segments = {
            Segment.INPUT: Placement(source, input_stride, batch),
            Segment.OUTPUT: Placement(target, output_stride, batch),
            Segment.FEATURES: Placement(features, features_stride, binding.depth),
            Segment.WEIGHTS: Placement(bank.weights.address),
            Segment.TABLES: Placement(bank.tables.address),
        }
        return Submission(self._ring(launch, places), segments, batch, number)

    def write_input(self, codes: NDArray[np.int8]) -> None:
        """Put a batch (N, H, W, C) into the input buffer."""
        self._reserve(len(codes))
        buffer = self._io[0]
        flat = codes.reshape(len(codes), -1)
        rows = buffer.view.view(np.int8)[: len(codes) * self._strides[0]]
        rows.reshape(len(codes), -1)[:, : flat.shape[1]] = flat
        buffer.flush()

    def read_output(self, batch: int, number: int) -> NDArray[np.int8]:
        """Return the output codes (N, H, W, C) of a batch that read a bank, host work included."""
        rows = self.read_segment(Segment.OUTPUT, batch)
        deployment = self.banks[number].deployment
        return _finish(deployment, rows[:, : deployment.segments.output_bytes])

    def read_segment(self, segment: Segment, batch: int) -> NDArray[np.int8]:
        """Return what the INPUT, OUTPUT or FEATURES of a batch hold, (N, bytes).

        Raises:
            ExecutionError: feature maps lie on chip, or only those of fewer images are kept.
        """
        binding = bind(self.deployment, batch)
        if segment is Segment.FEATURES and (binding.on_chip or binding.depth < batch):
            where = "on chip" if binding.on_chip else f"in DRAM for {binding.depth} images"
            raise ExecutionError(
                f"feature maps of {self.deployment.network.name} for {batch} images lie {where},"
                " expected all of them in DRAM; run it with its tensors apart, in smaller batches"
            )
        buffer, stride = self._io[segment], self._strides[segment]
        buffer.invalidate()
        stored = buffer.view.view(np.int8)[: batch * stride]
        rows: NDArray[np.int8] = stored.reshape(batch, stride).copy()
        return rows

    def free(self) -> None:
        """Give all device memory back; freeing twice is harmless."""
        self._release()
        self.banks.free()
        buffers, self._buffers = self._buffers, []
        for buffer in buffers:
            buffer.free()
        for staged in self.staged.values():
            self._device.unstage(staged)
        self.staged = {}

    def _reserve(self, batch: int) -> None:
        """Grow the buffers to a batch; feature maps in DRAM only when they do not fit on chip."""
        if batch <= self._batch:
            return
        self._release()
        binding = bind(self.deployment, batch)
        features = 0 if binding.on_chip else binding.depth * self._strides[2]
        sizes = (batch * self._strides[0], batch * self._strides[1], max(features, 1))
        try:
            for size in sizes:
                self._io.append(self._device.allocate(size))
        except FpgaRtError:
            self._release()
            raise
        self._batch = batch

    def _release(self) -> None:
        """Give the buffers of a batch back."""
        buffers, self._io, self._batch = self._io, [], 0
        for buffer in buffers:
            buffer.free()

    def _ring(self, launch: int, places: tuple[int, ...]) -> dict[int, Ring]:
        """Return the rings of a launch in some partitions, put into memory if they are not."""
        key = (launch, places)
        if key not in self._rings:
            moved = relocated(self.deployment.launches[launch], places)
            self._rings[key] = {
                p: Ring(self._store(ring).address, len(ring) // COMMAND_BYTES)
                for p, ring in moved.rings.items()
            }
        return self._rings[key]

    def _store(self, data: bytes) -> Buffer:
        buffer = self._device.allocate(max(len(data), 1))
        self._buffers.append(buffer)
        buffer.view[: len(data)] = np.frombuffer(data, np.uint8)
        buffer.flush()
        return buffer


def _finish(deployment: Deployment, codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Do the host's part of a network."""
    network = deployment.network
    nodes = network.nodes[len(network.nodes) - deployment.host_nodes :]
    last = nodes[0].inputs[0] if nodes else network.output
    values = codes.reshape(len(codes), *network.tensors[last].shape)
    for node in nodes:
        values = node.operation.apply(values)  # type: ignore[call-arg]
    return values
