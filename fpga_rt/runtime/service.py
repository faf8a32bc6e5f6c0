"""Requests with deadlines, in front of a runtime: promised before they wait, and ended once.

A request is tested when it is submitted and refused with an `AdmissionError` if the queue is full
or a deadline, its own or one promised before, could be missed. What is accepted waits by deadline
and ends exactly once, as a result, as the error that its run raised, or as a `DeadlineError`. The
test takes the planner's times at their most; on a board they hold as far as its calibration does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fpga_rt.device.interface import Device as OpenDevice
from fpga_rt.errors import DeadlineError, ExecutionError, FpgaRtError, PlanningError
from fpga_rt.planner.admission import Admission, Device, Waiting
from fpga_rt.planner.requests import most_of
from fpga_rt.planner.schedule import MOVING, Load
from fpga_rt.runtime.model import LoadedModel
from fpga_rt.runtime.runtime import Codes, Request, Result, Runtime


@dataclass(eq=False)
class Ticket:
    """An accepted request.

    Attributes:
        number: in order of submission, the refused ones counted too.
        deadline_ps: by the device's clock.
        outcome: how it ended; None while it waits.
        ended_ps: when.
    """

    number: int
    deadline_ps: int
    outcome: Result | FpgaRtError | None = None
    ended_ps: int | None = None

    def result(self) -> Codes:
        """Return the output codes (N, H, W, C).

        Raises:
            FpgaRtError: how it ended instead; or it has not ended.
        """
        if self.outcome is None:
            raise ExecutionError(f"request {self.number} waits; call Service.step until it ended")
        if isinstance(self.outcome, FpgaRtError):
            raise self.outcome
        return self.outcome.codes


class Service:
    """A bounded queue of requests by deadline, served one at a time."""

    def __init__(
        self, runtime: Runtime, models: Sequence[LoadedModel], batch: int = 1, capacity: int = 64
    ) -> None:
        """Serve loaded models.

        Args:
            runtime: whose device; nobody else uses it meanwhile.
            models: what may be asked for.
            batch: images of a request at most.
            capacity: requests that may wait.

        Raises:
            ValueError: batch or capacity is below one.
            PlanningError: the runtime's policy moves modules: where a request would load what is
                known only when it runs, and so is no promise.
        """
        if batch < 1:
            raise ValueError(f"batch {batch}, expected at least 1")
        if runtime.prefetch in MOVING:
            raise PlanningError(
                f"policy {runtime.prefetch} moves modules between partitions, but a request is"
                " promised its end in those that its network was compiled for; expected none or"
                " aggressive, so make the runtime with one of them"
            )
        self._runtime, self._models, self._batch = runtime, list(models), batch
        board = runtime.device.capabilities.board
        loads: dict[Load, int] = {}
        networks = []
        for model in models:
            works, needed = most_of(board, runtime.port, model.deployment, batch, runtime.timelines)
            networks.append(works)
            loads |= needed
        self._admission = Admission(networks, loads, capacity, ahead=False)
        self._queue: list[Waiting] = []
        self._waiting: dict[int, tuple[Ticket, Request]] = {}
        self._submitted = 0

    def __len__(self) -> int:
        """Return how many requests wait."""
        return len(self._queue)

    def submit(self, model: LoadedModel, codes: Codes, deadline_ps: int) -> Ticket:
        """Accept a request, or refuse it.

        Args:
            model: one of the service's.
            codes: int8 (N, H, W, C), N at most the service's batch.
            deadline_ps: for its end, by the device's clock (`Device.now_ps`).

        Raises:
            AdmissionError: the queue is full, or a deadline might be missed.
            ExecutionError: the model is not served here, or the batch is too large.
        """
        number, self._submitted = self._submitted, self._submitted + 1
        if model not in self._models:
            raise ExecutionError(
                f"network {model.deployment.network.name} is not served here; give it to Service"
            )
        if len(codes) > self._batch:
            raise ExecutionError(
                f"request {number} has {len(codes)} images, expected at most {self._batch}; send"
                " them in several requests, or make the service with a larger batch"
            )
        request = Waiting(self._models.index(model), deadline_ps, number)
        place = self._admission.place(self._state(), (), self._queue, request)
        ticket = Ticket(number, deadline_ps)
        self._queue.insert(place, request)
        self._waiting[number] = (ticket, Request(model, codes))
        return ticket

    def step(self) -> Ticket | None:
        """Run the request with the earliest deadline to its end; None when nothing waits.

        Its error, if it has one, is the ticket's outcome and is not raised.
        """
        if not self._queue:
            return None
        ticket, request = self._waiting.pop(self._queue.pop(0).number)
        try:
            [outcome] = self._runtime.trace([request])
        except FpgaRtError as error:
            ticket.outcome = error
        else:
            ticket.outcome = outcome
        ticket.ended_ps = now = self._device.now_ps()
        if isinstance(ticket.outcome, Result) and now > ticket.deadline_ps:
            ticket.outcome = DeadlineError(
                f"request {ticket.number} ended {(now - ticket.deadline_ps) / 1e6:,.1f} us after"
                " its deadline: something took longer than predicted; calibrate the board"
            )
        return ticket

    @property
    def _device(self) -> OpenDevice:
        return self._runtime.device

    def _state(self) -> Device:
        """Return the device as the admission test sees it: nothing runs between two steps."""
        now = self._device.now_ps()
        contents = {
            partition.index: partition.active_id
            for partition in self._runtime.partitions
            if partition.active_id is not None
        }
        return Device(now, now, contents, {})
