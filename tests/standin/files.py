"""The files of the stand-in's kernel, and what reading and writing them does."""

from __future__ import annotations

import errno
import os
import select
import stat
import struct
from collections.abc import Callable, MutableSequence
from dataclasses import dataclass

import mfusepy

from fpga_rt.arch.boards import Board
from tests.standin.board import MEMORY_BASE, StandInBoard
from tests.standin.fpga_manager import RELEASE, ModelledManager
from tests.standin.uio import Uio

ADDRESS_SPACE_BYTES = 1 << 32
_UIO = "/dev/uio0"
_MACHINES = {
    "7-series": (b"xlnx,zynq-7000", "Xilinx Zynq FPGA Manager", "armv7l"),
    "UltraScale+": (b"xlnx,zynqmp", "Xilinx ZynqMP FPGA Manager", "aarch64"),
}


@dataclass(frozen=True)
class File:
    """A file: its mode, and what serves it; an absent side refuses with EACCES, as sysfs does."""

    mode: int
    show: Callable[[], bytes] | None = None
    store: Callable[[bytes], None] | None = None


def fixed(content: bytes) -> File:
    """Return a file that always reads the same."""
    return File(0o444, lambda: content)


def kernel_files(
    board: Board, hardware: StandInBoard, manager: ModelledManager, memory_bytes: int
) -> dict[str, File]:
    """Return every file of `/sys` and `/proc` by path."""
    compatible, driver, machine = _MACHINES[board.device.family.name]
    fpga, buffer, tree = (
        "/sys/class/fpga_manager/fpga0/",
        "/sys/class/u-dma-buf/udmabuf0/",
        "/proc/device-tree/",
    )

    def synchronise(for_device: bool) -> Callable[[bytes], None]:
        def store(text: bytes) -> None:
            offset, size_bytes = divmod(int(text, 16), 1 << 32)
            hardware.synchronise(offset, size_bytes & ~15, for_device=for_device)

        return store

    def give_icap(text: bytes) -> None:
        if text.split() != [b"0xFFCA3008", b"0x1", b"0x0"]:
            raise OSError(errno.EACCES, "config_reg")
        hardware.pcap_has_port = False

    def state() -> bytes:
        return f"{manager.state}\n".encode()

    def flags() -> bytes:
        return f"{manager.flags:x}\n".encode()

    files = {
        fpga + "name": fixed(f"{driver}\n".encode()),
        fpga + "state": File(0o444, state),
        fpga + "flags": File(0o644, flags, manager.store_flags),
        fpga + "firmware": File(0o200, None, manager.store_firmware),
        buffer + "driver_version": fixed(b"3.2.5\n"),
        buffer + "phys_addr": fixed(f"{MEMORY_BASE:#018x}\n".encode()),
        buffer + "size": fixed(f"{memory_bytes}\n".encode()),
        buffer + "dma_coherent": fixed(b"0\n"),
        buffer + "sync_for_cpu": File(0o664, lambda: b"1\n", synchronise(False)),
        buffer + "sync_for_device": File(0o664, lambda: b"0\n", synchronise(True)),
        tree + "compatible": fixed(b"tul,pynq-z2\0" + compatible + b"\0"),
        tree + "chosen/pynq_board": fixed(board.title.encode() + b"\0"),
        "/proc/version": fixed(f"Linux version {RELEASE} ({machine})\n".encode()),
        "/proc/meminfo": fixed(f"CmaTotal: {memory_bytes // 1024} kB\n".encode()),
    }
    if board.device.family.name == "UltraScale+":
        files["/sys/firmware/zynqmp/config_reg"] = File(0o644, lambda: b"0x1\n", give_icap)
    return files


def uio_files(address: int, size_bytes: int) -> dict[str, File]:
    """Return what the generic UIO driver says of its device by path."""
    folder = "/sys/class/uio/uio0/"
    texts = {
        "name": "fpga_rt",
        "version": "devicetree",
        "maps/map0/addr": f"{address:#x}",
        "maps/map0/size": f"{size_bytes:#x}",
    }
    return {folder + name: fixed(f"{text}\n".encode()) for name, text in texts.items()}


class KernelFiles(mfusepy.Operations):  # type: ignore[misc]  # it is Any where it is not installed
    """The file system: `files`, `/dev/mem`, `/dev/uio0`, and `/bus` for what mappings cannot carry.

    The kernel maps no file that it does not cache, so who opens `/dev/uio0` for its registers, with
    O_SYNC as for `/dev/mem`, gets it cached, and who opens it for its interrupt does not.
    """

    use_ns = True

    def __init__(
        self, files: dict[str, File], hardware: StandInBoard, uio: Uio | None = None
    ) -> None:
        """Serve files, the address space of a board, and an interrupt where there is one."""
        self._files = files
        self._hardware = hardware
        self._uio = uio
        self._devices = {"/dev/mem", "/bus"} | ({_UIO} if uio else set())
        self._folders: dict[str, set[str]] = {"/": set()}
        self.forbidden: set[str] = set()
        """Paths that refuse to be opened."""
        for path in (*files, *sorted(self._devices)):
            parts = path.split("/")
            for depth in range(1, len(parts)):
                parent = "/".join(parts[:depth]) or "/"
                self._folders.setdefault(parent, set()).add(parts[depth])

    def getattr(self, path: str, fh: object = None) -> dict[str, int]:
        """Return type, mode and size."""
        if path in self._folders:
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path in self._devices:
            size = ADDRESS_SPACE_BYTES  # Python maps no regular file beyond its end
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": size}
        if path in self._files:
            mode = stat.S_IFREG | self._files[path].mode
            return {"st_mode": mode, "st_nlink": 1, "st_size": 4096}
        raise mfusepy.FuseOSError(errno.ENOENT)

    def readdir(self, path: str, fh: object) -> list[str]:
        """List a folder."""
        return [".", "..", *sorted(self._folders[path])]

    def open(self, path: str, fi: mfusepy.fuse_file_info) -> int:
        """Open a file; sysfs refuses root too what a file does not offer."""
        reads, writes = fi.flags & 3 in (0, 2), fi.flags & 3 in (1, 2)
        file = self._files.get(path)
        lacks = file is not None and (
            (reads and file.show is None) or (writes and file.store is None)
        )
        if lacks or path in self.forbidden:
            raise mfusepy.FuseOSError(errno.EACCES)
        is_mapped = path == "/dev/mem" or (path == _UIO and fi.flags & os.O_SYNC)
        fi.direct_io = int(not is_mapped)
        if path == _UIO and self._uio is not None:
            self._uio.open(fi)
        return 0

    def truncate(self, path: str, length: int, fh: object = None) -> int:
        """Allow it, as sysfs does, without effect."""
        return 0

    def poll(
        self, path: str, fi: mfusepy.fuse_file_info, handle: int | None, ready: MutableSequence[int]
    ) -> int:
        """Tell what an interrupt's file is ready for; every other file always is."""
        ready[0] = select.POLLIN | select.POLLOUT
        if path == _UIO and self._uio is not None:
            ready[0] = self._uio.poll(fi, handle)
        return 0

    def read(self, path: str, size: int, offset: int, fi: mfusepy.fuse_file_info) -> bytes:
        """Read a file, a word of the bus, or an interrupt; pages of what is mapped fault."""
        if path == "/bus" and size == 4:
            return struct.pack("=I", self._hardware.read(offset))
        if path == _UIO and self._uio is not None and not fi.flags & os.O_SYNC:
            return self._uio.read(size, fi)
        file = self._files.get(path)
        if file is None or file.show is None:
            raise mfusepy.FuseOSError(errno.EIO)
        return file.show()[offset : offset + size]

    def write(self, path: str, data: bytes, offset: int, fi: object) -> int:
        """Write a file, or a word of the bus."""
        if path == "/bus" and len(data) == 4:
            self._hardware.write(offset, *struct.unpack("=I", data))
            return 4
        if path == _UIO and self._uio is not None:
            self._uio.write(data)
            return len(data)
        file = self._files.get(path)
        if file is None or file.store is None:
            raise mfusepy.FuseOSError(errno.EIO)
        try:
            file.store(data)
        except OSError as error:
            raise mfusepy.FuseOSError(error.errno) from error
        return len(data)
