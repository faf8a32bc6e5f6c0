"""A caller of PYNQ.remote's services, made from the protocol's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fpga_rt.serve.schema import SERVICES, Message, Service, message_classes

MANAGER = "/sys/class/fpga_manager/fpga0"


class Caller:
    """A connection to a server; calls are `caller.mmio.read(offset=0)`."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        import grpc

        options = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own
        self._channel = grpc.insecure_channel(f"{host}:{port}", options)
        self.remote_device, self.mmio, self.buffer, self.gpio = (
            Calls(self._channel, service) for service in SERVICES
        )

    def close(self) -> None:
        self._channel.close()

    def write_file(self, path: str, data: bytes) -> None:
        self.remote_device.writefile([{"file_path": path, "data": data}])

    def read_file(self, path: str) -> bytes:
        return b"".join(one.data for one in self.remote_device.readfile(file_path=path))

    def program(self, content: bytes, partial: bool, name: str = "it.bin") -> None:
        self.write_file(f"/lib/firmware/{name}", content)
        self.write_file(f"{MANAGER}/flags", b"1" if partial else b"0")
        self.write_file(f"{MANAGER}/firmware", name.encode())

    @property
    def state(self) -> str:
        return self.read_file(f"{MANAGER}/state").decode().strip()


class Calls:
    """The procedures of a service; a stream is a list of the fields of its messages."""

    def __init__(self, channel: Message, service: Service) -> None:
        messages = message_classes(service)
        self._calls: dict[str, Callable[..., Any]] = {}
        for method in service.methods:
            shape = "stream" if method.request_stream else "unary"
            shape += "_stream" if method.response_stream else "_unary"
            call = getattr(channel, shape)(
                f"/{service.full_name}/{method.name}",
                request_serializer=messages[method.request].SerializeToString,
                response_deserializer=messages[method.response].FromString,
            )
            make = messages[method.request]
            self._calls[method.name] = (_streamed if method.request_stream else _one)(call, make)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self._calls[name]


def _one(call: Callable[..., Any], make: Callable[..., Any]) -> Callable[..., Any]:
    return lambda timeout=20.0, **fields: call(make(**fields), timeout=timeout)


def _streamed(call: Callable[..., Any], make: Callable[..., Any]) -> Callable[..., Any]:
    return lambda items: call((make(**fields) for fields in items), timeout=20)
