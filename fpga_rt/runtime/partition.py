"""A partition as the runtime sees it: its state, and handles that go stale when it is swapped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fpga_rt.errors import ExecutionError


class State(str, Enum):
    """States of a partition; only `ACTIVE` runs programs."""

    EMPTY = "empty"
    LOADING = "loading"
    LOADED = "loaded"
    ACTIVE = "active"
    FAILED = "failed"


@dataclass(frozen=True)
class Handle:
    """The right to use a module while it stays in its partition."""

    partition: int
    module: str
    generation: int


@dataclass
class Partition:
    """State of one partition; every load begins a new generation."""

    index: int
    name: str
    state: State = State.EMPTY
    module: str | None = None
    module_id: int = 0
    generation: int = 0

    @property
    def active_module(self) -> str | None:
        """Name of the module that can run programs, None while there is none."""
        return self.module if self.state is State.ACTIVE else None

    @property
    def active_id(self) -> int | None:
        """Identity of the module that can run programs, None while there is none."""
        return self.module_id if self.state is State.ACTIVE else None

    def begin_load(self) -> None:
        """Start a generation; every handle given out before is stale."""
        self.generation += 1
        self.state = State.LOADING
        self.module, self.module_id = None, 0

    def fail(self) -> None:
        """Note that the partition holds nothing usable and stays decoupled."""
        self.state = State.FAILED
        self.module, self.module_id = None, 0

    def activate(self, module: str, module_id: int) -> None:
        """Note that a module answered with its identity and is coupled."""
        self.state = State.ACTIVE
        self.module, self.module_id = module, module_id

    def handle(self) -> Handle:
        """Return a handle to the active module.

        Raises:
            ExecutionError: no module is active.
        """
        if self.active_module is None:
            raise ExecutionError(
                f"partition {self.name} is {self.state.value}, expected active; load a module"
            )
        return Handle(self.index, self.active_module, self.generation)

    def check(self, handle: Handle) -> None:
        """Refuse a handle from before the last load.

        Raises:
            ExecutionError: the handle is stale.
        """
        if handle.generation != self.generation or self.state is not State.ACTIVE:
            raise ExecutionError(
                f"stale handle to {handle.module} in partition {self.name}: generation"
                f" {handle.generation}, the partition is {self.state.value} in generation"
                f" {self.generation}; ask the runtime for a new handle"
            )
