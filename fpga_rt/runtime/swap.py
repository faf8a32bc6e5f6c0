"""The life of a swap: quiesce, decouple, load, reset, identify, recouple, and what if it fails.

A partition is recoupled only after the module in it has answered with the identity that was asked
for. After a failure it stays decoupled, and the last good module is loaded back.
"""

from __future__ import annotations

from dataclasses import dataclass

from fpga_rt.device.interface import Completion, Device, Pending, Staged
from fpga_rt.errors import DeviceError, FpgaRtError, ReconfigurationError
from fpga_rt.runtime.partition import Partition, State
from fpga_rt.runtime.records import Log, SwapRecord


@dataclass
class _InFlight:
    module: str
    staged: Staged
    record: SwapRecord
    pending: Pending
    previous: tuple[str, Staged] | None


class Swapper:
    """Loads modules into the partitions of a device, one at a time."""

    def __init__(self, device: Device, port: str, log: Log, timeout_s: float) -> None:
        """Drive `device` through configuration port `port`; a load may take `timeout_s`."""
        self._device = device
        self._port = port
        self._timeout_s = timeout_s
        self.log = log
        self.partitions = {
            p.index: Partition(p.index, p.name) for p in device.capabilities.board.partitions
        }
        self._good: dict[int, tuple[str, Staged]] = {}
        self._in_flight: _InFlight | None = None

    @property
    def loading(self) -> tuple[int, str] | None:
        """Partition and module of the load in flight."""
        load = self._in_flight
        return None if load is None else (load.staged.partition, load.module)

    @property
    def pending(self) -> Pending | None:
        """The load in flight, to be waited for together with a program."""
        return None if self._in_flight is None else self._in_flight.pending

    @property
    def is_ahead(self) -> bool:
        """Whether the load in flight was begun before a job needed it."""
        return self._in_flight is not None and self._in_flight.record.ahead

    def begin(self, module: str, staged: Staged, ahead: bool, wanted_ps: int) -> None:
        """Quiesce and decouple a partition and begin its load.

        Raises:
            DeviceError: a load is in flight already.
            ReconfigurationError: the partition did not decouple.
        """
        if self._in_flight is not None:
            raise DeviceError(
                f"load of {module} while {self._in_flight.module} is being loaded: one at a time;"
                " finish the load in flight first"
            )
        partition = self.partitions[staged.partition]
        previous = self._good.get(partition.index)
        replaced = previous[0] if previous else None
        started = self._device.now_ps()
        record = SwapRecord(partition.index, module, replaced, ahead, started)
        record.phases_ps["queue"] = started - wanted_ps
        record.phases_ps["quiesce"] = 0
        partition.begin_load()
        self._device.decouple(partition.index)
        decoupled = self._device.now_ps()
        record.phases_ps["decouple"] = decoupled - started
        pending = self._device.begin_load(partition.index, staged, self._port)
        self._in_flight = _InFlight(module, staged, record, pending, previous)

    def finish(self, completion: Completion | None = None) -> None:
        """Wait for the load in flight (unless it has completed), check identity and recouple.

        Raises:
            ReconfigurationError: the load failed or another module answered; the last good
                module is back, or the partition is left decoupled.
        """
        load = self._in_flight
        if load is None:
            return
        try:
            if completion is None:
                completion = self._device.wait(load.pending, timeout_s=self._timeout_s)
            self._activate(load, completion)
        except FpgaRtError as error:
            raise self.fail(error) from error
        self._in_flight = None
        self._good[load.staged.partition] = (load.module, load.staged)
        self.log.swaps.append(load.record)

    def fail(self, error: FpgaRtError) -> FpgaRtError:
        """Give the load in flight up, load the last good module back, return what to raise."""
        load, self._in_flight = self._in_flight, None
        return error if load is None else self._recover(load, error)

    def _activate(self, load: _InFlight, completion: Completion) -> None:
        """Reset, identify and recouple a partition whose load has ended."""
        device, record = self._device, load.record
        partition = self.partitions[load.staged.partition]
        times = [device.now_ps()]
        load_started = record.started_ps + record.phases_ps["decouple"]
        record.phases_ps["load"] = completion.ended_ps - load_started
        record.phases_ps["queue"] += times[0] - completion.ended_ps
        partition.state = State.LOADED
        device.reset(partition.index)
        times.append(device.now_ps())
        answer = device.identify(partition.index)
        times.append(device.now_ps())
        if answer != load.staged.module_id:
            partition.state = State.FAILED
            raise ReconfigurationError(
                f"partition {partition.name} answered identity {answer:#018x} after the load of"
                f" {load.module}, expected {load.staged.module_id:#018x}; it stays decoupled,"
                " rebuild or re-import the bitstream",
                partition.state.value,
            )
        device.recouple(partition.index)
        times.append(device.now_ps())
        for name, before, after in zip(
            ("reset", "identify", "recouple"), times, times[1:], strict=False
        ):
            record.phases_ps[name] = after - before
        record.ended_ps, record.size_bytes = times[-1], completion.size_bytes
        partition.activate(load.module)

    def _recover(self, load: _InFlight, error: FpgaRtError) -> ReconfigurationError:
        """Load the last good module back; return the error to raise."""
        partition = self.partitions[load.staged.partition]
        partition.state, partition.module = State.FAILED, None
        outcome = "no module was there before, it stays decoupled"
        if load.previous is not None:
            name, staged = load.previous
            try:
                self._restore(partition, name, staged, load.module)
                outcome = f"{name} was loaded back"
            except FpgaRtError as second:
                partition.state, partition.module = State.FAILED, None
                outcome = f"loading {name} back failed too ({second}), it stays decoupled"
        return ReconfigurationError(
            f"swap of {load.module} into partition {partition.name} failed: {error}; {outcome}",
            partition.state.value,
        )

    def _restore(self, partition: Partition, module: str, staged: Staged, failed: str) -> None:
        device = self._device
        partition.begin_load()
        device.decouple(partition.index)
        pending = device.begin_load(partition.index, staged, self._port)
        started = device.now_ps()
        record = SwapRecord(partition.index, module, failed, False, started)
        record.phases_ps = {"queue": 0, "decouple": 0}
        completion = device.wait(pending, timeout_s=self._timeout_s)
        self._activate(_InFlight(module, staged, record, pending, None), completion)
        self.log.swaps.append(record)
