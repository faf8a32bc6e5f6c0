"""Who is connected, and what each client owns: buffers, register ranges, pins.

gRPC tells a server the address of a caller and nothing of its end. A client is a connection, and
the kernel's table of connections says which are still there; what a client owned is given back when
its connection is gone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from fpga_rt.device.interface import Buffer
from fpga_rt.errors import DeviceError

MOST_HANDLES = 4096
"""Of each sort, for one client."""

MOST_CLIENTS = 256

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"

Item = TypeVar("Item")

Endpoint = tuple[str, int]
"""Address and port."""


@dataclass(frozen=True)
class MappedRange:
    """Registers that a client has mapped: first address and length."""

    base: int
    size_bytes: int


@dataclass(eq=False)
class Pin:
    """A GPIO pin that a client has taken."""

    index: int
    direction: str


@dataclass(eq=False)
class Client:
    """What one connection owns, by handles that nobody can guess."""

    peer: str
    buffers: dict[str, Buffer] = field(default_factory=dict)
    mappings: dict[str, MappedRange] = field(default_factory=dict)
    pins: dict[str, Pin] = field(default_factory=dict)
    download: tuple[str, bool] = ("download", False)
    """Name of what it will download, and whether that is partial."""

    def buffer(self, handle: str) -> Buffer:
        """Return a buffer of the client.

        Raises:
            DeviceError: it has none of that handle; whether another client has is not told.
        """
        return _of(self.buffers, handle, "buffer", "allocate it on this connection")

    def mapping(self, handle: str) -> MappedRange:
        """Return registers that the client has mapped.

        Raises:
            DeviceError: it has none of that handle.
        """
        return _of(self.mappings, handle, "MMIO range", "map it on this connection")

    def pin(self, handle: str) -> Pin:
        """Return a GPIO pin of the client.

        Raises:
            DeviceError: it has none of that handle.
        """
        return _of(self.pins, handle, "GPIO pin", "take it on this connection")

    def window(self, address: int, size_bytes: int) -> NDArray[np.uint8]:
        """Return a view of memory that lies in one buffer of the client.

        Raises:
            DeviceError: it does not.
        """
        for buffer in self.buffers.values():
            start = address - buffer.address
            if 0 <= start and start + size_bytes <= len(buffer.view):
                return buffer.view[start : start + size_bytes]
        raise DeviceError(
            f"{size_bytes} bytes at {address:#x} lie in no buffer of this client; allocate them"
        )


class Clients:
    """The clients by the address that gRPC names them with."""

    def __init__(self) -> None:
        """Know nobody."""
        self._known: dict[str, Client] = {}

    def of(self, peer: str) -> Client:
        """Return the client behind a connection.

        Raises:
            DeviceError: there are as many others as there may be.
        """
        if peer not in self._known and len(self._known) >= MOST_CLIENTS:
            raise DeviceError(
                f"{MOST_CLIENTS} clients are connected, expected fewer; close one, or start"
                " another server"
            )
        return self._known.setdefault(peer, Client(peer))

    def __len__(self) -> int:
        """Return how many are known."""
        return len(self._known)

    def drop(self, is_gone: Callable[[str], bool]) -> list[Client]:
        """Forget clients, give their buffers back, and return them."""
        gone = [client for peer, client in self._known.items() if is_gone(peer)]
        for client in gone:
            del self._known[client.peer]
            for buffer in client.buffers.values():
                buffer.free()
            client.buffers.clear()
        return gone

    def holders(self, pin: int) -> list[Client]:
        """Return who has taken a GPIO pin."""
        owners = self._known.values()
        return [one for one in owners if any(p.index == pin for p in one.pins.values())]


def add(handles: dict[str, Item], item: Item, what: str) -> str:
    """Store something under a handle that cannot be guessed, and return the handle.

    Raises:
        DeviceError: the client has as many as it may.
    """
    if len(handles) >= MOST_HANDLES:
        raise DeviceError(f"{MOST_HANDLES} {what}s are in use by this client; give some back")
    handle = secrets.token_hex(16)
    handles[handle] = item
    return handle


def _of(handles: Mapping[str, Item], handle: str, what: str, step: str) -> Item:
    try:
        return handles[handle]
    except KeyError:
        raise DeviceError(
            f"this client has no {what} {handle[:40]!r}; {step}, and use it before it is given back"
        ) from None


def connected(port: int) -> set[Endpoint] | None:
    """Return the other ends of this machine's connections to a port; None where nobody can say."""
    ends: set[Endpoint] = set()
    tables = [table for table in _TABLES if table.exists()]
    for table in tables:
        for line in table.read_text().splitlines()[1:]:
            _, local, remote, state = line.split()[:4]
            if state == _ESTABLISHED and _endpoint(local)[1] == port:
                ends.add(_endpoint(remote))
    return ends if tables else None


def endpoint(peer: str) -> Endpoint | None:
    """Return address and port from gRPC's `ipv4:127.0.0.1:5000` or `ipv6:[::1]:5000`."""
    family, _, rest = unquote(peer).partition(":")
    host, _, port = rest.rpartition(":")
    if family not in ("ipv4", "ipv6") or not port.isdecimal():
        return None
    return _plain(host.strip("[]")), int(port)


def _endpoint(text: str) -> Endpoint:
    """Return address and port from the kernel's notation: words in the processor's byte order."""
    host, port = text.split(":")
    words = (bytes.fromhex(host[i : i + 8])[::-1] for i in range(0, len(host), 8))
    return _plain(str(ip_address(b"".join(words)))), int(port, 16)


def _plain(host: str) -> str:
    """Return an address in one spelling; an IPv4 one that is mapped into IPv6 as such."""
    address = ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
