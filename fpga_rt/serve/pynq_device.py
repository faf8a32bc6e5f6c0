"""The simulated board in process: a `pynq.Device`, for PYNQ notebooks without a board.

Ref: PYNQ 3.1, pynq/pl_server/device.py and pynq/buffer.py
Document: what `Overlay`, `MMIO` and `allocate` ask of a device with the capability REGISTER_RW

    board = attach(fpga_rt.open_device("emulator", "pynq-z2"))
    overlay = pynq.Overlay(board.overlay)
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fpga_rt.device.interface import Device
from fpga_rt.errors import DeviceError, FpgaRtError, ToolchainError
from fpga_rt.serve.board import PynqBoard
from fpga_rt.serve.clients import Client, add
from fpga_rt.serve.designs import read_design, write_overlay
from fpga_rt.serve.fpga_manager import FIRMWARE_FOLDER, FOLDER
from fpga_rt.serve.hwh import check_regions

_WORD_BYTES = 4
_METADATA = {"armv7l": "_HWHZynq", "aarch64": "_HWHUltrascale"}
"""PYNQ's class for the metadata of a partial, by machine; it picks by the machine it runs on."""

Pynq = Any
"""What PYNQ gives or takes; it has no types."""


def attach(device: Device, designs: Sequence[str] = ()) -> Pynq:
    """Put a simulated board around a device, and make it the one that PYNQ uses from here on.

    Args:
        device: of a Zynq board; it is opened if it is not, and nothing else uses it meanwhile.
        designs: `FILE.bit` or `FILE.bit@REGION`, as for `fpga-rt pynq-server --design`.

    Returns:
        The `pynq.Device`, a `SimulatedBoard` too.

    Raises:
        DeviceError: the board has no processor, or the device cannot be opened.
        ArtifactError: a design cannot be read.
        ToolchainError: PYNQ is not installed.
    """
    make = _device_class()
    known = [read_design(one) for one in designs]
    device.open()
    try:
        simulated = make(PynqBoard(device, known))
    except FpgaRtError:
        device.close()
        raise
    make.__mro__[-2].active_device = simulated  # pynq.Device: all but `object` comes before it
    return simulated


class SimulatedBoard:
    """What a `pynq.Device` does, on a simulated board; PYNQ's own class is mixed in.

    Attributes:
        overlay: .bit of the static region's overlay, its .hwh beside it.
        name: of the board.
        arch: of its processor, `armv7l` or `aarch64`.
        capabilities: for PYNQ: registers are read and written by calls.
    """

    def __init__(self, board: PynqBoard) -> None:
        """Offer a board; `detach` closes its device."""
        device: Pynq = super()
        device.__init__(f"fpga_rt_{board.target.name}")
        self._board = board
        self._client = Client("in process")
        self._folder = tempfile.TemporaryDirectory(prefix="fpga_rt_")
        bit, _ = write_overlay(board.target, Path(self._folder.name))
        self.overlay = str(bit)
        self.name = board.target.title
        self.arch = board.processor.machine
        self.capabilities = {"REGISTER_RW": True}
        _correct_metadata(self.arch)

    def read_registers(self, address: int, length: int) -> bytes:
        """Read whole words."""
        with self._board.lock:
            words = [
                self._board.read_word(address + offset) for offset in range(0, length, _WORD_BYTES)
            ]
        return np.array(words, "<u4").tobytes()[:length]

    def write_registers(self, address: int, data: bytes) -> None:
        """Write whole words.

        Raises:
            DeviceError: they are not whole, or nothing answers there.
        """
        if len(data) % _WORD_BYTES:
            raise DeviceError(f"a write of {len(data)} bytes, expected whole words of 4 bytes")
        with self._board.lock:
            for index, word in enumerate(np.frombuffer(data, "<u4").tolist()):
                place = address + index * _WORD_BYTES
                self._board.write_word(place, word, self._client.window)

    def allocate(self, shape: Pynq, dtype: Pynq, **_: Pynq) -> Pynq:
        """Allocate device memory; host and device see each other's writes at once.

        Raises:
            DeviceError: there is not as much.
        """
        from pynq.buffer import PynqBuffer

        with self._board.lock:
            buffer = self._board.allocate(int(np.prod(shape)) * np.dtype(dtype).itemsize)
            handle = add(self._client.buffers, buffer, "buffer")
        place = {"device": self, "device_address": buffer.address, "coherent": True}
        array = PynqBuffer(shape, dtype, buffer=buffer.view, **place)
        array.memory, array.pointer, array.return_to = buffer, handle, self
        array.freed = True  # else PYNQ would unmap it when it is freed and then collected
        return array

    def return_pointer(self, handle: str) -> None:
        """Give a buffer back; PYNQ calls this when an array is freed or collected."""
        with self._board.lock:
            buffer = self._client.buffers.pop(handle, None)
            if buffer is not None:
                buffer.free()

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Pynq:
        """Parse the .hwh beside a bitstream, as PYNQ does.

        Raises:
            DeviceError: there is none.
            ArtifactError: PYNQ would not find the regions in it.
        """
        hwh = Path(bitfile_name).with_suffix(".hwh")
        if hwh.exists():
            check_regions(hwh.read_text(encoding="utf-8"), str(hwh))
        parser = _handler(bitfile_name).get_parser(partial=partial)
        if parser is None:
            raise DeviceError(f"{bitfile_name} has no .hwh beside it, expected one")
        return parser

    def download(self, bitstream: Pynq, parser: Pynq = None) -> None:
        """Bring a bitstream into the board through its fpga_manager.

        Raises:
            FpgaRtError: it is refused.
        """
        content = (
            getattr(parser, "bin_data", None) or _handler(bitstream.bitfile_name).get_bin_data()
        )
        name = f"{Path(bitstream.bitfile_name).stem}.bin"
        with self._board.lock:
            files = self._board.files
            files.write(f"{FIRMWARE_FOLDER}/{name}", content)
            files.write(f"{FOLDER}/flags", b"1" if bitstream.partial else b"0")
            files.write(f"{FOLDER}/firmware", name.encode())
        device: Pynq = super()
        device.post_download(bitstream, parser, self.name)

    def shutdown(self) -> None:
        """Isolate the partitions of the static region."""
        with self._board.lock:
            self._board.isolate()

    def detach(self) -> None:
        """Close the device; PYNQ looks for another one when it needs it. Twice is harmless."""
        with self._board.lock:
            self._client.buffers.clear()
            self._board.device.close()
        self._folder.cleanup()
        pynq_device: Pynq = type(self).__mro__[-2]
        if vars(pynq_device).get("_active_device") is self:
            del pynq_device._active_device


@cache
def _device_class() -> Pynq:
    """Mix `pynq.Device` in, once PYNQ is there.

    Raises:
        ToolchainError: it is not.
    """
    try:
        from pynq.pl_server.device import Device as PynqDevice
    except ImportError as error:
        raise ToolchainError(
            f"the simulated board in process needs PYNQ ({error}); run: pip install 'fpga-rt[pynq]'"
        ) from error
    return type(PynqDevice)("SimulatedDevice", (SimulatedBoard, PynqDevice), {})


def _handler(bitfile_name: str) -> Pynq:
    """Return PYNQ's reader of a bitstream: the one that starts no program of the vendor's."""
    from pynq.pl_server.remote_device import _get_bitstream_handler

    return _get_bitstream_handler(bitfile_name)


def _correct_metadata(machine: str) -> None:
    """Have PYNQ parse partials as on the board, where it has picked no class for this machine."""
    from pynq.pl_server import device, hwh_parser

    if hwh_parser.HWH is hwh_parser._HWHABC:
        hwh_parser.HWH = device.HWH = getattr(hwh_parser, _METADATA[machine])
