"""One load by hand: decouple, load, reset, identify, recouple, and how long each took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from fpga_rt.arch.boards import Board
from fpga_rt.contract import static_region
from fpga_rt.contract.sequencer import REGISTER_CYCLES
from fpga_rt.device.interface import Completion, Device, Staged
from fpga_rt.errors import ReconfigurationError
from fpga_rt.selfcheck.bitstreams import Candidate

PORT_PHASES = ("setup", "transfer", "contention")
"""From the start of the port to the end of the load."""


@dataclass(frozen=True)
class Swap:
    """A load that brought its module.

    Attributes:
        partition: index.
        module: name.
        port: configuration port.
        size_bytes: what the port moved.
        phases_ps: by name, in order: decouple, then `queue` and those of the port, then reset,
            identify and recouple.
    """

    partition: int
    module: str
    port: str
    size_bytes: int
    phases_ps: Mapping[str, int]

    @property
    def port_ps(self) -> int:
        """Picoseconds from the start of the port to the end of the load."""
        return sum(self.phases_ps.get(name, 0) for name in PORT_PHASES)

    @property
    def total_ps(self) -> int:
        """Picoseconds from decouple to recouple."""
        return sum(self.phases_ps.values())

    def software_ps(self, board: Board) -> int:
        """Return what is neither the port's nor the register accesses' that a model charges."""
        accesses = sum(static_region.load_accesses(self.port)) + _SWAP_ACCESSES
        return self.total_ps - self.port_ps - accesses * REGISTER_CYCLES * board.clock_ps


_SWAP_ACCESSES = (
    static_region.DECOUPLE_ACCESSES
    + static_region.RESET_ACCESSES
    + static_region.IDENTIFY_ACCESSES
    + static_region.RECOUPLE_ACCESSES
)


def swaps(device: Device, candidate: Candidate, port: str, repeats: int = 1) -> list[Swap]:
    """Load a module `repeats` times, and leave it active.

    Raises:
        PortUnavailableError: the device does not offer the port, or cannot have it.
        FpgaRtError: the bitstream is refused, a load fails, or another module answers; the
            partition is left decoupled.
    """
    stream = candidate.read()
    size = candidate.port_bytes(stream)
    staged = stage(device, candidate, stream)
    try:
        return [
            Swap(
                candidate.partition,
                candidate.module.name,
                port,
                size,
                _phases(device, candidate, staged, port),
            )
            for _ in range(repeats)
        ]
    finally:
        device.unstage(staged)


def _phases(device: Device, candidate: Candidate, staged: Staged, port: str) -> Mapping[str, int]:
    partition = candidate.partition
    times = [device.now_ps()]
    device.quiesce(partition)
    device.decouple(partition)
    times.append(device.now_ps())
    pending = device.begin_load(partition, staged, port)
    completion = device.wait(pending)
    times.append(device.now_ps())
    device.reset(partition)
    times.append(device.now_ps())
    check_identity(device, candidate)
    times.append(device.now_ps())
    device.recouple(partition)
    times.append(device.now_ps())
    decouple, load, reset, identify, recouple = (
        after - before for before, after in pairwise(times)
    )
    # What a load takes beside its phases (looking at its end, the word to the partition) is
    # software: `queue` has it, so that the phases add up to the swap.
    return {
        "decouple": decouple,
        "queue": load - port_ps(completion),
        **{name: completion.phases_ps.get(name, 0) for name in PORT_PHASES},
        "reset": reset,
        "identify": identify,
        "recouple": recouple,
    }


def stage(device: Device, candidate: Candidate, stream: bytes) -> Staged:
    """Stage a candidate's bitstream, and say which module it is: a vendor's does not.

    Raises:
        FpgaRtError: it is refused.
    """
    module_id = candidate.module.module_id
    return device.stage(stream, candidate.partition, candidate.static_id, module_id)


def check_identity(device: Device, candidate: Candidate) -> None:
    """Compare what a partition answers with the module that was loaded.

    Raises:
        ReconfigurationError: another module answers.
    """
    answer, expected = device.identify(candidate.partition), candidate.module.module_id
    if answer != expected:
        raise ReconfigurationError(
            f"partition {candidate.partition} answered identity {answer:#018x} after the load of"
            f" {candidate.module.name}, expected {expected:#018x}; it stays decoupled, rebuild or"
            " re-import the bitstream",
            "loaded",
        )


def port_ps(completion: Completion) -> int:
    """Return the picoseconds from the start of the port to the end of a load."""
    return sum(completion.phases_ps.get(name, 0) for name in PORT_PHASES)
