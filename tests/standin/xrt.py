"""A stand-in for XRT: what the device uses of pyxrt, and of the C library.

Names, arguments and results are those of XRT's `pyxrt.pyi` and `xrt_kernel.h`; behind them is what
`xrt_logic` or `xrt_rtl` has. What XRT refuses is refused: a load while a compute unit is open or a
buffer object lives, an xclbin of another platform, registers of a unit that is not open or beyond
its range. A load empties the card's memory; that of the xclbin which is there already changes
nothing. The card's memory and the host's are apart: only `sync` moves data. XRT lets a unit be
closed while its program runs; here nothing may do it, for somebody else is given the memory.
"""

from __future__ import annotations

import ctypes
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.boards import Board, board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.contract.kernel import RANGE_BYTES, STATIC_REGION_OFFSET
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.memory import Region
from fpga_rt.device.xrt.library import Library
from fpga_rt.modules.registry import modules
from tests.standin.xrt_logic import EmulatedKernel, Kernel

LOAD_S = 0.02
"""A load ends after the host has looked for its end."""
PLATFORM = "xilinx_u200_gen3x16_xdma_2_202110_1"
CARD_NAME = "xilinx_u200_gen3x16_xdma_base_2"
GARBAGE = 0xA5
BANK, BANK_ADDRESS = 2, 0x50_0000_0000
"""A bank beyond 32 bits, as a U200 has them."""
NORMAL, TO_DEVICE, FROM_DEVICE = 0, 0, 1
_BUSY = "load_xclbin: Device or resource busy"
_ALLOCATED = "load_xclbin: Operation not permitted"
"""The kernel's log says `pre-existing buffer allocations`."""


class _Header(ctypes.LittleEndianStructure):
    """`struct axlf` of xclbin.h up to its sections."""

    _pack_ = 1
    _fields_ = (
        ("magic", ctypes.c_char * 8),
        ("signature_length", ctypes.c_int32),
        ("reserved", ctypes.c_ubyte * 28),
        ("key_block", ctypes.c_ubyte * 256),
        ("unique_id", ctypes.c_uint64),
        ("length", ctypes.c_uint64),
        ("time_stamp", ctypes.c_uint64),
        ("feature_rom_time_stamp", ctypes.c_uint64),
        ("version", ctypes.c_uint32),
        ("mode", ctypes.c_uint32),
        ("interface_uuid", ctypes.c_ubyte * 16),
        ("platform", ctypes.c_char * 64),
        ("uuid", ctypes.c_ubyte * 16),
        ("debug_bin", ctypes.c_char * 16),
        ("sections", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
    )


class _Section(ctypes.LittleEndianStructure):
    """`struct axlf_section_header`."""

    _pack_ = 1
    _fields_ = (
        ("kind", ctypes.c_uint32),
        ("name", ctypes.c_char * 16),
        ("reserved", ctypes.c_ubyte * 4),
        ("offset", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
    )


def xclbin(bitstream: bytes, platform: str = PLATFORM, number: int = 1000) -> bytes:
    """Return an xclbin of two sections: metadata, then the bitstream."""
    metadata = b"<project/>"
    start = ctypes.sizeof(_Header) + 2 * ctypes.sizeof(_Section)
    sections = bytes(_Section(2, b"meta", offset=start, size=len(metadata)))
    sections += bytes(_Section(0, b"ocl", offset=start + len(metadata), size=len(bitstream)))
    header = _Header(b"xclbin2", sections=2, platform=platform.encode())
    header.length = start + len(metadata) + len(bitstream)
    header.uuid[:] = UUID(int=number).bytes
    return bytes(header) + sections + metadata + bitstream


class Machine:
    """A machine with one card.

    Attributes:
        refusals: message by what is refused: `load`, `sync`, `kernel`, `register`.
        loaded: UUIDs of the xclbins, in the order in which they were loaded.
        interrupted: how many units were closed while their program ran.
        asked: how often it was asked for a load, also of what was there.
        units: compute units that are open.
        moved: by how much buffer objects lie elsewhere than before.
        objects: buffer objects that somebody refers to.
    """

    def __init__(
        self, target: Board, make: Callable[[Board], Kernel] = EmulatedKernel, cards: int = 1
    ) -> None:
        """Plug the card in; nothing is loaded. `make` makes what is in its User partition."""
        self.target = target
        self.cards = cards
        self.refusals: dict[str, str] = {}
        self.loaded: list[UUID] = []
        self.interrupted = self.asked = 0
        self.units = 0
        self.moved = 0
        self.objects: weakref.WeakSet[_BufferObject] = weakref.WeakSet()
        self._bank: Region | None = None
        self._kernel = make(target)

    @property
    def library(self) -> Library:
        """XRT of this machine."""
        return Library(_pyxrt(self), _core(self))

    def refuse(self, what: str) -> None:
        """Raise what a test wants to be raised."""
        if what in self.refusals:
            raise RuntimeError(self.refusals[what])

    def bank(self, size_bytes: int = 0) -> Region:
        """Return the bank; it is as large as the first buffer object in it."""
        if self._bank is None:
            data = np.full(size_bytes, GARBAGE, np.uint8)
            self._bank = Region("bank", BANK_ADDRESS + self.moved, data)
        return self._bank

    def load(self, loaded: _Xclbin) -> None:
        """Put an xclbin into the User partition."""
        if self.units:
            raise RuntimeError(_BUSY)
        if self.objects:
            raise RuntimeError(_ALLOCATED)
        self.refuse("load")
        time.sleep(LOAD_S)
        if loaded.platform != PLATFORM:
            raise RuntimeError("load_xclbin: Invalid argument: shell does not match")
        self.asked += 1
        there = self.loaded[-1:] == [loaded.uuid]
        if self._bank is not None:
            if not there:
                self._bank.data[:] = GARBAGE
            self._bank = Region("bank", BANK_ADDRESS + self.moved, self._bank.data)
        if not there:
            self._kernel.load(loaded.bitstream)
            self.loaded.append(loaded.uuid)

    def read(self, offset: int) -> int:
        """Return a register."""
        _check(offset)
        return self._kernel.read(offset, self.bank())

    def write(self, offset: int, value: int) -> None:
        """Set a register."""
        _check(offset)
        self._kernel.write(offset, value, self.bank())

    def runs(self) -> bool:
        """Tell whether a program does."""
        status = STATIC_REGION["sequencer_status"]
        value = self._kernel.read(STATIC_REGION_OFFSET + status.offset, self.bank())
        return bool(status.unpack(value)["busy"])

    def close(self) -> None:
        """Unplug the card."""
        self._kernel.close()


def _check(offset: int) -> None:
    """Refuse what XRT refuses."""
    assert 0 <= offset <= RANGE_BYTES - 4, "Cannot read or write outside kernel register space"


class _Xclbin:
    """`pyxrt.xclbin`."""

    def __init__(self, path: str) -> None:
        data = Path(path).read_bytes()
        header = _Header.from_buffer_copy(data)
        self.platform: str = header.platform.decode()
        self.uuid = UUID(bytes=bytes(header.uuid))
        at = ctypes.sizeof(_Header) + ctypes.sizeof(_Section)
        section = _Section.from_buffer_copy(data, at)
        self.bitstream = data[section.offset : section.offset + section.size]

    def get_mems(self) -> list[SimpleNamespace]:
        def bank(index: int, used: bool) -> SimpleNamespace:
            return SimpleNamespace(get_index=lambda: index, get_used=lambda: used)

        return [bank(BANK - 1, False), bank(BANK, True)]

    def get_xsa_name(self) -> str:
        return self.platform

    def get_uuid(self) -> _Uuid:
        return _Uuid(self.uuid)


class _Uuid:
    """`pyxrt.uuid`."""

    def __init__(self, value: UUID) -> None:
        self._value = value

    def to_string(self) -> str:
        return str(self._value)


class _Device:
    """`pyxrt.device`."""

    def __init__(self, machine: Machine, index: int) -> None:
        assert index < machine.cards
        self._machine = machine

    def get_info(self, key: str) -> str:
        return {"name": CARD_NAME}[key]

    def load_xclbin(self, loaded: _Xclbin) -> _Uuid:
        self._machine.load(loaded)
        return loaded.get_uuid()

    def get_xclbin_uuid(self) -> _Uuid:
        return _Uuid(self._machine.loaded[-1])


class _BufferObject:
    """`pyxrt.bo`: memory of the host, and of the card."""

    def __init__(
        self, machine: Machine, device: _Device, size: int, flags: int, group: int
    ) -> None:
        assert (flags, group) == (NORMAL, BANK)
        self._machine = machine
        self._card = machine.bank(size)
        self._host = np.full(size, GARBAGE, np.uint8)
        machine.objects.add(self)

    def address(self) -> int:
        return self._card.base

    def size(self) -> int:
        return len(self._host)

    def write(self, data: Any, seek: int) -> None:  # noqa: ANN401 - a buffer
        part = np.frombuffer(data, np.uint8)
        self._host[seek : seek + len(part)] = part

    def read(self, size: int, skip: int) -> NDArray[np.int8]:
        received: NDArray[np.int8] = self._host[skip : skip + size].view(np.int8).copy()
        return received

    def sync(self, direction: int, size: int, offset: int) -> None:
        machine, there = self._machine, slice(offset, offset + size)
        host, card = self._host[there], self._card.data[there]
        del self  # XRT's frames are in no traceback, and keep nothing alive
        machine.refuse("sync")
        if direction == TO_DEVICE:
            card[:] = host
        else:
            host[:] = card


def _pyxrt(machine: Machine) -> SimpleNamespace:
    buffer_object: Any = partial(_BufferObject, machine)
    buffer_object.flags = SimpleNamespace(normal=NORMAL)
    return SimpleNamespace(
        enumerate_devices=lambda: machine.cards,
        device=partial(_Device, machine),
        xclbin=_Xclbin,
        bo=buffer_object,
        xclBOSyncDirection=SimpleNamespace(
            XCL_BO_SYNC_BO_TO_DEVICE=TO_DEVICE, XCL_BO_SYNC_BO_FROM_DEVICE=FROM_DEVICE
        ),
        xrt_info_device=SimpleNamespace(name="name"),
    )


def _core(machine: Machine) -> SimpleNamespace:
    """Return functions that take what ctypes would have passed on."""
    devices, kernels = {1}, {2}

    def opened(device: int, identity: Any, name: bytes) -> int:  # noqa: ANN401 - a ctypes array
        known = machine.loaded and bytes(identity) == machine.loaded[-1].bytes
        if "kernel" in machine.refusals or not known or name != b"fpga_rt" or machine.units:
            return 0
        machine.units += 1
        return 2

    def closed(kernel: int) -> int:
        machine.units -= 1
        machine.interrupted += machine.runs()
        return 0

    def read(kernel: int, offset: int, value: Any) -> int:  # noqa: ANN401 - a ctypes reference
        if kernel not in kernels or "register" in machine.refusals:
            return -22
        value._obj.value = machine.read(offset)
        return 0

    def write(kernel: int, offset: int, value: int) -> int:
        if kernel not in kernels:
            return -22
        machine.write(offset, value)
        return 0

    functions: Mapping[str, Callable[..., int]] = {
        "xrtDeviceOpen": lambda index: 1,
        "xrtDeviceClose": lambda device: 0 if device in devices else -1,
        "xrtPLKernelOpenExclusive": opened,
        "xrtKernelClose": closed,
        "xrtKernelReadRegister": read,
        "xrtKernelWriteRegister": write,
    }
    return SimpleNamespace(**functions)


@contextmanager
def installed(
    name: str = "alveo-u200-xrt", make: Callable[[Board], Kernel] = EmulatedKernel
) -> Iterator[tuple[Machine, Path]]:
    """Yield a machine with a card, and a folder with an xclbin of every module."""
    target = board(name)
    with TemporaryDirectory() as folder:
        for number, module in enumerate(modules(), start=1):
            stream = simulation_bitstream(target.device, target.partitions[0], module.module_id)
            path = Path(folder) / f"{module.name}.xclbin"
            path.write_bytes(xclbin(stream, number=number))
        with closing(Machine(target, make)) as machine:
            yield machine, Path(folder)
            assert not machine.interrupted
