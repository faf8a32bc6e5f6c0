"""Compares what two streams write: which frames and words differ, by kind of column."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import BRAM
from fpga_rt.bitstream.expand import Frames

CONTENT = "BRAM content"
INTERCONNECT = "BRAM interconnect"
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class KindDifference:
    """The frames of one kind of column.

    `frames` are written by both streams, `differ` of them with other contents, in `words` words;
    `only_first` and `only_second` count the frames that one stream writes and the other does not.
    """

    kind: str
    frames: int
    differ: int
    words: int
    only_first: int
    only_second: int


@dataclass(frozen=True, eq=False)
class Difference:
    """How two streams differ: `addresses` (n,) int64 FARs of the frames with other contents."""

    kinds: tuple[KindDifference, ...]
    addresses: NDArray[np.int64] = field(repr=False)
    frame_words: int

    @property
    def total(self) -> KindDifference:
        """The sum over all kinds."""
        names = ("frames", "differ", "words", "only_first", "only_second")
        return KindDifference(
            "all", *(sum(getattr(kind, name) for kind in self.kinds) for name in names)
        )

    @property
    def is_empty(self) -> bool:
        """Whether both streams write the same to the same frames."""
        total = self.total
        return not (total.differ or total.only_first or total.only_second)


def difference(first: Frames, second: Frames, device: Device) -> Difference:
    """Compare the frames of two streams for a device; kinds come in the order of their names.

    Where the geometry of the device is unknown, logic is of kind `unknown`.
    """
    common, here, there = np.intersect1d(
        first.addresses, second.addresses, assume_unique=True, return_indices=True
    )
    words = np.count_nonzero(first.words[here] != second.words[there], axis=1)
    alone = (
        np.setdiff1d(first.addresses, second.addresses, assume_unique=True),
        np.setdiff1d(second.addresses, first.addresses, assume_unique=True),
    )
    of_common, *of_alone = (_kinds(device, addresses) for addresses in (common, *alone))
    names = np.unique(np.concatenate([of_common, *of_alone]))
    kinds = tuple(
        KindDifference(
            str(name),
            int(np.count_nonzero(of_common == name)),
            int(np.count_nonzero(words[of_common == name])),
            int(words[of_common == name].sum()),
            *(int(np.count_nonzero(kinds == name)) for kinds in of_alone),
        )
        for name in names
    )
    return Difference(kinds, common[words > 0], device.family.frame_words)


def _kinds(device: Device, addresses: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return (n,): the kind of column of each frame."""
    fields = device.family.address
    names = [INTERCONNECT if kind == BRAM else kind for kind in device.columns]
    table = np.array([*names, _UNKNOWN, CONTENT])
    column = _bits(addresses, fields.column)
    known = np.minimum(column, len(names))
    is_content = _bits(addresses, fields.block_type) == 1
    found: NDArray[np.str_] = table[np.where(is_content, len(names) + 1, known)]
    return found


def _bits(words: NDArray[np.int64], bits: tuple[int, int]) -> NDArray[np.int64]:
    high, low = bits
    field_of: NDArray[np.int64] = words >> low & ((1 << (high - low + 1)) - 1)
    return field_of
