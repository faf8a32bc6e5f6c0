"""An emulated reconfigurable partition: its state, what is in its frames, and what it answers."""

from __future__ import annotations

import hashlib

from fpga_rt.contract.static_region import PartitionState, SequencerError
from fpga_rt.device.program import Occupant, ProgramError
from fpga_rt.modules.registry import by_identity

_HOLDS_MODULE = (PartitionState.LOADED, PartitionState.ACTIVE)


class EmulatedPartition:
    """One partition. `content` is the identity in its frames, None while they hold anything."""

    def __init__(self, index: int) -> None:
        """Make it empty and decoupled, as after the static region was loaded."""
        self.index = index
        self.state = PartitionState.EMPTY
        self.decoupled = True
        self.in_reset = False
        self.content: int | None = 0
        self.error = (SequencerError.NONE, 0)
        self._loads = 0
        self._was_reset = False

    @property
    def identity(self) -> int:
        """What the module answers: bits that nobody can foresee while there is none."""
        return self._garbage if self.content is None else self.content

    @property
    def _garbage(self) -> int:
        seed = f"partition {self.index} load {self._loads}".encode()
        return int.from_bytes(hashlib.sha256(seed).digest()[:8], "big")

    def control(self, decouple: bool, reset: bool) -> None:
        """Take the host's write to the control register."""
        if decouple:
            self.decoupled = True
            if self.state == PartitionState.ACTIVE:
                self.state = PartitionState.LOADED
        elif self.state in _HOLDS_MODULE:
            self.decoupled = False
            self.state = PartitionState.ACTIVE
        self.in_reset = reset
        self._was_reset |= reset and self.state in _HOLDS_MODULE

    def begin_load(self) -> None:
        """Go to LOADING, unless a module could be disturbed."""
        if self.decoupled:
            self.state = PartitionState.LOADING
            self._loads += 1
            self._was_reset = False

    def end_load(self, well: bool) -> None:
        """Take the host's word on how a load ended."""
        if self.state == PartitionState.LOADING:
            self.state = PartitionState.LOADED if well else PartitionState.FAILED

    def occupant(self) -> Occupant:
        """Return what runs here.

        Raises:
            ProgramError: nothing can run, and why.
        """
        if self.state != PartitionState.ACTIVE:
            raise ProgramError(
                f"partition {self.index} is {self.state.name.lower()}"
                f" and {'decoupled' if self.decoupled else 'coupled'}, expected active;"
                " load, reset and recouple it before submitting",
                SequencerError.PARTITION,
                self.index,
            )
        module = by_identity().get(self.identity)
        if module is None:
            raise ProgramError(
                f"partition {self.index} holds module {self.identity:#018x}, which no installed"
                " package knows; install the package that has it, or load another module",
                SequencerError.MODULE,
                self.index,
            )
        return Occupant(module, None if self._was_reset else self._garbage)
