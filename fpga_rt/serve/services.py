"""The four services of PYNQ.remote on a simulated board.

Where a response has a field for it, an error is told there, as the client's own exceptions expect;
elsewhere as the status of the call. A call that streams to the board takes effect at its end, and
not if the client is seen to be gone by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, Protocol

import numpy as np

from fpga_rt.device.interface import Buffer
from fpga_rt.errors import DeviceError, FpgaRtError
from fpga_rt.serve import files
from fpga_rt.serve.board import PynqBoard
from fpga_rt.serve.clients import Client, Clients, MappedRange, Pin, add
from fpga_rt.serve.schema import GPIO, MMIO, REMOTE_BUFFER, REMOTE_DEVICE, Message

CHUNK_BYTES = 1 << 20
"""Of what is streamed to a client; its limit for a message is 4 MiB."""
_MOST_PIECES = 1 << 16
"""Of a write to a buffer: one of a byte costs a hundred to keep until the stream has ended."""
_WORD_BYTES = 4
_WORD_LENGTHS = (1, 2, 4)
_GPIO_FOLDER = "/sys/class/gpio/gpiochip"


class Context(Protocol):
    """What gRPC tells of a call."""

    def peer(self) -> str:
        """Return the address of the caller."""

    def abort(self, code: object, details: str) -> NoReturn:
        """End the call with an error."""


class RemoteDevice:
    """Files, downloads and clocks."""

    service = REMOTE_DEVICE

    def __init__(self, board: PynqBoard, clients: Clients, messages: Mapping[str, Message]) -> None:
        """Serve a board."""
        self._board = board
        self._clients = clients
        self._messages = messages

    def set_bitstream_attrs(self, request: Message, context: Context) -> Message:
        """Take name and kind of what `download` will bring."""
        with self._board.lock:
            client = self._clients.of(context.peer())
            client.download = (request.binfile_name[:256] or client.download[0], request.partial)
        return self._messages["SetBitstreamAttrsResponse"](status=True)

    def download(self, requests: Iterable[Message], context: Context) -> Message:
        """Program a .bin file that is streamed."""
        content = _joined((request.buffer for request in requests), "the download")
        with self._board.lock:
            name, partial = self._clients.of(context.peer()).download
            self._board.manager.program(content, partial, name)
        return self._messages["DownloadResponse"](status=True)

    def set_pl_clk(self, request: Message, context: Context) -> Message:
        """Divide a clock of the logic."""
        with self._board.lock:
            self._board.set_clock(request.i, (request.div0, request.div1))
        return self._messages["SetPlClkResponse"](status=True)

    def shutdown(self, request: Message, context: Context) -> Message:
        """Isolate the partitions of the static region before a download."""
        with self._board.lock:
            self._board.isolate()
        return self._messages["ShutdownResponse"](status=True)

    def existsfile(self, request: Message, context: Context) -> Message:
        """Tell whether a file is there."""
        with self._board.lock:
            exists = self._board.files.exists(request.file_path)
        return self._messages["ExistsFileResponse"](exists=exists)

    def readfile(self, request: Message, context: Context) -> Iterator[Message]:
        """Stream a file."""
        with self._board.lock:
            content = self._board.files.read(request.file_path)
        for start in range(0, len(content), CHUNK_BYTES):
            yield self._messages["ReadFileResponse"](data=content[start : start + CHUNK_BYTES])

    def writefile(self, requests: Iterable[Message], context: Context) -> Message:
        """Write a file that is streamed; each message names it."""
        path: str | None = None

        def parts() -> Iterator[bytes]:
            nonlocal path
            for request in requests:
                path = request.file_path if path is None else path
                if request.file_path != path:
                    raise DeviceError(
                        f"a stream of two files, {path[:80]!r} and {request.file_path[:80]!r},"
                        " expected one; write them apart"
                    )
                yield request.data

        content = _joined(parts(), "the file")
        if path is None:
            raise DeviceError("a stream of no message, expected a file; name it, if it is empty")
        with self._board.lock:
            self._board.files.write(path, content)
        return self._messages["WriteFileResponse"]()


class Mmio:
    """Registers at physical addresses."""

    service = MMIO

    def __init__(self, board: PynqBoard, clients: Clients, messages: Mapping[str, Message]) -> None:
        """Serve a board."""
        self._board = board
        self._clients = clients
        self._messages = messages

    def get_mmio(self, request: Message, context: Context) -> Message:
        """Map a range of registers."""
        response = self._messages["GetMmioResponse"]
        try:
            with self._board.lock:
                self._board.check_range(request.base_addr, request.length)
                mappings = self._clients.of(context.peer()).mappings
                place = MappedRange(request.base_addr, request.length)
                return response(status=True, mmio_id=add(mappings, place, "MMIO range"))
        except FpgaRtError as error:
            return response(status=False, msg=str(error))

    def read(self, request: Message, context: Context) -> Message:
        """Read the low bytes of a register."""
        response = self._messages["ReadResponse"]
        try:
            if request.length not in _WORD_LENGTHS:
                raise DeviceError(
                    f"a read of {request.length} bytes: expected 1, 2 or 4, the protocol carries no"
                    " more; read 8 bytes as two words"
                )
            with self._board.lock:
                address = self._address(request, _WORD_BYTES, context)
                word = self._board.read_word(address)
            return response(status=True, data=word & ((1 << 8 * request.length) - 1))
        except FpgaRtError as error:
            return response(status=False, msg=str(error))

    def write(self, request: Message, context: Context) -> Message:
        """Write registers, word by word from an offset on."""
        response = self._messages["WriteResponse"]
        try:
            if not request.data or len(request.data) % _WORD_BYTES:
                raise DeviceError(
                    f"a write of {len(request.data)} bytes: expected whole words of 4 bytes"
                )
            with self._board.lock:
                address = self._address(request, len(request.data), context)
                window = self._clients.of(context.peer()).window
                for index, word in enumerate(np.frombuffer(request.data, "<u4").tolist()):
                    self._board.write_word(address + index * _WORD_BYTES, word, window)
            return response(status=True)
        except FpgaRtError as error:
            return response(status=False, msg=str(error))

    def _address(self, request: Message, size_bytes: int, context: Context) -> int:
        """Return the address of an access, checked against what the client has mapped."""
        place = self._clients.of(context.peer()).mapping(request.mmio_id)
        if request.offset % _WORD_BYTES or request.offset + size_bytes > place.size_bytes:
            raise DeviceError(
                f"{size_bytes} bytes at offset {request.offset:#x} of {place.size_bytes:#x} mapped"
                f" bytes at {place.base:#010x}: expected a multiple of 4 inside of them"
            )
        return int(place.base + request.offset)


class RemoteBuffer:
    """Device memory that a client owns."""

    service = REMOTE_BUFFER

    def __init__(self, board: PynqBoard, clients: Clients, messages: Mapping[str, Message]) -> None:
        """Serve a board."""
        self._board = board
        self._clients = clients
        self._messages = messages

    def allocate(self, request: Message, context: Context) -> Message:
        """Allocate; an error is the status of the call, since the client ignores `msg` here."""
        with self._board.lock:
            client = self._clients.of(context.peer())
            buffer = self._board.allocate(request.size)
            try:
                handle = add(client.buffers, buffer, "buffer")
            except DeviceError:
                buffer.free()
                raise
        return self._messages["AllocateResponse"](buffer_id=handle)

    def write(self, requests: Iterable[Message], context: Context) -> Message:
        """Take the content of a buffer in pieces, one after another or each from its `start`."""
        pieces: list[tuple[int, bytes]] = []
        at, written_bytes, handle = 0, 0, ""
        for request in requests:
            if request.buffer_id != (handle or request.buffer_id):
                return self._told("BufferWriteResponse", "pieces for two buffers in one stream")
            handle, start = request.buffer_id, request.start or at
            at = start + len(request.data)
            try:
                with self._board.lock:
                    buffer = self._client(context).buffer(handle)
                _check_span(buffer, start, at)
            except FpgaRtError as error:
                return self._told("BufferWriteResponse", str(error))
            pieces += [(start, request.data)] if request.data else []
            written_bytes += len(request.data)
            if written_bytes > len(buffer.view) or len(pieces) > _MOST_PIECES:
                return self._told(
                    "BufferWriteResponse",
                    f"{written_bytes} bytes in {len(pieces)} pieces, expected at most"
                    f" {len(buffer.view)} in {_MOST_PIECES}; write less in one stream",
                )

        def store(buffer: Buffer) -> dict[str, object]:
            for start, data in pieces:
                buffer.view[start : start + len(data)] = np.frombuffer(data, np.uint8)
            return {}

        return self._answer("BufferWriteResponse", handle, context, store)

    def read(self, request: Message, context: Context) -> Iterator[Message]:
        """Stream a buffer, or what lies from `start` to `end`."""
        response = self._messages["BufferReadResponse"]
        at, end = request.start, None
        while end is None or at < end:
            try:
                with self._board.lock:
                    buffer = self._client(context).buffer(request.buffer_id)
                    end = request.end or len(buffer.view)
                    _check_span(buffer, at, end)
                    data = buffer.view[at : min(at + CHUNK_BYTES, end)].tobytes()
            except FpgaRtError as error:
                yield response(msg=str(error))
                return
            at += len(data)
            yield response(data=data)

    def freebuffer(self, request: Message, context: Context) -> Message:
        """Give a buffer back."""

        def free(buffer: Buffer) -> dict[str, object]:
            del self._client(context).buffers[request.buffer_id]
            buffer.free()
            return {}

        return self._answer("FreeBufferResponse", request.buffer_id, context, free)

    def flush(self, request: Message, context: Context) -> Message:
        """Make what was written visible to the device."""
        return self._done("FlushResponse", request, context, lambda buffer: buffer.flush())

    def invalidate(self, request: Message, context: Context) -> Message:
        """Make what the device wrote visible."""
        return self._done("InvalidateResponse", request, context, lambda one: one.invalidate())

    def physical_address(self, request: Message, context: Context) -> Message:
        """Return where the buffer lies for the device."""
        return self._answer(
            "AddressResponse", request.buffer_id, context, lambda b: {"address": b.address}
        )

    virtual_address = physical_address
    """There is no process on the board that the buffer is mapped into."""

    def cacheable(self, request: Message, context: Context) -> Message:
        """Return whether flushes are needed: as on a board, they are."""
        return self._answer(
            "CacheableResponse", request.buffer_id, context, lambda _: {"cacheable": True}
        )

    def _client(self, context: Context) -> Client:
        return self._clients.of(context.peer())

    def _told(self, name: str, error: str) -> Message:
        return self._messages[name](msg=error)

    def _done(
        self, name: str, request: Message, context: Context, action: Callable[[Buffer], None]
    ) -> Message:
        def act(buffer: Buffer) -> dict[str, object]:
            action(buffer)
            return {}

        return self._answer(name, request.buffer_id, context, act)

    def _answer(
        self,
        name: str,
        handle: str,
        context: Context,
        action: Callable[[Buffer], dict[str, Any]],
    ) -> Message:
        """Do something with a buffer of the client and answer with the fields that it returns."""
        try:
            with self._board.lock:
                return self._messages[name](**action(self._client(context).buffer(handle)))
        except FpgaRtError as error:
            return self._told(name, str(error))


class Gpio:
    """GPIO pins of the processor: outputs keep what is written, inputs read zero."""

    service = GPIO

    def __init__(self, board: PynqBoard, clients: Clients, messages: Mapping[str, Message]) -> None:
        """Serve a board."""
        self._board = board
        self._clients = clients
        self._messages = messages
        self._levels: dict[int, int] = {}

    def get_gpio(self, request: Message, context: Context) -> Message:
        """Take a pin; an error is the status of the call, since the client ignores `message`."""
        processor = self._board.processor
        pins = range(processor.gpio_base, processor.gpio_base + processor.gpio_pins)
        if request.index not in pins or request.direction not in ("in", "out"):
            raise DeviceError(
                f"GPIO pin {request.index} as {request.direction[:10]!r}: expected a pin"
                f" {pins.start}..{pins.stop - 1} as 'in' or 'out'"
            )
        with self._board.lock:
            client = self._clients.of(context.peer())
            if any(holder is not client for holder in self._clients.holders(request.index)):
                raise DeviceError(f"GPIO pin {request.index} is taken by another client (EBUSY)")
            handle = add(client.pins, Pin(request.index, request.direction), "GPIO pin")
        return self._messages["GetGpioResponse"](gpio_id=handle)

    def read(self, request: Message, context: Context) -> Message:
        """Return the level of a pin."""
        with self._board.lock:
            pin = self._clients.of(context.peer()).pin(request.gpio_id)
            level = self._levels.get(pin.index, 0) if pin.direction == "out" else 0
        return self._messages["GpioReadResponse"](value=level)

    def write(self, request: Message, context: Context) -> Message:
        """Set the level of an output."""
        with self._board.lock:
            pin = self._clients.of(context.peer()).pin(request.gpio_id)
            if pin.direction != "out" or request.value not in (0, 1):
                raise DeviceError(
                    f"{request.value} to GPIO pin {pin.index}, an {pin.direction}put: expected 0 or"
                    " 1 to an output"
                )
            self._levels[pin.index] = request.value
        return self._messages["GpioWriteResponse"]()

    def unexport(self, request: Message, context: Context) -> Message:
        """Give a pin back; twice is harmless."""
        with self._board.lock:
            self._clients.of(context.peer()).pins.pop(request.gpio_id, None)
        return self._messages["GpioUnexportResponse"]()

    def is_exported(self, request: Message, context: Context) -> Message:
        """Tell whether the client still has a pin."""
        with self._board.lock:
            held = request.gpio_id in self._clients.of(context.peer()).pins
        return self._messages["GpioIsExportedResponse"](is_exported=held)

    def get_gpio_base_path(self, request: Message, context: Context) -> Message:
        """Return the folder of the pins."""
        path = f"{_GPIO_FOLDER}{self._board.processor.gpio_base}"
        return self._messages["GetGpioBasePathResponse"](base_path=path)

    def get_gpio_npins(self, request: Message, context: Context) -> Message:
        """Return how many pins there are."""
        return self._messages["GetGpioNPinsResponse"](npins=self._board.processor.gpio_pins)


SERVED: tuple[type[RemoteDevice | Mmio | RemoteBuffer | Gpio], ...] = (
    RemoteDevice,
    Mmio,
    RemoteBuffer,
    Gpio,
)
"""One class for each service, with a method for each of its procedures."""


def _joined(parts: Iterable[bytes], what: str) -> bytes:
    """Join what is streamed, as long as it is no longer than a file may be."""
    content = bytearray()
    for part in parts:
        content += part
        if len(content) > files.MOST_FILE_BYTES:
            raise DeviceError(
                f"{what} has more than {files.MOST_FILE_BYTES} bytes; send less, or in pieces"
            )
    return bytes(content)


def _check_span(buffer: Buffer, start: int, end: int) -> None:
    if not 0 <= start <= end <= len(buffer.view):
        raise DeviceError(
            f"bytes {start}..{end} of a buffer of {len(buffer.view)}: expected to lie in it"
        )
