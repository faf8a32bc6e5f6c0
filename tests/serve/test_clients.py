"""Who is connected, from the kernel's table and from gRPC's names."""

from __future__ import annotations

import socket

import pytest

from fpga_rt.errors import DeviceError
from fpga_rt.serve import clients
from fpga_rt.serve.clients import Clients, add, connected, endpoint


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:127.0.0.1:5000", ("127.0.0.1", 5000)),
        ("ipv6:[::1]:5000", ("::1", 5000)),
        ("ipv6:%5B::1%5D:5000", ("::1", 5000)),
        ("ipv6:[::ffff:10.1.2.3]:80", ("10.1.2.3", 80)),
        ("unix:/run/it", None),
    ],
)
def test_names_of_peers(peer: str, expected: tuple[str, int] | None) -> None:
    assert endpoint(peer) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_are_found_while_they_last(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        try:
            listener.bind((host, 0))
        except OSError as error:
            pytest.skip(f"this machine has no {host}: {error}")
        listener.listen()
        port = listener.getsockname()[1]
        if connected(port) is None:
            pytest.skip("this machine has no /proc/net/tcp")
        with socket.create_connection((host, port)) as client:
            accepted, _ = listener.accept()
            assert connected(port) == {(host, client.getsockname()[1])}
        assert connected(port) == set()
        accepted.close()


def test_clients_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MOST_CLIENTS", 1)
    known = Clients()
    first = known.of("ipv4:127.0.0.1:1")
    with pytest.raises(DeviceError, match="1 clients are connected, expected fewer"):
        known.of("ipv4:127.0.0.1:2")
    assert known.of("ipv4:127.0.0.1:1") is first
    assert known.drop(lambda peer: peer.endswith(":1")) == [first]
    assert known.of("ipv4:127.0.0.1:2") is not first


def test_handles_are_bounded_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MOST_HANDLES", 2)
    client = Clients().of("ipv4:127.0.0.1:1")
    mapped = [add(client.mappings, clients.MappedRange(0, 4), "MMIO range") for _ in range(2)]
    assert len(set(mapped)) == 2
    with pytest.raises(DeviceError, match="2 MMIO ranges are in use by this client"):
        add(client.mappings, clients.MappedRange(0, 4), "MMIO range")
