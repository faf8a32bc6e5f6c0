"""The messages and services of PYNQ.remote, stated as field names, numbers and types.

Ref: PYNQ 3.1 and 4.0, the gRPC services of PYNQ.remote
Document: what the client sends and reads, by name, number and wire type

The message classes are made from this table when they are needed. Numbers from zero to 2^31 of
`mmio.ReadResponse.data` look the same to both clients; 4.0 reads the others as they were sent, 3.1
as negative ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fpga_rt.errors import ToolchainError

Message = Any
"""A protobuf message; its class is made at run time."""

_OPTIONAL = "?"
"""Marks a field whose absence the receiver can tell from its default."""


@dataclass(frozen=True)
class Method:
    """A remote procedure: its messages by name, and which of them are streams."""

    name: str
    request: str
    response: str
    request_stream: bool = False
    response_stream: bool = False


@dataclass(frozen=True)
class Service:
    """A gRPC service.

    Attributes:
        package: of its messages and methods.
        name: within the package.
        messages: fields of each message as `name: (number, type)`; a type that ends in `?` is an
            optional field.
        methods: its procedures.
    """

    package: str
    name: str
    messages: Mapping[str, Mapping[str, tuple[int, str]]]
    methods: tuple[Method, ...]

    @property
    def full_name(self) -> str:
        """The name that a call carries."""
        return f"{self.package}.{self.name}"


_STATUS = {"status": (1, "bool")}
_BUFFER_ID = {"buffer_id": (1, "string")}
_GPIO_ID = {"gpio_id": (1, "string")}
_FILE = {"file_path": (1, "string")}

REMOTE_DEVICE = Service(
    "remote_device",
    "RemoteDevice",
    {
        "ReadFileRequest": _FILE,
        "ReadFileResponse": {"data": (1, "bytes")},
        "WriteFileRequest": {**_FILE, "data": (2, "bytes")},
        "WriteFileResponse": {},
        "ExistsFileRequest": _FILE,
        "ExistsFileResponse": {"exists": (1, "bool")},
        "SetBitstreamAttrsRequest": {"binfile_name": (1, "string"), "partial": (2, "bool")},
        "SetBitstreamAttrsResponse": _STATUS,
        "ShutdownRequest": {},
        "ShutdownResponse": _STATUS,
        "SetPlClkRequest": {
            "i": (1, "int32"),
            "div0": (2, "int32"),
            "div1": (3, "int32"),
            "clk_mhz": (4, "int32"),
        },
        "SetPlClkResponse": _STATUS,
        "DownloadRequest": {"buffer": (1, "bytes")},
        "DownloadResponse": _STATUS,
    },
    (
        Method("set_bitstream_attrs", "SetBitstreamAttrsRequest", "SetBitstreamAttrsResponse"),
        Method("download", "DownloadRequest", "DownloadResponse", request_stream=True),
        Method("set_pl_clk", "SetPlClkRequest", "SetPlClkResponse"),
        Method("shutdown", "ShutdownRequest", "ShutdownResponse"),
        Method("readfile", "ReadFileRequest", "ReadFileResponse", response_stream=True),
        Method("writefile", "WriteFileRequest", "WriteFileResponse", request_stream=True),
        Method("existsfile", "ExistsFileRequest", "ExistsFileResponse"),
    ),
)

MMIO = Service(
    "mmio",
    "Mmio",
    {
        "GetMmioRequest": {"base_addr": (1, "uint64"), "length": (2, "uint64")},
        "GetMmioResponse": {**_STATUS, "msg": (2, "string?"), "mmio_id": (3, "string?")},
        "ReadRequest": {
            "mmio_id": (1, "string"),
            "length": (2, "uint64"),
            "offset": (3, "uint64"),
            "word_order": (4, "string"),
        },
        "ReadResponse": {**_STATUS, "msg": (2, "string?"), "data": (3, "uint32?")},
        "WriteRequest": {"mmio_id": (1, "string"), "offset": (2, "uint64"), "data": (3, "bytes")},
        "WriteResponse": {**_STATUS, "msg": (2, "string?")},
    },
    (
        Method("get_mmio", "GetMmioRequest", "GetMmioResponse"),
        Method("read", "ReadRequest", "ReadResponse"),
        Method("write", "WriteRequest", "WriteResponse"),
    ),
)

_ANSWER = {"msg": (2, "string?")}

REMOTE_BUFFER = Service(
    "buffer",
    "RemoteBuffer",
    {
        "CacheableRequest": _BUFFER_ID,
        "CacheableResponse": {**_ANSWER, "cacheable": (3, "bool?")},
        "AddressRequest": _BUFFER_ID,
        "AddressResponse": {**_ANSWER, "address": (3, "uint64?")},
        "InvalidateRequest": _BUFFER_ID,
        "InvalidateResponse": _ANSWER,
        "FlushRequest": _BUFFER_ID,
        "FlushResponse": _ANSWER,
        "AllocateRequest": {"size": (1, "int32"), "dtype": (2, "string"), "cacheable": (3, "bool")},
        "AllocateResponse": {**_ANSWER, "buffer_id": (3, "string?")},
        "BufferWriteRequest": {
            **_BUFFER_ID,
            "data": (2, "bytes"),
            "start": (3, "int32"),
            "end": (4, "int32"),
        },
        "BufferWriteResponse": _ANSWER,
        "BufferReadRequest": {**_BUFFER_ID, "start": (2, "int32"), "end": (3, "int32")},
        "BufferReadResponse": {**_ANSWER, "data": (3, "bytes?")},
        "FreeBufferRequest": _BUFFER_ID,
        "FreeBufferResponse": _ANSWER,
    },
    (
        Method("allocate", "AllocateRequest", "AllocateResponse"),
        Method("write", "BufferWriteRequest", "BufferWriteResponse", request_stream=True),
        Method("read", "BufferReadRequest", "BufferReadResponse", response_stream=True),
        Method("freebuffer", "FreeBufferRequest", "FreeBufferResponse"),
        Method("flush", "FlushRequest", "FlushResponse"),
        Method("invalidate", "InvalidateRequest", "InvalidateResponse"),
        Method("physical_address", "AddressRequest", "AddressResponse"),
        Method("virtual_address", "AddressRequest", "AddressResponse"),
        Method("cacheable", "CacheableRequest", "CacheableResponse"),
    ),
)

GPIO = Service(
    "gpio",
    "Gpio",
    {
        "GetGpioRequest": {"index": (1, "int32"), "direction": (2, "string")},
        "GetGpioResponse": {"message": (2, "string?"), "gpio_id": (3, "string?")},
        "GpioReadRequest": _GPIO_ID,
        "GpioReadResponse": {"message": (2, "string?"), "value": (3, "int32?")},
        "GpioWriteRequest": {**_GPIO_ID, "value": (2, "int32")},
        "GpioWriteResponse": {},
        "GpioUnexportRequest": _GPIO_ID,
        "GpioUnexportResponse": {},
        "GpioIsExportedRequest": _GPIO_ID,
        "GpioIsExportedResponse": {"is_exported": (3, "bool?")},
        "GetGpioBasePathRequest": {"target_label": (1, "string?")},
        "GetGpioBasePathResponse": {"base_path": (3, "string?")},
        "GetGpioNPinsRequest": {"target_label": (1, "string?")},
        "GetGpioNPinsResponse": {"npins": (1, "int32?")},
    },
    (
        Method("get_gpio", "GetGpioRequest", "GetGpioResponse"),
        Method("read", "GpioReadRequest", "GpioReadResponse"),
        Method("write", "GpioWriteRequest", "GpioWriteResponse"),
        Method("unexport", "GpioUnexportRequest", "GpioUnexportResponse"),
        Method("is_exported", "GpioIsExportedRequest", "GpioIsExportedResponse"),
        Method("get_gpio_base_path", "GetGpioBasePathRequest", "GetGpioBasePathResponse"),
        Method("get_gpio_npins", "GetGpioNPinsRequest", "GetGpioNPinsResponse"),
    ),
)

SERVICES = (REMOTE_DEVICE, MMIO, REMOTE_BUFFER, GPIO)


def message_classes(service: Service) -> Mapping[str, Message]:
    """Return the message classes of a service by name.

    Raises:
        ToolchainError: the extra `serve` is not installed.
    """
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise missing_extra(error) from error
    file = descriptor_pb2.FileDescriptorProto(
        name=f"fpga_rt/{service.package}.proto", package=service.package, syntax="proto3"
    )
    for name, fields in service.messages.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add_field(message, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{service.package}.{name}")
        )
        for name in service.messages
    }


def missing_extra(error: ImportError) -> ToolchainError:
    """Return the error for a machine without gRPC."""
    return ToolchainError(
        f"PYNQ.remote needs gRPC, and {error.name or 'it'} is not installed;"
        " run: pip install 'fpga-rt[serve]'"
    )


def _add_field(message: Message, name: str, number: int, kind: str) -> None:
    wire = kind.removesuffix(_OPTIONAL)
    field = message.field.add(name=name, number=number)
    field.type = getattr(field, f"TYPE_{wire.upper()}")
    field.label = field.LABEL_OPTIONAL
    if kind.endswith(_OPTIONAL):
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
