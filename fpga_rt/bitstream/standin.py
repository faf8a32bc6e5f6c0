"""Stand-ins for the partials of vendor tools: real sizes and real entropy, no design in them.

For studies of loading latency where no vendor tools are at hand. How well a partial compresses
depends on how full its region is. `density` sets that, from a sparse demonstration design (zlib
level 6 shrinks it 23 times) to a module that fills its region (2.3 times; a DPU and an FFT on a K26
were measured at 2.0 and 2.4). On the 7-series the first pass of a partial is close to
blank and its reset mask nearly empty, so a whole stream compresses about twice as well.

Model: a share of the frames is blank, a share of the words of the others is zero, and the rest are
random words with few bits set. Never load one into a device: the contents are no valid design.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import SERIES7
from fpga_rt.arch.floorplan import Partition, cells
from fpga_rt.arch.partials import Cell, runs
from fpga_rt.bitstream.build import Form, build
from fpga_rt.bitstream.ecc import with_ecc
from fpga_rt.bitstream.expand import Frames, frame_order
from fpga_rt.bitstream.read import identity_words
from fpga_rt.bitstream.reset_form import written_addresses
from fpga_rt.errors import ArtifactError

SPARSE, DENSE = 0.0, 1.0
"""Densities of a small demonstration design and of a module that fills its region."""

_USED_FRAMES = (0.5, 0.85)
_SET_WORDS = (0.1, 0.8)
_RICH_WORDS = 0.5
_CLUMP_FRAMES = 8
"""Shares at `SPARSE` and `DENSE`: frames that are not blank, words of those that are not zero; and
words with 3/16 instead of 1/16 of their bits set, at `DENSE`. Blank frames come in clumps. Fitted
to the ratios above, and to what run lengths (10 and 1.3 times) and multi-frame writes (2 and 1.2)
save on the same real files."""


def stand_in(
    device: Device,
    partition: Partition,
    module_id: int,
    density: float = DENSE,
    seed: int = 0,
    region: Collection[Cell] | None = None,
) -> bytes:
    """Return a partial of `partition.bitstream_bytes` bytes that carries a module's identity.

    It has the form of a vendor partial that resets its region. The identity is in the first frame
    that it writes of the partition, laid out as `read.identity_words`. Same arguments, same bytes.

    Args:
        device: A device of known geometry.
        partition: What it is for.
        module_id: 64-bit identity of the module.
        density: From `SPARSE` to `DENSE`.
        seed: Another seed, other contents.
        region: What it resets and writes, if less than the partition; its length is then
            `arch.partials.stream_bytes` of it, and `verify` takes it for this region only.

    Raises:
        ArtifactError: The geometry of the device is unknown.
        ValueError: `density` is not between 0 and 1, the identity does not fit, or the region
            leaves the partition.
    """
    if not SPARSE <= density <= DENSE:
        raise ValueError(f"density {density} is not between {SPARSE} and {DENSE}")
    identity = identity_words(module_id, partition.index)
    if partition.is_estimate:
        raise ArtifactError(
            f"partition {partition.name!r} of {device.name} has declared figures and no frames; "
            "use a board whose geometry is known"
        )
    entropy = [seed, module_id, partition.index]
    whole = cells(device, partition)
    region = whole if region is None else frozenset(region)
    if not region or region - whole:
        raise ValueError(f"the region is no part of partition {partition.name!r}")
    inside = np.sort(frame_order(device).listed(runs(device, region)))
    module = _contents(device, len(inside), density, [*entropy, 0])
    module[0, : len(identity)] = identity
    if device.family is SERIES7:
        others, surroundings = inside, SPARSE
    else:
        others, surroundings = np.setdiff1d(written_addresses(device, region), inside), density
    beside = _contents(device, len(others), surroundings, [*entropy, 1])
    return build(
        device,
        _with_ecc(device, inside, module),
        Form.RESET,
        region=region,
        background=_with_ecc(device, others, beside),
    )


def _with_ecc(device: Device, addresses: NDArray[np.int64], words: NDArray[np.uint32]) -> Frames:
    """Return frames with the ECC that those of block type 0 have on the 7-series."""
    if device.family is SERIES7:
        is_logic = addresses >> SERIES7.address.block_type[1] == 0
        words[is_logic] = with_ecc(words[is_logic])
    return Frames(addresses, words)


def _contents(device: Device, count: int, density: float, entropy: list[int]) -> NDArray[np.uint32]:
    """Return (count, frame words) uint32 contents; block RAM content is like the rest."""
    shape = (count, device.family.frame_words)
    generator = np.random.PCG64(np.random.SeedSequence(entropy))

    def draw(*size: int) -> NDArray[np.uint32]:
        total = int(np.prod(size))
        raw = generator.random_raw((total + 1) // 2).astype("<u8")
        return raw.view("<u4").astype(np.uint32)[:total].reshape(size)

    def share(probability: float, *size: int) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = draw(*size) < probability * float(1 << 32)
        return chosen

    used = _USED_FRAMES[0] + (_USED_FRAMES[1] - _USED_FRAMES[0]) * density
    is_set = _SET_WORDS[0] * (_SET_WORDS[1] / _SET_WORDS[0]) ** density
    clumps = np.repeat(share(used, count // _CLUMP_FRAMES + 1), _CLUMP_FRAMES)[:count]
    keep = share(is_set, *shape) & clumps[:, np.newaxis]
    few = draw(*shape) & draw(*shape)
    more, less = draw(*shape), draw(*shape)
    rich = share(_RICH_WORDS * density, *shape)
    bits = few & np.where(rich, more | less, more & less)
    return np.where(keep, np.maximum(bits, 1), 0).astype(np.uint32)
