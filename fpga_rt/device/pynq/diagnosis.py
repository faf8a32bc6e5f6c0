"""What of a Zynq board's kernel is there, looked at without touching the FPGA."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from fpga_rt.arch.boards import Board
from fpga_rt.device.diagnosis import Finding, file_finding
from fpga_rt.device.pynq import overlay
from fpga_rt.device.pynq.buffers import udmabuf
from fpga_rt.device.pynq.kernel import MACHINE, Kernel
from fpga_rt.errors import DeviceError

_AS_ROOT = "run it as root: sudo fpga-rt ..."
_VENDOR_KERNEL = (
    "boot the vendor's kernel (a PYNQ image has it): mainline's FPGA manager takes no file"
)
_STAGED_BYTES = 64 << 20
"""Room for some tens of partial bitstreams."""


def diagnose(board: Board, kernel: Kernel) -> Iterable[Finding]:
    """Return what is there of what the device needs.

    Args:
        board: that is meant.
        kernel: where its interfaces lie.
    """
    yield _machine(board, kernel)
    yield Finding("kernel", " ".join(_first_line(kernel.root / "proc/version").split()[:3]))
    yield from _fpga_manager(kernel)
    yield _firmware_folder(kernel)
    yield _registers(kernel)
    yield _memory(kernel)
    yield _interrupt(kernel)
    if board.device.family.name != "7-series":
        yield file_finding(
            "the ICAP: registers of the platform firmware",
            kernel.firmware_registers,
            "use port pcap; port icap needs PMU firmware built with SECURE_ACCESS_VAL=1",
            _AS_ROOT,
            required=False,
        )
    yield _pynq(board)
    yield _lock(kernel)


def _machine(board: Board, kernel: Kernel) -> Finding:
    model = _first_line(kernel.root / "proc/device-tree/model")
    wanted = MACHINE.get(board.device.family.name, "xlnx,zynq-7000 or xlnx,zynqmp")
    found = kernel.compatible
    if not found:
        return Finding("board", "no device tree", f"run it on the board, {board.title}")
    words = f"{model or 'no model'} ({', '.join(found)})"
    if wanted in found:
        return Finding("board", words)
    return Finding("board", words, f"name the board that this is with --board; {board.name} is"
                   f" {wanted}")  # fmt: skip


def _fpga_manager(kernel: Kernel) -> Iterator[Finding]:
    folder = kernel.fpga_manager
    name = _first_line(folder / "name")
    state = _first_line(folder / "state")
    if not name:
        yield Finding("configuration port", f"no {folder}", _VENDOR_KERNEL)
        return
    yield Finding("configuration port", f"{name}, state {state or 'unknown'}")
    for file in ("firmware", "flags"):
        yield file_finding(f"loads: {file}", folder / file, _VENDOR_KERNEL, _AS_ROOT)


def _firmware_folder(kernel: Kernel) -> Finding:
    folder, subject = kernel.firmware, "staged bitstreams"
    finding = file_finding(subject, folder, f"mkdir -p {folder}", _AS_ROOT)
    if finding.remedy:
        return finding
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    found = f"{finding.found}, {free >> 20:,} MiB free"
    full = free < _STAGED_BYTES
    return Finding(subject, found, f"make room: rm {folder}/fpgart_*.bin" if full else "")


def _registers(kernel: Kernel) -> Finding:
    uio, subject = kernel.named("uio", "fpga_rt"), "registers"
    if uio is not None:
        node = kernel.node(uio)
        return file_finding(f"{subject}: UIO", node, "modprobe uio_pdrv_genirq", _AS_ROOT)
    return file_finding(
        f"{subject}: physical memory", kernel.memory,
        "add a UIO device named fpga_rt to the device tree, or a kernel with /dev/mem", _AS_ROOT,
    )  # fmt: skip


def _memory(kernel: Kernel) -> Finding:
    subject, load = "contiguous memory", "modprobe u-dma-buf udmabuf0=67108864"
    try:
        entry = udmabuf(kernel)
    except DeviceError as error:
        found, _, remedy = str(error).partition("; ")
        return Finding(subject, found, remedy)
    if entry is not None:
        size = _first_line(entry / "size") or "0"
        release = _first_line(kernel.root / "sys/module/u_dma_buf/version") or "unknown version"
        finding = file_finding(subject, kernel.node(entry), load, _AS_ROOT)
        text = f"{entry.name}, {int(size) >> 20} MiB, {release}: {finding.found}"
        return Finding(subject, text, finding.remedy)
    installed = overlay.installed()
    if installed:
        return Finding(subject, f"no u-dma-buf; pynq.allocate of PYNQ {installed}")
    return Finding(subject, "neither u-dma-buf nor PYNQ", load)


def _interrupt(kernel: Kernel) -> Finding:
    uio, subject = kernel.named("uio", "fpga_rt"), "interrupt of programs"
    if uio is not None:
        return Finding(subject, f"UIO {uio.name}")
    return Finding(
        subject, "no UIO device named fpga_rt: programs are polled for",
        "add one to the device tree (compatible \"generic-uio\")", required=False,
    )  # fmt: skip


def _pynq(board: Board) -> Finding:
    found, subject = overlay.installed(), "PYNQ, for clocks as its .hwh states them"
    family = board.device.family.name
    why = overlay.unable(found, family)
    if why is None:
        return Finding(subject, found)
    wanted = "pip install 'fpga-rt[pynq]'" if family == "7-series" else "pip install pynq"
    return Finding(subject, why, wanted, required=False)


def _lock(kernel: Kernel) -> Finding:
    owner, folder = _owner(kernel), kernel.lock.parent
    if owner:
        return Finding(
            "the FPGA is free", f"process {owner} has it",
            f"close it there (`ps {owner}` says what it is); the lock, {kernel.lock}, ends with its"
            " process",
        )  # fmt: skip
    return file_finding("the FPGA is free: lock", folder, f"mkdir -p {folder}", _AS_ROOT)


def _owner(kernel: Kernel) -> str:
    """Return the process that holds the lock, empty for none; its file outlives it.

    The kernel's list is read: to try the lock would keep it from a process that opens the device
    right then.
    """
    try:
        inode = str(kernel.lock.stat().st_ino)
        locks = (kernel.root / "proc/locks").read_text()
    except OSError:  # nobody ever had it, or the kernel does not tell
        return ""
    for words in map(str.split, locks.splitlines()):  # 1: FLOCK ADVISORY WRITE 812 fe:00:4711 0 EOF
        if words[1:2] == ["FLOCK"] and len(words) > 5 and words[5].rpartition(":")[2] == inode:
            return words[4]
    return ""


def _first_line(path: Path) -> str:
    """Return the first line of a small file of the kernel, empty when it cannot be read."""
    try:
        return path.read_text(errors="replace").strip("\0\n ").split("\n")[0]
    except OSError:
        return ""
