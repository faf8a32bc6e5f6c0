"""The life of a swap: quiesce, decouple, load, reset, identify, recouple, and what if it fails.

A partition is recoupled only after the module in it has answered with the identity that was asked
for. After a failure it stays decoupled, and the last good module is loaded back.
"""

from __future__ import annotations

from dataclasses import dataclass

from fpga_rt.device.interface import Device, Pending, Staged
from fpga_rt.errors import DeviceError, FpgaRtError, ReconfigurationError
from fpga_rt.runtime.partition import Partition, State
from fpga_rt.runtime.records import Log, SwapRecord


@dataclass
class _InFlight:
    module: str
    staged: Staged
    record: SwapRecord
    pending: Pending | None
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
    def loading(self) -> tuple[int, int] | None:
        """Partition and module identity of the load in flight."""
        load = self._in_flight
        return None if load is None else (load.staged.partition, load.staged.module_id)

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
            ReconfigurationError: the partition did not decouple, or the load did not start; the
                last good module is back, or the partition is left decoupled.
        """
        if self._in_flight is not None:
            raise DeviceError(
                f"load of {module} while {self._in_flight.module} is being loaded: one at a time;"
                " finish the load in flight first"
            )
        previous = self._good.get(staged.partition)
        record = SwapRecord(
            staged.partition,
            module,
            previous[0] if previous else None,
            ahead,
            self._device.now_ps(),
            size_bytes=staged.bitstream_bytes,
        )
        record.phases_ps["queue"] = record.started_ps - wanted_ps
        load = _InFlight(module, staged, record, None, previous)
        try:
            load.pending = self._begin(staged, record)
        except FpgaRtError as error:
            raise self._recover(load, error) from error
        self._in_flight = load

    def _begin(self, staged: Staged, record: SwapRecord) -> Pending:
        """Quiesce, decouple and start the port, and note how long each took."""
        device, partition = self._device, self.partitions[staged.partition]
        times = [device.now_ps()]
        device.quiesce(partition.index)
        times.append(device.now_ps())
        device.decouple(partition.index)
        times.append(device.now_ps())
        partition.begin_load()
        for name, before, after in zip(("quiesce", "decouple"), times, times[1:], strict=False):
            record.phases_ps[name] = after - before
        return device.begin_load(partition.index, staged, self._port)

    def finish(self, completed: bool = False) -> None:
        """Wait for the load in flight (unless it has completed), check identity and recouple.

        Raises:
            ReconfigurationError: the load failed or another module answered; the last good
                module is back, or the partition is left decoupled.
        """
        load = self._in_flight
        if load is None:
            return
        try:
            if not completed and load.pending is not None:
                self._device.wait(load.pending, timeout_s=self._timeout_s)
            self._activate(load)
        except FpgaRtError as error:
            raise self.fail(error) from error
        self._in_flight = None
        self._good[load.staged.partition] = (load.module, load.staged)
        self.log.swaps.append(load.record)

    def fail(self, error: FpgaRtError) -> FpgaRtError:
        """Give the load in flight up, load the last good module back, return what to raise."""
        load, self._in_flight = self._in_flight, None
        return error if load is None else self._recover(load, error)

    def _activate(self, load: _InFlight) -> None:
        """Reset, identify and recouple a partition whose load has ended."""
        device, record = self._device, load.record
        partition = self.partitions[load.staged.partition]
        times = [device.now_ps()]
        before = record.phases_ps["quiesce"] + record.phases_ps["decouple"]
        record.phases_ps["load"] = times[0] - record.started_ps - before
        partition.state = State.LOADED
        device.reset(partition.index)
        times.append(device.now_ps())
        answer = device.identify(partition.index)
        times.append(device.now_ps())
        if answer != load.staged.module_id:
            raise ReconfigurationError(
                f"partition {partition.name} answered identity {answer:#018x} after the load of"
                f" {load.module}, expected {load.staged.module_id:#018x}; it stays decoupled,"
                " rebuild or re-import the bitstream",
                State.FAILED.value,
            )
        device.recouple(partition.index)
        times.append(device.now_ps())
        for name, before, after in zip(
            ("reset", "identify", "recouple"), times, times[1:], strict=False
        ):
            record.phases_ps[name] = after - before
        record.ended_ps = times[-1]
        partition.activate(load.module, answer)

    def _recover(self, load: _InFlight, error: FpgaRtError) -> ReconfigurationError:
        """Load the last good module back; return the error to raise."""
        load.record.outcome, load.record.ended_ps = "failed", self._device.now_ps()
        self.log.swaps.append(load.record)
        partition = self.partitions[load.staged.partition]
        partition.fail()
        outcome = "no module was there before, the partition stays decoupled"
        if load.previous is not None:
            name, staged = load.previous
            try:
                self._restore(name, staged, load.module)
                outcome = f"{name} was loaded back"
            except FpgaRtError as second:
                partition.fail()
                outcome = f"loading {name} back failed too ({second}), it stays decoupled"
        return ReconfigurationError(
            f"swap of {load.module} into partition {partition.name} failed: {error}; {outcome}",
            partition.state.value,
        )

    def _restore(self, module: str, staged: Staged, failed: str) -> None:
        started = self._device.now_ps()
        record = SwapRecord(
            staged.partition,
            module,
            failed,
            False,
            started,
            size_bytes=staged.bitstream_bytes,
            outcome="restored",
        )
        record.phases_ps["queue"] = 0
        pending = self._begin(staged, record)
        self._device.wait(pending, timeout_s=self._timeout_s)
        self._activate(_InFlight(module, staged, record, pending, None))
        self.log.swaps.append(record)
