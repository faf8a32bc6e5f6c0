"""The process of the stand-in: `unshare -Urm python -m tests.standin.server BOARD FOLDER [...]`.

It says `ready` on its output, then answers a JSON object on each line of its input with one on a
line of its output, and ends with its input.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import mfusepy
import numpy as np

from fpga_rt.arch import boards
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.pynq.device import BASE_ADDRESS
from tests.standin.board import MakeLogic, StandInBoard
from tests.standin.files import KernelFiles, kernel_files, uio_files
from tests.standin.fpga_manager import ModelledManager
from tests.standin.logic import EmulatedLogic
from tests.standin.uio import Uio

MEMORY_BYTES = 8 << 20
FIRMWARE_BYTES = 4 << 20
_TICK_S = 0.001


class Control:
    """What a test may ask for beside the files."""

    def __init__(
        self,
        hardware: StandInBoard,
        manager: ModelledManager,
        files: KernelFiles,
        uio: Uio | None = None,
    ) -> None:
        """Control these."""
        self._hardware = hardware
        self._manager = manager
        self._files = files
        self._uio = uio or Uio()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what `do` names, and tell what has been."""
        manager = self._manager
        if request["do"] == "reset":
            self._hardware.reset(cached=request["cached"])
            manager.reset()
            self._uio.reset()
            self._files.forbidden.clear()
        elif request["do"] == "fail":
            manager.fault = (request["state"], request["errno"])
        elif request["do"] in ("hold", "release"):
            (manager.may_go_on.clear if request["do"] == "hold" else manager.may_go_on.set)()
        elif request["do"] == "slow":
            manager.load_s = request["seconds"]
        elif request["do"] == "forbid":
            self._files.forbidden.add(request["path"])
        elif request["do"] == "become":
            manager.state, manager.flags = request["state"], request["flags"]
        elif request["do"] == "take port":
            self._hardware.pcap_has_port = True
        elif request["do"] == "interrupt":
            self._uio.edge()
        elif request["do"] == "break interrupt":
            self._uio.broken = True
        return {
            "loads": manager.loads,
            "most_at_once": manager.most_at_once,
            "pcap_has_port": self._hardware.pcap_has_port,
            "accesses": self._hardware.accesses,
        }


def _serve(control: Control, is_mounted: Path) -> None:
    while not is_mounted.exists():
        threading.Event().wait(0.01)
    print("ready", flush=True)  # noqa: T201 - the protocol
    for line in sys.stdin:
        print(json.dumps(control.answer(json.loads(line))), flush=True)  # noqa: T201
    os._exit(0)  # the file system's loop ends no other way


def _mount(folder: Path, size_bytes: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={size_bytes},mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)


def _tick(hardware: StandInBoard) -> None:
    """Let time pass also while nobody reads a register, for whoever waits for an interrupt."""
    while True:
        threading.Event().wait(_TICK_S)
        hardware.tick()


def _lay_out(root: Path) -> None:
    """Make the folders, and links to what the file system serves."""
    _mount(root, 2 * MEMORY_BYTES)
    for folder in ("dev", "run", ".kernel"):
        (root / folder).mkdir()
    _mount(root / "lib/firmware", FIRMWARE_BYTES)
    for name in ("sys", "proc"):
        (root / name).symlink_to(f".kernel/{name}")
    for name in ("mem", "uio0"):
        (root / "dev" / name).symlink_to(f"../.kernel/dev/{name}")


def _logic(name: str) -> MakeLogic:
    if name == "emulator":
        return EmulatedLogic
    from tests.standin.rtl import RtlLogic

    return RtlLogic


def main(arguments: argparse.Namespace) -> None:
    """Mount everything and serve until the input ends."""
    board, root = boards.board(arguments.board), arguments.folder
    address = BASE_ADDRESS[board.device.family.name]
    _lay_out(root)
    with (root / "dev/udmabuf0").open("w+b") as file:
        file.truncate(MEMORY_BYTES)
        memory = np.frombuffer(mmap.mmap(file.fileno(), MEMORY_BYTES), np.uint8)
    hardware = StandInBoard(board, memory, address, _logic(arguments.logic))
    manager = ModelledManager(hardware, root / "lib/firmware")
    entries = kernel_files(board, hardware, manager, MEMORY_BYTES)
    uio = Uio() if arguments.uio else None
    if uio is not None:
        entries |= uio_files(address, STATIC_REGION.size_bytes)
        hardware.on_interrupt = uio.edge
        threading.Thread(target=_tick, args=(hardware,), daemon=True).start()
    files = KernelFiles(entries, hardware, uio)
    waiting = (Control(hardware, manager, files, uio), root / ".kernel/bus")
    threading.Thread(target=_serve, args=waiting, daemon=True).start()
    mfusepy.FUSE(files, str(root / ".kernel"), foreground=True, raw_fi=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.standin.server")
    parser.add_argument("board")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--logic", choices=("emulator", "rtl"), default="emulator")
    parser.add_argument("--uio", action="store_true", help="registers and interrupt through UIO")
    return parser.parse_args()


if __name__ == "__main__":
    main(_arguments())
