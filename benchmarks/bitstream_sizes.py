"""How far real streams shrink, and how far stand-ins compress.

    python -m benchmarks.bitstream_sizes

For each real stream of a device with geometry: how many times fewer words `shrink` leaves, also
with a single pass and against a sister module of the same region. Then for each board and density
of a stand-in: zlib level 6, runs of equal words, and `shrink`.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np

from benchmarks.datasets import folder
from fpga_rt.arch.boards import board, boards
from fpga_rt.arch.devices import Device, device
from fpga_rt.bitstream.read import frames, parse
from fpga_rt.bitstream.shrink import shrink
from fpga_rt.bitstream.standin import DENSE, SPARSE, stand_in

_DEVICES = {"0x3727093": "xc7z020", "0x4a5a093": "xczu7ev"}
_SISTERS = (
    ("Pynq-Z1__gpio_pr__led_0.bit", "Pynq-Z1__gpio_pr__led_5.bit"),
    ("ZCU104__gpio_pr__led_0.bit", "ZCU104__gpio_pr__led_5.bit"),
    ("Pynq-Z1__prio__partial__pr_0_gpio.bit", "Pynq-Z1__prio__partial__pr_0_uart.bit"),
    ("video__pass_l0.bit", "video__sobel_l0.bit"),
)


def _files(data: Path) -> dict[str, tuple[bytes, Device]]:
    """Return the content and device of the real files of devices with geometry, by name."""
    found = {}
    for entry in json.loads((data / "index.json").read_text()):
        chip = _DEVICES.get(entry.get("idcode", [""])[0])
        if chip:
            found[entry["file"]] = ((data / entry["file"]).read_bytes(), device(chip))
    return found


def _real() -> None:
    files = _files(folder() / "bitstreams")
    print("real stream: shrink, with a single pass")
    for name, (data, chip) in files.items():
        once = shrink(data, chip, single_pass=True)
        print(f"  {name}: {shrink(data, chip).ratio:.2f} {once.ratio:.2f}")
    print("real partial when the other is loaded: shrink, with a single pass")
    for base, module in _SISTERS:
        (first, chip), (second, _) = (
            next(file for name, file in files.items() if name.endswith(end))
            for end in (base, module)
        )
        held = frames(parse(first), chip)
        ratios = [shrink(second, chip, held, single).ratio for single in (False, True)]
        print(f"  {module} over {base}: {ratios[0]:.2f} {ratios[1]:.2f}")


def _stand_ins() -> None:
    print("stand-in, density: bytes, zlib 6, runs of words, shrink")
    for name in boards():
        target = board(name)
        if target.estimate:
            continue
        for density in (SPARSE, 0.5, DENSE):
            data = stand_in(target.device, target.partitions[0], 1, density)
            words = np.frombuffer(data, ">u4").astype(np.int64)
            runs = 1 + np.count_nonzero(np.diff(words))
            ratios = (len(data) / len(zlib.compress(data, 6)), len(words) / runs)
            shrunk = shrink(data, target.device).ratio
            print(
                f"  {name} rp0, {density}: {len(data):,} {ratios[0]:.1f} {ratios[1]:.1f} "
                f"{shrunk:.2f}"
            )


if __name__ == "__main__":
    _real()
    _stand_ins()
