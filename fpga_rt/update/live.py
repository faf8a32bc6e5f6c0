"""A network that is updated while it runs.

    with fpga_rt.open_device("emulator") as device, fpga_rt.Runtime(device) as runtime:
        live = Live(runtime, Store("store"))
        answer = live.run(image)            # says which version made it
        live.apply(package)                 # from this thread or another one

Checking a package, writing the disk and writing parameters need no part of the device that
computes, so inferences go on meanwhile; test vectors run between them, in the new parameter bank,
so no inference ever sees a version before it has passed. Then the version is made the active one
on the disk, and the next inference reads the new bank.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import FpgaRtError, UpdateError
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.update.admission import Candidate
from fpga_rt.update.placed import Answer, Place, Placed
from fpga_rt.update.store import Store
from fpga_rt.update.vectors import Codes, codes_digest, expected_outputs


@dataclass(frozen=True)
class Applied:
    """What an update did.

    Attributes:
        version: what runs.
        replaced: what ran before.
        package_bytes: what was sent.
        parameter_bytes: what all parameters of the network take on the device.
        new_program: whether programs or modules changed too, not parameters alone.
        vectors: test vectors that it passed.
        self_test_ps: device time that they took.
        accepted_ps: device time at which the package had been checked and was accepted.
    """

    version: int
    replaced: int
    package_bytes: int
    parameter_bytes: int
    new_program: bool
    vectors: int
    self_test_ps: int
    accepted_ps: int


class Live:
    """The active version of a store, on a device; one thread may update it while another runs it.

    It alone uses its runtime, and alone changes its store.
    """

    def __init__(self, runtime: Runtime, store: Store) -> None:
        """Load the active version, with room for an update of its parameters.

        Raises:
            UpdateError: the store is damaged, or another process is changing it.
            DeviceError: the version is for another board, or device memory is full.
        """
        with store.changing():
            active = store.state.active
        self._store = store
        self._placed = Placed(runtime, store.deployment(active), active.number)

    @property
    def version(self) -> int:
        """Number of the version that an inference would run that began now."""
        return self._placed.number

    @property
    def deployment(self) -> Deployment:
        """The deployment of that version."""
        return self._placed.place.deployment

    def run(self, values: NDArray[np.generic]) -> Answer:
        """Run a batch in the model file's layout, see `Network.encode_input`.

        Input and output codes are those of the version that runs it, whatever comes meanwhile.

        Raises:
            ExecutionError: wrong shape or type, or a program failed.
            ReconfigurationError: a swap failed.
        """
        return self._placed.run(values)

    def apply(self, package: bytes) -> Applied:
        """Check, store and try an update, and switch to it; inferences go on meanwhile.

        Raises:
            UpdateError: it was refused, or failed its self-test, and what runs has not changed; or
                the disk failed behind the commit, and it runs, as the message and `version` say.
            ToolchainError: what verifies signatures is not installed.
        """
        return self.begin(package).finish()

    def begin(self, package: bytes) -> Update:
        """Return an update that goes on only as its steps are asked for."""
        return Update(self._store, self._placed, package)

    def confirm(self) -> int:
        """Run the first test vector by the active version; return when its right answer was there.

        Returns:
            Device time in picoseconds.

        Raises:
            UpdateError: the answer is not that of golden execution.
            ExecutionError: a program failed.
            ReconfigurationError: a swap failed.
        """
        vector, number = self._store.vectors[:1], self.version
        outputs, _ = self._placed.outputs(self._placed.place, vector)
        answered_ps = self._placed.now_ps
        if not np.array_equal(outputs, expected_outputs(self.deployment, vector)):
            raise UpdateError(
                f"version {number}, which runs, answers a test vector otherwise than golden"
                " execution does; check the device: fpga-rt selfcheck",
                "self-test",
            )
        return answered_ps

    def rollback(self) -> int:
        """Go back to the version before, and return its number.

        Raises:
            UpdateError: there is none, it is damaged, or another process is changing the store.
        """
        store, placed = self._store, self._placed
        with store.changing():
            version = store.earlier()
            place = placed.put(store.deployment(version))
            try:
                store.rollback()
            except BaseException:
                if store.state.active == version:  # it failed, or ended, behind the disk's change
                    placed.switch(place, version.number)
                else:
                    placed.withdraw(place)
                raise
            placed.switch(place, version.number)
        return version.number


class Update:
    """An update on its way, in steps between which a program may do something else.

    A step is bounded by what it has to compute or to write, never by waiting for more than the
    inference that runs. An update that is dropped half-way has changed nothing; one that is dropped
    behind the commit has been applied.

    Attributes:
        result: what the update did, None until it has been applied.
        needs_device: whether the next step waits for the inference that runs, if one does.
    """

    def __init__(self, store: Store, placed: Placed, package: bytes) -> None:
        """Begin; nothing is done before the first step."""
        self.result: Applied | None = None
        self.needs_device = False
        self._store = store
        self._placed = placed
        self._tested: Applied | None = None
        self._steps = self._carry_out(package)

    def step(self) -> bool:
        """Do the next step; False when there was none left to do.

        Raises:
            UpdateError: the update was refused, or failed its self-test, and nothing has changed;
                or the disk failed behind the commit, and `result` says what the update did.
            ToolchainError: what verifies signatures is not installed.
        """
        needs_device = next(self._steps, None)
        self.needs_device = bool(needs_device)
        return needs_device is not None

    def finish(self) -> Applied:
        """Do all steps that are left, and return what the update did.

        Raises:
            UpdateError: the update was refused, or failed its self-test, and nothing has changed;
                or the disk failed behind the commit, and `result` says what the update did.
            ToolchainError: what verifies signatures is not installed.
        """
        while self.step():
            pass
        if self.result is None:
            raise UpdateError("the update was given up before; begin it again", "busy")
        return self.result

    def cancel(self) -> None:
        """Give the update up, unless it has been committed: then it is applied, see `result`."""
        self._steps.close()

    def _carry_out(self, data: bytes) -> Generator[bool, None, None]:
        """Carry the update out; what is given between steps says whether the next needs the device.

        Disk and device change together in the end: whoever drops this after the commit still gets
        the new version.
        """
        store, placed, replaced = self._store, self._placed, self._placed.number
        candidate = store.admit(data)
        accepted_ps = placed.now_ps
        yield False
        with store.changing():
            store.stage(candidate)
            place: Place | None = None
            try:
                yield not candidate.package.changes.parameters_only
                place = placed.put(candidate.deployment)
                took_ps = yield from self._test(candidate, place)
                self._tested = Applied(
                    candidate.version.number,
                    replaced,
                    candidate.package_bytes,
                    place.model.parameter_bytes,
                    not candidate.package.changes.parameters_only,
                    store.state.vectors_count,
                    took_ps,
                    accepted_ps,
                )
                store.commit(candidate)
                yield True
            except UpdateError as error:
                if self._abandon(candidate, place, error.reason):
                    raise _committed(candidate, error) from error
                raise
            except FpgaRtError as error:
                self._abandon(candidate, place, "self-test")
                raise _failed(candidate, str(error)) from error
            except BaseException:  # interrupted, or dropped half-way
                self._abandon(candidate, place, "interrupted")
                raise
            self._complete(candidate, place)

    def _test(self, candidate: Candidate, place: Place) -> Generator[bool, None, int]:
        """Run the test vectors, a step for each, and return the device time that they took.

        Where modules must be swapped for them they run in one step.

        Raises:
            UpdateError: an output is not what the version's maker computed.
            FpgaRtError: a program or a swap failed.
        """
        vectors = self._store.vectors
        only_parameters = candidate.package.changes.parameters_only
        parts = np.split(vectors, len(vectors)) if only_parameters else [vectors]
        outputs, total_ps = [], 0
        for part in parts:
            yield True
            output, took_ps = self._placed.outputs(place, part)
            outputs.append(output)
            total_ps += took_ps
        yield False
        _compare(candidate, vectors, np.concatenate(outputs))
        return total_ps

    def _complete(self, candidate: Candidate, place: Place) -> None:
        """Let the device follow the disk."""
        self._placed.switch(place, candidate.version.number)
        self.result = self._tested

    def _abandon(self, candidate: Candidate, place: Place | None, why: str) -> bool:
        """Leave disk and device with the version before; or with the new one if that is committed.

        What interrupted a commit may have come after the disk was written.

        Returns:
            Whether it is committed.
        """
        if place is not None and self._store.state.active == candidate.version:
            self._complete(candidate, place)
            return True
        with suppress(OSError, UpdateError):  # the trial is void without that, too
            self._store.abandon(why)
        if place is not None:
            self._placed.withdraw(place)
        return False


def _compare(candidate: Candidate, vectors: Codes, outputs: Codes) -> None:
    """Refuse a version whose outputs on the device are not those that its maker computed.

    Raises:
        UpdateError: they are not.
    """
    if codes_digest(outputs) == candidate.package.outputs:
        return
    golden = expected_outputs(candidate.deployment, vectors)
    wrong = int((outputs != golden).any(axis=1).sum())
    problem = f"{wrong} of {len(vectors)} outputs differ from golden execution"
    if not wrong:
        problem = "the outputs are those of golden execution here, but not those in the package"
    raise _failed(candidate, problem)


def _committed(candidate: Candidate, error: UpdateError) -> UpdateError:
    return UpdateError(
        f"version {candidate.package.version} runs, but may not after a power cut: {error}; find"
        " out what is active with fpga-rt update status",
        error.reason,
    )


def _failed(candidate: Candidate, problem: str) -> UpdateError:
    return UpdateError(
        f"version {candidate.package.version} failed its self-test on the device: {problem}; the"
        " version before goes on; find out why with fpga-rt run --compare golden",
        "self-test",
    )
