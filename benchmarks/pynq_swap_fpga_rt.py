"""Swaps of the device `pynq` over plain files, see `pynq_swap_board`; prints JSON.

    python -m benchmarks.pynq_swap_fpga_rt COUNT PARTIAL.bit PARTIAL.bit

The registers answer from a dictionary what those of a partition answer in a swap that goes well.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import pynq_swap_board
from benchmarks.counting import Taken, taken_us
from fpga_rt.arch.boards import Board, board
from fpga_rt.arch.floorplan import place
from fpga_rt.bitstream.locate import locate
from fpga_rt.bitstream.read import frames, parse
from fpga_rt.contract.static_region import STATIC_REGION, PartitionState
from fpga_rt.device.interface import Staged
from fpga_rt.device.pynq.device import BASE_ADDRESS, Pynq
from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.device.pynq.registers import RegisterWindow
from fpga_rt.runtime.records import Log
from fpga_rt.runtime.swap import Swapper

STAGES = 11
_SETTLED_S = 0.1
"""After this a file's times tell whether it has changed, and its digest is not taken again."""
_MEMORY_BYTES = 8 << 20
_OFFSET = {name: STATIC_REGION[f"partition0_{name}"].offset for name in ("control", "load")}
_STATUS = STATIC_REGION["partition0_status"]
_IDENTITY = STATIC_REGION["partition0_module_id"].offset


class Registers(RegisterWindow):
    """What a host needs to be answered in a swap."""

    def __init__(self, window: RegisterWindow) -> None:
        """Begin with what a mapping holds, and keep it to be closed."""
        self._inner = window
        self._values = {
            register.offset: window.read(register.offset)
            for register in (STATIC_REGION["map_id"], STATIC_REGION["capabilities"])
        }
        self._state, self._decoupled = PartitionState.EMPTY, 1

    def hold(self, staged: Staged) -> None:
        """Answer with a module's identity."""
        words = (staged.module_id & 0xFFFF_FFFF, staged.module_id >> 32)
        self._values |= {_IDENTITY + 4 * i: word for i, word in enumerate(words)}

    def read(self, offset: int) -> int:
        """Return a register."""
        if offset == _STATUS.offset:
            return _STATUS.pack(decoupled=self._decoupled, quiescent=1, state=self._state)
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Take a register; `control` and `load` change the status."""
        self._values[offset] = value
        if offset == _OFFSET["control"]:
            self._decoupled = STATIC_REGION["partition0_control"].unpack(value)["decouple"]
        elif offset == _OFFSET["load"]:
            said = STATIC_REGION["partition0_load"].unpack(value)
            self._state = PartitionState.LOADING if said["begin"] else PartitionState.LOADED

    def close(self) -> None:
        """Give the mapping back."""
        self._inner.close()


def main() -> None:
    """Stage, swap, and print how long each took in microseconds."""
    count, *paths = sys.argv[1:]
    partials = [Path(path).read_bytes() for path in paths]
    pynq_swap_board.lay_out()
    target = board_of(partials[0])
    kernel = plain_kernel(target)
    stages = [staging_us(target, kernel, partials[0]) for _ in range(STAGES)]
    with opened(target, kernel) as (device, registers):
        staged = [device.stage(data, 0, module_id=id_) for id_, data in enumerate(partials, 1)]
        time.sleep(_SETTLED_S)
        swaps = list(swaps_us(device, registers, staged, int(count)))
        last = parse(partials[(int(count) - 1) % 2]).words.astype("<u4").tobytes()
        is_right = pynq_swap_board.loaded() == last
    wall, processor = zip(*swaps, strict=True)
    times = {"wall_us": wall, "processor_us": processor, "stage_us": stages}
    print(json.dumps(times | {"is_right": is_right}))


def board_of(partial: bytes) -> Board:
    """Return a PYNQ-Z2 with one partition: the region that a partial is for."""
    target = board("pynq-z2")
    found = frames(parse(partial), target.device)
    region = locate(target.device, found.addresses).rectangles
    return replace(target, partitions=(place(target.device, "rp0", 0, region),))


def plain_kernel(target: Board) -> Kernel:
    """Make what else the device opens: memory, buffers, a place for its lock."""
    root = Path("/sys/board")
    for folder in ("dev", "run"):
        (root / folder).mkdir(parents=True)
    for name in ("sys", "lib"):
        (root / name).symlink_to(f"/{name}")
    entry = Path("/sys/class/u-dma-buf/udmabuf0")
    entry.mkdir(parents=True)
    texts = {"driver_version": "3.2.5", "phys_addr": "0x18000000", "size": f"{_MEMORY_BYTES}"}
    texts |= {"dma_coherent": "0", "sync_for_cpu": "", "sync_for_device": ""}
    for name, text in texts.items():
        (entry / name).write_text(text)
    with (root / "dev/udmabuf0").open("wb") as file:
        file.truncate(_MEMORY_BYTES)
    words = {"map_id": STATIC_REGION.map_id, "capabilities": len(target.partitions)}
    with (root / "dev/mem").open("wb") as file:
        file.truncate(1 << 32)
        for name, value in words.items():
            file.seek(BASE_ADDRESS[target.device.family.name] + STATIC_REGION[name].offset)
            file.write(value.to_bytes(4, "little"))
    return Kernel(root)


@contextmanager
def opened(target: Board, kernel: Kernel) -> Iterator[tuple[Pynq, Registers]]:
    """Open the device and put registers that answer in the place of the mapping."""
    with Pynq(target, kernel=kernel, simulation_bitstreams=True) as device:
        registers = Registers(device._opened.window)
        device._opened.window = registers
        yield device, registers


def staging_us(target: Board, kernel: Kernel, partial: bytes) -> float:
    """Return what it takes to stage a partial that is not there."""
    for path in pynq_swap_board.FIRMWARE.iterdir():
        path.unlink()
    with opened(target, kernel) as (device, _):
        start = time.perf_counter()
        device.stage(partial, 0, module_id=1)
        return (time.perf_counter() - start) * 1e6


def swaps_us(
    device: Pynq, registers: Registers, staged: list[Staged], count: int
) -> Iterator[Taken]:
    """Swap modules that are staged, and yield what each swap took, the first one left out."""
    swapper = Swapper(device, "pcap", Log(), 10.0)

    def swap(one: Staged) -> None:
        swapper.begin(f"module {one.module_id}", one, False, device.now_ps())
        swapper.finish()

    for index in range(-1, count):
        one = staged[index % 2]
        registers.hold(one)
        if index < 0:
            swap(one)
        else:
            yield taken_us(swap, one)


if __name__ == "__main__":
    main()
