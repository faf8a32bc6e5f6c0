"""A device's first version, what it is updated to, and who may do so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.deployment.model import Deployment
from fpga_rt.planner.compile import compile_network
from fpga_rt.update import signature
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.store import Store
from tests.update.disk import Disk
from tests.update.networks import drifted, small
from tests.update.signing import Entry, Secret


@pytest.fixture(autouse=True)
def verifiers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the scheme of the tests, and no other."""
    monkeypatch.setattr(signature, "entry_points", lambda group: [Entry()])
    forget = signature.verifier.cache_clear
    forget()
    yield
    forget()


@pytest.fixture(scope="session")
def base() -> Deployment:
    """Return what a device runs first."""
    return compile_network(small(), board("pynq-z2"), 2)


@pytest.fixture(scope="session")
def target(base: Deployment) -> Deployment:
    """Return what it is updated to: parameters of every layer and some weights differ."""
    return make_target(base, drifted(base.network, 1, weights=True)).deployment


@pytest.fixture(scope="session")
def owner() -> Secret:
    """Return the key that the device trusts."""
    return Secret()


@pytest.fixture(scope="session")
def package(base: Deployment, target: Deployment, owner: Secret) -> bytes:
    """Return the update, version 2."""
    return make_package(base, target, 2, owner, note="dusk")


@pytest.fixture
def disk() -> Disk:
    """Return an empty disk."""
    return Disk()


@pytest.fixture
def store(disk: Disk, base: Deployment, owner: Secret) -> Store:
    """Return a store that holds version 1."""
    return Store.install(disk, base, [owner.public_key])
