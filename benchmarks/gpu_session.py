"""A network in PyTorch with static buffers: what a task launches, eager or as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.torch_network import TorchNetwork
from fpga_rt.errors import ExecutionError
from fpga_rt.network.graph import Network

CAPTURE_WARM_UP = 11
"""Runs before a capture, in which libraries choose their algorithms and allocate memory."""
SEED = 1


@dataclass(frozen=True)
class Task:
    """What is launched.

    Attributes:
        task: `inference`, `with copies` or `update`.
        first: where the updated parameters begin in the flat tensor.
        last: where they end.
        layers: how many layers are updated.
        int8_bytes: what an FPGA is sent for the same layers.
        share: of the bytes of all parameters.
    """

    task: str
    first: int = 0
    last: int = 0
    layers: int = 0
    int8_bytes: int = 0
    share: float = 0.0


class Session:
    """A network on a device, its buffers there, and pinned ones on the host."""

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        """Translate the network and allocate every buffer once."""
        self._cuda = device.type == "cuda"
        if self._cuda:
            torch.backends.cudnn.benchmark = True
        self._device = device
        self.network = TorchNetwork(network, device, dtype)
        self._reference = TorchNetwork(network, torch.device("cpu"), torch.float64)
        height, width, channels = network.tensors[network.input].shape
        tensor = network.tensors[network.input]
        generator = torch.Generator().manual_seed(SEED)
        codes = torch.randint(-128, 128, (1, channels, height, width), generator=generator)
        self._images = (codes - tensor.zero_point).double() * tensor.scale
        self._host_input = self._on_host(self._images.to(dtype))
        self._host_parameters = self._on_host(self.network.parameters.cpu())
        self._input = self._host_input.to(device)
        self._host_output = self._on_host(self.network(self._input).cpu())

    def synchronise(self) -> None:
        """Wait until the device has done everything."""
        if self._cuda:
            torch.cuda.synchronize(self._device)

    def prepare(self, task: Task, graph: bool) -> Callable[[], torch.Tensor]:
        """Return what launches a task and returns its output; it does not wait for it."""
        run = {
            "inference": self._infer,
            "with copies": self._infer_with_copies,
            "update": lambda: self._update(task),
        }[task.task]
        return self._captured(run) if graph else run

    def check(self, task: Task, launch: Callable[[], torch.Tensor], tolerance: float) -> None:
        """Compare a launch with the processor in float64; an update also with other parameters.

        Raises:
            ExecutionError: the outputs differ by more than `tolerance` of the largest.
        """
        self._compare(task, launch, tolerance)
        if task.task != "update":
            return
        span = slice(task.first, task.last)
        kept = self._host_parameters[span].clone(), self._reference.parameters[span].clone()
        self._host_parameters[span] *= 0.5
        self._reference.parameters[span] *= 0.5
        self._compare(task, launch, tolerance)
        self._host_parameters[span], self._reference.parameters[span] = kept
        self._compare(task, launch, tolerance)

    def _compare(self, task: Task, launch: Callable[[], torch.Tensor], tolerance: float) -> None:
        found = launch()
        self.synchronise()
        got = (self._host_output if task.task == "with copies" else found).cpu().double()
        expected = self._reference(self._images)
        error = float((got - expected).abs().max() / expected.abs().max())
        if not error <= tolerance:
            raise ExecutionError(
                f"{task.task} on {self._device} differs from the processor in float64 by"
                f" {error:.2g} of the largest output, expected at most {tolerance:g}; its times"
                " would mean nothing: check drivers and PyTorch"
            )

    def _infer(self) -> torch.Tensor:
        return self.network(self._input)

    def _infer_with_copies(self) -> torch.Tensor:
        self._input.copy_(self._host_input, non_blocking=True)
        output = self.network(self._input)
        self._host_output.copy_(output, non_blocking=True)
        return output

    def _update(self, task: Task) -> torch.Tensor:
        """Replace parameters by one copy; the same stream keeps inferences before and after."""
        span = slice(task.first, task.last)
        self.network.parameters[span].copy_(self._host_parameters[span], non_blocking=True)
        return self.network(self._input)

    def _captured(self, run: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        """Capture a launch on a stream of its own, on which it has run before."""
        side = torch.cuda.Stream(self._device)
        side.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(side):
            for _ in range(CAPTURE_WARM_UP):
                run()
        torch.cuda.current_stream(self._device).wait_stream(side)
        torch.cuda.synchronize(self._device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=side):
            output = run()

        def replay() -> torch.Tensor:
            graph.replay()
            return output

        return replay

    def _on_host(self, values: torch.Tensor) -> torch.Tensor:
        """Return a copy on the host that a device's DMA can reach: else copies would wait."""
        values = values.contiguous()
        return values.pin_memory() if self._cuda else values.clone()
