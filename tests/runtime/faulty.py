"""Emulators that compute something wrong in one place."""

from __future__ import annotations

from fpga_rt.contract.command import COMMAND, COMMAND_BYTES, Segment
from fpga_rt.contract.submission import Submission
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Pending

MEMORY_BYTES = 16 << 20


class FlippedWeight(Emulator):
    """A byte of the weights segment is not what the host wrote."""

    def __init__(self, offset: int, mask: int) -> None:
        """Flip the bits of `mask` at an offset of the segment."""
        super().__init__("pynq-z2", memory_bytes=MEMORY_BYTES)
        self._byte, self._mask = offset, mask

    def submit(self, submission: Submission) -> Pending:
        """Flip once, then submit."""
        address = submission.segments[Segment.WEIGHTS].base + self._byte
        self._region.memory.window(address, 1, "a fault")[0] ^= self._mask
        self._mask = 0
        return super().submit(submission)


class WrongAddress(Emulator):
    """A command's output goes some bytes further than it should."""

    def __init__(self, launch: int, partition: int, command: int, by_bytes: int) -> None:
        """Move the output of a command of a launch's ring."""
        super().__init__("pynq-z2", memory_bytes=MEMORY_BYTES)
        self._launches, self._command, self._by_bytes = launch, (partition, command), by_bytes

    def submit(self, submission: Submission) -> Pending:
        """Change the descriptor in memory once, then submit."""
        if self._launches == 0:
            partition, command = self._command
            address = submission.rings[partition].address + command * COMMAND_BYTES
            stored = self._region.memory.window(address, COMMAND_BYTES, "a fault")
            fields = COMMAND.decode(stored.tobytes())
            fields["output"] += self._by_bytes
            stored[:] = bytearray(COMMAND.encode(fields))
        self._launches -= 1
        return super().submit(submission)
