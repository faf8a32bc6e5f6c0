"""What frames do to the partitions, told again in Python: an oracle for the configuration port.

Written from docs/reference/configuration-port.md and the geometry of `fpga_rt`, without the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from fpga_rt.arch.boards import Board
from fpga_rt.arch.devices import PAD_FRAMES
from fpga_rt.arch.families import SERIES7, FrameAddress
from fpga_rt.arch.floorplan import cells
from fpga_rt.arch.partials import written_runs
from fpga_rt.bitstream.expand import frame_order
from fpga_rt.bitstream.read import identity_words
from fpga_rt.bitstream.sequence import PAD

CLOCK_BIT = 1 << 17
_RESET_MASK = 2
_HELD, _REPLACED = "clocks are held", "frames are replaced"


class Geometry:
    """The frames of a board's device: in which order they come, and whose they are."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.device = board.device
        order = frame_order(self.device)
        self._sequence = order.run(0, order.length).tolist()
        self.owner: dict[int, int] = {}
        self.beside: dict[int, int] = {}
        for partition in board.partitions:
            bit = 1 << partition.index
            own = set(order.partition(partition).tolist())
            runs = written_runs(self.device, cells(self.device, partition))
            for far in own:
                self.owner[far] = self.owner.get(far, 0) | bit
            for far in set(order.listed(runs).tolist()) - own:
                self.beside[far] = self.beside.get(far, 0) | bit

    @cached_property
    def positions(self) -> dict[int, int]:
        """Where each FAR stands in the order, pads counted."""
        return {far: n for n, far in enumerate(self._sequence) if far != PAD}

    @cached_property
    def mask_frames(self) -> int:
        """Frames of the 7-series reset mask, which are no configuration memory."""
        is_old = self.device.family is SERIES7
        return len(self.device.rows) * (len(self.device.columns) + PAD_FRAMES) if is_old else 0

    def at(self, position: int) -> int | None:
        """Return the FAR at a position, None for a pad or behind the last frame."""
        if position >= len(self._sequence) or self._sequence[position] == PAD:
            return None
        return int(self._sequence[position])

    def is_mask(self, far: int) -> bool:
        """Tell whether a FAR is the start of the reset mask."""
        first = self.device.family.address.encode(FrameAddress(_RESET_MASK, 0, 0))
        return bool(self.mask_frames) and far == first


class LoadOracle:
    """Loads: which partitions carry garbage, and when one has ended clean."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._phase: tuple[str, int] | None = None  # of a load of several segments, and whose
        self._identities: dict[int, tuple[int, int | None]] = {}  # lowest FAR and what it names
        self.garbage = 0
        self.far_error = 0
        self._open = False  # frames were written and the segment has not ended clean
        self.begin_segment()

    def begin_segment(self) -> None:
        """Take a sync word; frames of a segment that did not end clean end a load of several."""
        if self._open:
            self._phase = None
        self._open = False
        self._candidates = -1
        self._broken = self._shut_down = False
        self._frames = self._uncovered = 0
        self._under_clock_bit = True
        if self._phase is None:
            self._identities = {}

    def shut_down(self) -> None:
        """Take CMD SHUTDOWN."""
        self._shut_down = True

    def reset_crc(self) -> None:
        """Take CMD RCRC: frames that no CRC covered are never covered."""
        self._broken |= self._uncovered > 0

    def good_crc(self) -> None:
        """Take a right CRC."""
        self._uncovered = 0

    def fail(self) -> None:
        """Take a wrong CRC or IDCODE."""
        self._broken = True

    def write(self, far: int, words: Sequence[int], ctl1: int) -> None:
        """Write a frame to an address, which the device may not have."""
        owner = self._geometry.owner.get(far, 0)
        self._candidates &= owner | self._geometry.beside.get(far, 0)
        if not self._candidates:
            self.far_error = 1
            self._broken = True
        self._frames += 1
        self._open = True
        self._uncovered += 1
        self._under_clock_bit &= bool(ctl1 & CLOCK_BIT)
        self.garbage |= owner
        for partition in range(len(self._geometry.board.partitions)):
            if owner >> partition & 1:
                self._identify(partition, far, words)

    def desync(self) -> tuple[int, int] | None:
        """Take CMD DESYNC; return partition and identity if a load has ended clean."""
        if not self._frames or self._broken or self._uncovered:
            return None
        self._open = False
        whose = self._candidates & self.garbage
        partition = (whose & -whose).bit_length() - 1
        if partition < 0 or not self._last_segment(partition):
            return None
        self._phase = None
        self.garbage &= ~(1 << partition)
        self.far_error = 0
        return partition, self._identities[partition][1] or 0

    def _last_segment(self, partition: int) -> bool:
        """Tell whether a clean segment with frames ends a load."""
        if self._geometry.mask_frames:
            return True
        if self._under_clock_bit:
            ends = self._phase == (_REPLACED, partition)
            self._phase = None if ends else (_HELD, partition)
            return ends
        if self._phase in ((_HELD, partition), (_REPLACED, partition)) and self._shut_down:
            self._phase = (_REPLACED, partition)
            return False
        return True

    def _identify(self, partition: int, far: int, words: Sequence[int]) -> None:
        lowest = self._identities.get(partition, (far, None))[0]
        if far <= lowest:
            module = words[1] << 32 | words[2]
            good = tuple(words[:6]) == identity_words(module, partition)
            self._identities[partition] = (far, module if good else None)
