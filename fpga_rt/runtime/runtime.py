"""Run deployments on a device: several networks, one device, modules swapped as jobs need them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from fpga_rt.deployment.model import Deployment
from fpga_rt.device.interface import Completion, Device, Pending, Staged
from fpga_rt.errors import DeviceError, ExecutionError, FpgaRtError, ReconfigurationError
from fpga_rt.planner import schedule
from fpga_rt.planner.plan import Plan, Planned
from fpga_rt.planner.requests import jobs_of, row_of, strategy_of
from fpga_rt.planner.schedule import Job, Policy, Strategy
from fpga_rt.planner.timelines import Timelines
from fpga_rt.runtime.model import LoadedModel
from fpga_rt.runtime.partition import Handle, Partition
from fpga_rt.runtime.records import (
    Log,
    ProgramRecord,
    RequestRecord,
    SwapRecord,
    command_cycles,
)
from fpga_rt.runtime.report import Report, make_report
from fpga_rt.runtime.swap import Swapper

Codes = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Request:
    """A batch of input codes (N, H, W, C) for a loaded model, and the parameter bank to read.

    The bank is the one that the model is using when the request begins, unless given.
    """

    model: LoadedModel
    codes: Codes
    bank: int | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """Output codes (N, H, W, C) of a request, and the parameter bank that made them."""

    codes: Codes
    bank: int


class Runtime:
    """Deployments on an open device.

    A runtime owns the device's partitions while it lives; several networks share them.
    """

    def __init__(
        self,
        device: Device,
        prefetch: Policy = "aggressive",
        port: str | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """Use an open device.

        Args:
            device: what to run on.
            prefetch: `none` loads on demand, `aggressive` also loads ahead; the other policies may
                move modules between the partitions that there are bitstreams for.
            port: configuration port; the board's default port unless given.
            timeout_s: longest device time of a load or a program; as `Capabilities` has it when
                None.

        Raises:
            ValueError: unknown policy.
        """
        if prefetch not in schedule.POLICIES:
            raise ValueError(f"prefetch {prefetch!r}, expected one of {schedule.POLICIES}")
        self.device = device
        self.prefetch = prefetch
        self.log = Log()
        self.timeout_s = device.capabilities.timeout_s if timeout_s is None else timeout_s
        self._models: list[LoadedModel] = []
        self._loaded = 0
        self._staged: dict[tuple[int, int], tuple[str, Staged]] = {}
        self.port = port or device.capabilities.board.default_port
        self.timelines = Timelines(device.capabilities.board)
        self._swapper = Swapper(device, self.port, self.log, self.timeout_s)

    def __enter__(self) -> Runtime:
        """Return the runtime."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the device memory of all models back."""
        self.close()

    def close(self) -> None:
        """Let a load in flight end and give all device memory back; twice is harmless."""
        with suppress(FpgaRtError):
            self._swapper.finish()
        models, self._models = self._models, []
        for model in models:
            model.free()

    @property
    def partitions(self) -> Sequence[Partition]:
        """State of every partition."""
        return tuple(self._swapper.partitions.values())

    def load(self, deployment: Deployment) -> LoadedModel:
        """Put a deployment on the device: parameters, programs, staged bitstreams.

        Raises:
            DeviceError: it is for another board, or device memory is full.
            ArtifactError: a bitstream is refused.
        """
        model = LoadedModel(self.device, deployment, self._loaded)
        self._loaded += 1
        self._models.append(model)
        self._stage(model)
        self.log.parameter_bytes += model.parameter_bytes
        return model

    def unload(self, model: LoadedModel) -> None:
        """Give the device memory of a model back; its modules stay in place until others come.

        Raises:
            ExecutionError: it is not loaded here.
        """
        if model not in self._models:
            raise ExecutionError(
                f"network {model.deployment.network.name} is not loaded in this runtime"
            )
        with suppress(FpgaRtError):
            self._swapper.finish()
        self._models.remove(model)
        self._staged.clear()
        for other in self._models:
            self._stage(other)
        model.free()

    def activate(self, model: LoadedModel, module: str, partition: int) -> Handle:
        """Have a module of a model active in a partition and return a handle to it.

        Raises:
            ExecutionError: the model does not use the module there.
            ReconfigurationError: the swap failed.
        """
        if (partition, module) not in model.staged:
            offered = ", ".join(f"{m} in partition {p}" for p, m in sorted(model.staged))
            raise ExecutionError(
                f"network {model.deployment.network.name} has no {module} for partition"
                f" {partition}, expected one of: {offered}; compile it for that partition"
            )
        identity = model.deployment.module_ids[module]
        schedule.require(_DeviceExecutor(self, []), partition, identity)
        return self._swapper.partitions[partition].handle()

    def check(self, handle: Handle) -> None:
        """Refuse a stale handle.

        Raises:
            ExecutionError: the partition was swapped since the handle was given out.
        """
        self._swapper.partitions[handle.partition].check(handle)

    def run(self, model: LoadedModel, codes: Codes, batch: int = 1) -> Codes:
        """Return the output codes for input codes (N, H, W, C), `batch` images at a time.

        Raises:
            ValueError: `batch` is below one.
        """
        if batch < 1:
            raise ValueError(f"batch {batch}, expected at least 1")
        parts = [codes[i : i + batch] for i in range(0, len(codes), batch)]
        results = self.trace([Request(model, part) for part in parts])
        if not results:
            network = model.deployment.network
            return np.empty((0, *network.tensors[network.output].shape), np.int8)
        return np.concatenate([result.codes for result in results])

    def trace(self, requests: Sequence[Request], plan: Plan | None = None) -> list[Result]:
        """Run requests of any loaded models in order; later ones are known for loading ahead.

        Args:
            requests: in order.
            plan: for the jobs of the requests, in place of the runtime's policy.

        Raises:
            ExecutionError: a model is not loaded here, a request's codes are not int8 (N, H, W, C)
                with N >= 1 (nothing runs then), or a program failed.
            ReconfigurationError: a swap failed.
        """
        for number, request in enumerate(requests):
            self._check(number, request)
        executor = _DeviceExecutor(self, requests)
        jobs = jobs_of(
            [(r.model.index, r.model.deployment, len(r.codes)) for r in requests],
            plan is not None or self.prefetch in schedule.MOVING,
        )
        strategy = self._strategy(requests, jobs) if plan is None else Planned(plan)
        try:
            schedule.run(jobs, executor, strategy)
        finally:
            executor.drain()
        return executor.results

    def _stage(self, model: LoadedModel) -> None:
        """Note which bitstream brings each module of a model."""
        for (partition, module), staged in model.staged.items():
            self._staged[partition, staged.module_id] = (module, staged)

    def _strategy(self, requests: Sequence[Request], jobs: Sequence[Job]) -> Strategy:
        deployments = [request.model.deployment for request in requests]
        active = {p.index: p.active_id for p in self.partitions}
        resident = {index: module for index, module in active.items() if module is not None}
        board = self.device.capabilities.board
        return strategy_of(
            self.prefetch,
            jobs,
            lambda: row_of(board, self.port, jobs, deployments, self.timelines, resident),
        )

    def _check(self, number: int, request: Request) -> None:
        network = request.model.deployment.network
        if request.model not in self._models:
            raise ExecutionError(
                f"network {network.name} is not loaded in this runtime; call load first"
            )
        codes, shape = request.codes, network.tensors[network.input].shape
        if codes.dtype != np.int8 or codes.shape[1:] != shape or not len(codes):
            raise ExecutionError(
                f"request {number} for {network.name} has {codes.dtype} codes of shape"
                f" {codes.shape}, expected int8 (images, {', '.join(map(str, shape))}) with at"
                " least one image; use Network.encode_input"
            )

    def report(self) -> Report:
        """Return a report of everything since the runtime was made or the log was cleared."""
        return make_report(self.device.capabilities, self.log, self.prefetch)

    def clear_log(self) -> None:
        """Forget what happened; modules stay where they are."""
        self.log.swaps.clear()
        self.log.programs.clear()
        self.log.requests.clear()
        self.log.failures.clear()
        self.log.reused = 0


class _DeviceExecutor:
    """Carries a schedule out on the device and keeps the log."""

    def __init__(self, runtime: Runtime, requests: Sequence[Request]) -> None:
        self._device = runtime.device
        self._swapper = runtime._swapper
        self._log = runtime.log
        self._timeout_s = runtime.timeout_s
        self._staged = runtime._staged
        self._requests = requests
        self._bank = 0
        self._wanted_ps: int | None = None
        self._job: tuple[Job, tuple[int, ...]] | None = None
        self._program: Pending | None = None
        self._request_started_ps = runtime.device.now_ps()
        self._fresh: dict[int, SwapRecord] = {}
        self._failed_ahead = False
        self.results: list[Result] = []

    def resident(self, partition: int) -> int | None:
        return self._swapper.partitions[partition].active_id

    def loading(self) -> tuple[int, int] | None:
        return self._swapper.loading

    def reuse(self, partition: int) -> None:
        self._log.reused += 1

    def may_load_ahead(self) -> bool:
        return not self._failed_ahead

    def begin_swap(self, partition: int, module: int, ahead: bool) -> None:
        name, staged = self._staged[partition, module]
        now_ps = self._device.now_ps()
        wanted_ps = now_ps if ahead or self._wanted_ps is None else self._wanted_ps
        try:
            self._swapper.begin(name, staged, ahead, wanted_ps)
        except ReconfigurationError as error:
            if not ahead:
                raise
            self._give_up_ahead(error)

    def finish_swap(self) -> None:
        self._wanted_ps = self._device.now_ps()  # what waits for this load may want another next
        self._finish_swap(completed=False)

    def begin_job(self, job: Job, places: tuple[int, ...]) -> None:
        request = self._requests[job.request]
        model = request.model
        if job.launch == 0:
            model.write_input(request.codes)
            # For all launches: no inference mixes two versions.
            self._bank = model.banks.begin(request.bank)
        self._job, self._wanted_ps = (job, places), None
        submission = model.submission(job.launch, job.batch, self._bank, places)
        self._program = self._device.submit(submission)

    def wait(self) -> bool:
        load, program = self._swapper.pending, self._program
        pendings = [p for p in (load, program) if p is not None]
        try:
            completion = self._device.wait(*pendings, timeout_s=self._timeout_s)
            if completion.pending is load:
                self._finish_swap(completed=True)
                return False
        except ReconfigurationError as error:
            self._give_up_ahead(self._swapper.fail(error))
            return False
        except ExecutionError:  # of the program: a load goes on
            self._program = None
            raise
        except DeviceError as error:  # too late: the device has aborted both
            self._program = None
            raise self._swapper.fail(error) from error
        self._end_job(completion)
        return True

    def drain(self) -> None:
        """After an error, let the program in flight end, so that the device can be used again."""
        program, self._program = self._program, None
        if program is not None:
            with suppress(FpgaRtError):
                self._device.wait(program, timeout_s=self._timeout_s)
        for request in self._requests:
            request.model.banks.end()

    def _finish_swap(self, completed: bool) -> None:
        before = len(self._log.swaps)
        ahead = self._swapper.is_ahead
        try:
            self._swapper.finish(completed)
        except ReconfigurationError as error:
            if not ahead:
                raise
            self._give_up_ahead(error)
        for record in self._log.swaps[before:]:
            self._fresh[record.partition] = record

    def _give_up_ahead(self, error: FpgaRtError) -> None:
        """A load ahead failed: nobody waits for it yet, so jobs go on, loading on demand."""
        self._failed_ahead = True
        self._log.failures.append(str(error))

    def _end_job(self, completion: Completion) -> None:
        begun, self._job, self._program = self._job, None, None
        if begun is None:
            return
        job, places = begun
        model = self._requests[job.request].model
        name = model.deployment.network.name
        homes = dict(zip(model.deployment.launches[job.launch].modules, places, strict=True))
        timeline = completion.timeline
        self._log.programs.append(
            ProgramRecord(
                name,
                job.request,
                job.launch,
                completion.started_ps,
                completion.ended_ps,
                completion.busy_ps,
                completion.bank,
                job.batch,
                command_cycles(timeline, homes) if timeline else None,
                homes,
            )
        )
        for partition in places:
            self._note_first_result(partition, completion)
        if job.launch == len(model.deployment.launches) - 1:
            codes = model.read_output(job.batch, self._bank)
            model.banks.end()
            self.results.append(Result(codes, completion.bank))
            ended = self._device.now_ps()
            self._log.requests.append(
                RequestRecord(
                    name, job.request, job.batch, self._request_started_ps, ended, completion.bank
                )
            )
            self._request_started_ps = ended

    def _note_first_result(self, partition: int, completion: Completion) -> None:
        record = self._fresh.pop(partition, None)
        if record is None:
            return
        clock_ps = self._device.capabilities.board.clock_ps
        timeline = completion.timeline
        if timeline is None or partition not in timeline.end:
            first = completion.busy_ps.get(partition, (0, completion.ended_ps))[1]
            record.phases_ps["first_result"] = first - completion.started_ps
            return
        streamed = int(timeline.parameters_end[partition][0, 0])
        record.phases_ps["parameters"] = streamed * clock_ps
        record.phases_ps["first_result"] = int(timeline.end[partition][0, -1]) * clock_ps
