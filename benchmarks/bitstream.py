"""Reading and verifying bitstreams, one core: every CRC, every rule, every frame address."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable

import numpy as np

from benchmarks import datasets
from benchmarks.measurement import Measurement
from fpga_rt.arch.devices import device
from fpga_rt.arch.floorplan import Rectangle, place
from fpga_rt.bitstream.build import Form, build
from fpga_rt.bitstream.expand import Frames, frame_order
from fpga_rt.bitstream.read import frames, parse
from fpga_rt.bitstream.sequence import PAD
from fpga_rt.bitstream.verify import verify, verify_partial

RUNS = 15
FULL = "byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio__prio.bit"
PARTIAL = "yunqu-partial_reconfig_example/boards__Pynq-Z1__gpio_pr__led_0.bit"
COMPRESSED = "trabucayre-openFPGALoader/spiOverJtag__spiOverJtag_xcku040-ffva1156.bit.gz"
THREE_DIES = "trabucayre-openFPGALoader/spiOverJtag__spiOverJtag_xcvu9p-flga2104.bit.gz"
_REGION = [Rectangle((34, 35), ("Y2",)), Rectangle((38, 43), ("Y2",)), Rectangle((34, 43), ("Y1",))]


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    return datasets.obstacle()


def run() -> list[Measurement]:
    """Return milliseconds a file, median of several runs; data in memory, geometry loaded."""
    z020 = device("xc7z020")
    full, partial, compressed, dies = map(_content, (FULL, PARTIAL, COMPRESSED, THREE_DIES))
    region = place(z020, "led", 0, _REGION)
    built = _built_compressed()
    chip = device("xck26")
    peers = "byteman 11 ms, no CRC, accepts a flipped bit; prjxray 40-120 ms, no CRC"
    slow = "a walk packet by packet 446 ms (KR260, 2 MB)"
    return [
        _timed("verify a full xc7z020", full, lambda: verify(full, z020), 40, peers),
        _timed("verify a compressed full xck26", built, lambda: verify(built, chip), 60, slow),
        _timed(
            "parse a compressed full xcku040, all CRCs", compressed, lambda: parse(compressed), 60
        ),
        _timed("verify a partial", partial, lambda: verify_partial(partial, z020, region)),
        _timed("parse a partial, all CRCs", partial, lambda: parse(partial), 10),
        _timed("frames of a full xc7z020", full, lambda: frames(parse(full), z020)),
        _timed("parse three dies of an xcvu9p, all CRCs", dies, lambda: parse(dies)),
    ]


def _content(name: str) -> bytes:
    data = (datasets.folder() / "bitstreams" / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def _built_compressed() -> bytes:
    """Return a compressed full stream of 2 MB: 600 frames of their own, the others alike."""
    chip = device("xck26")
    sequence = frame_order(chip).run(0, chip.full_stream_frames)
    addresses = sequence[sequence != PAD]
    chance = np.random.default_rng(1)
    words = np.zeros((len(addresses), chip.family.frame_words), np.uint32)
    own = chance.permutation(len(addresses))[:600]
    words[own] = chance.integers(0, 1 << 32, (len(own), words.shape[1]), dtype=np.uint32)
    return build(chip, Frames(addresses, words), Form.FULL_COMPRESSED)


def _timed(
    what: str, data: bytes, work: Callable[[], object], goal: float | None = None, note: str = ""
) -> Measurement:
    work()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    value = sorted(times)[RUNS // 2] * 1e3
    how = f"{len(data) / 1e6:.2f} MB, median of {RUNS}"
    return Measurement(what, value, "ms", "wall", goal, note=f"{how}; {note}" if note else how)
