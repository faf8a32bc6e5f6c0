"""The emulated sequencer: one submission at a time, on the virtual clock.

A program that ends well takes the cycles of the gateware and leaves the same bytes. One that fails
has the gateware's error, partition and command, but differs in what happens before:

- An error in what a header or a ring says (HEADER, BUS of a ring, SEQUENCE, a descriptor that no
  formula fits) is found at the doorbell: nothing runs, and the host hears it after the time of an
  empty program. The gateware meets a bad descriptor when it fetches it, some commands ahead: what
  ended by then has written its outputs and counts as completed.
- An error that a command meets while it runs (BUS, MODULE) leaves what began before it, to the end,
  and nothing of what begins later; with a batch, iterations that run together do so (`batching`).
  `completed` counts what ended before that command began. The host hears it when the whole program
  would have ended. The gateware stops everything a few cycles into the command.
- A deadlock runs all that can run, as in the gateware.
- What is aborted writes nothing; the gateware has written what it came to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fpga_rt.arch.boards import Board
from fpga_rt.arch.ports import Interval
from fpga_rt.contract.sequencer import COMPLETION_CYCLES, header_cycles
from fpga_rt.contract.static_region import SequencerError
from fpga_rt.device.emulated_partition import EmulatedPartition
from fpga_rt.device.faults import Faults
from fpga_rt.device.memory import ByteMemory
from fpga_rt.device.program import Occupant, Program, ProgramError, fetch


@dataclass
class _Run:
    """A submission between its doorbell and its end; `ended_ps` None: it never ends."""

    started_ps: int
    ended_ps: int | None
    program: Program | None
    failure: ProgramError | None


class EmulatedSequencer:
    """Fetches at the doorbell, executes when the clock passes the end."""

    def __init__(
        self,
        board: Board,
        memory: ByteMemory,
        partitions: Sequence[EmulatedPartition],
        faults: Faults,
    ) -> None:
        """Make an idle sequencer."""
        self.done = False
        self.bank = 0
        self.failure: ProgramError | None = None
        self.last: Program | None = None
        self._board = board
        self._memory = memory
        self._partitions = partitions
        self._faults = faults
        self._run: _Run | None = None
        self._started = 0
        self._last_ps = (0, 0)
        self._in_dram: list[Interval] = []

    @property
    def busy(self) -> bool:
        """Tell whether a submission runs."""
        return self._run is not None

    @property
    def ended_ps(self) -> int | None:
        """When the running submission ends, or the last one did; None when it never does."""
        return self._run.ended_ps if self._run else self._last_ps[1]

    def start(self, address: int, now_ps: int) -> None:
        """Take a doorbell."""
        if self.busy:
            return
        self._started += 1
        self.done, self.failure, self.last = False, None, None
        for partition in self._partitions:
            partition.error = (SequencerError.NONE, 0)
        program, failure = None, None
        cycles = header_cycles(self._board.dram) + COMPLETION_CYCLES
        try:
            program = self._fetch(address)
            cycles = program.timeline.total
        except ProgramError as error:
            failure = error
        ended_ps: int | None = now_ps + cycles * self._board.clock_ps
        if program and program.features_in_dram:
            self._in_dram.append((now_ps, now_ps + cycles * self._board.clock_ps))
        if self._faults.loses("program", self._started):
            ended_ps = None
        self._run = _Run(now_ps, ended_ps, program, failure)

    def advance(self, now_ps: int) -> None:
        """Execute and end the submission if its end has come."""
        run = self._run
        if run is None or run.ended_ps is None or run.ended_ps > now_ps:
            return
        failure, ended_ps = run.failure, run.ended_ps
        if run.program is not None:
            try:
                run.program.run(self._memory)
            except ProgramError as error:
                failure = error
                if error.start_cycles is not None:
                    ended_ps = run.started_ps + error.start_cycles * self._board.clock_ps
        self._finish(run, failure, ended_ps)

    def stop(self, code: SequencerError, partition: int, why: str, now_ps: int) -> None:
        """Abort the running submission, if there is one; its outputs are not written."""
        if self._run is None:
            return
        if self._in_dram and self._run.program and self._run.program.features_in_dram:
            self._in_dram[-1] = (self._run.started_ps, now_ps)
        self._finish(self._run, ProgramError(why, code, partition), now_ps)

    def uses(self, partition: int) -> bool:
        """Tell whether the running submission has a ring for a partition."""
        return bool(self._run and self._run.program and partition in self._run.program.occupants)

    def completed(self, partition: int, now_ps: int) -> int:
        """Return the commands that a partition has completed since the last doorbell."""
        program = self._run.program if self._run else self.last
        if program is None or partition not in program.occupants:
            return 0
        started_ps, ended_ps = (self._run.started_ps, now_ps) if self._run else self._last_ps
        cycles = (ended_ps - started_ps) // self._board.clock_ps
        return int(np.count_nonzero(program.timeline.end[partition] <= cycles))

    def busy_ps(self) -> Mapping[int, tuple[int, int]]:
        """Return first start and last end of each partition in the last submission."""
        if self.last is None:
            return {}
        origin, clock = self._last_ps[0], self._board.clock_ps
        times = self.last.timeline
        return {
            partition: (
                origin + int(times.start[partition].min()) * clock,
                origin + times.released(partition) * clock,
            )
            for partition in times.start
            if times.start[partition].size
        }

    def in_dram(self, since_ps: int) -> Sequence[Interval]:
        """Return when programs used feature maps in DRAM, and forget what ended before."""
        self._in_dram = [interval for interval in self._in_dram if interval[1] > since_ps]
        return self._in_dram

    def _fetch(self, address: int) -> Program:
        def occupant(partition: int) -> Occupant:
            if partition >= len(self._partitions):
                raise ProgramError(
                    f"the header has a ring for partition {partition}, expected"
                    f" 0..{len(self._partitions) - 1}; compile for {self._board.name}",
                    SequencerError.HEADER,
                    partition,
                )
            return self._partitions[partition].occupant()

        return fetch(self._memory, address, occupant, self._board.dram, self._board.on_chip)

    def _finish(self, run: _Run, failure: ProgramError | None, ended_ps: int) -> None:
        self._run, self._last_ps = None, (run.started_ps, ended_ps)
        self.done, self.last, self.failure = True, run.program, failure
        if failure is not None:
            if failure.partition < len(self._partitions):
                self._partitions[failure.partition].error = (failure.code, failure.command)
        elif run.program is not None:
            self.bank = run.program.submission.bank
