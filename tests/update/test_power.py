"""Power may be lost in every step of every change: the old version comes back, or the new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest

from fpga_rt.deployment import archive
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import UpdateError
from fpga_rt.update.state import States
from fpga_rt.update.store import Store
from tests.update.disk import Disk, PowerCutError
from tests.update.signing import Secret

Change = Callable[[Disk], None]


def _identity(deployment: Deployment) -> str:
    return archive.encode(deployment)[-1].hex()


def _cut(disk: Disk, change: Change) -> Iterator[tuple[str, Disk]]:
    """Yield every disk that may be left when power is lost in a step of a change, each once."""
    whole = disk.copy()
    change(whole)
    assert whole.steps > 0
    seen = set()
    for step in range(whole.steps):
        for torn in (False, True):
            failed = disk.copy(fails_at=step, torn=torn)
            with pytest.raises(PowerCutError):
                change(failed)
            for rule, left in failed.survivors():
                content = frozenset(left.content().items())
                if content not in seen:
                    seen.add(content)
                    yield f"step {step} of {whole.steps}, {rule}", left


def _check(disk: Disk, allowed: dict[int, str], highest: int) -> int:
    """Open what survived, tidied as at a start, and return the number of its version.

    Whatever it is, a head that is missing keeps nothing from being collected.
    """
    store = Store(disk)
    with store.changing():
        state = store.state
    for version in (state.active, *state.previous):
        assert version.archive == allowed[version.number]
        store.deployment(version)  # reads every byte of it, and checks them
    assert state.trial == ()
    assert state.highest >= highest
    assert len(store.vectors) == state.vectors_count
    Store(disk.copy()).collect()
    return state.active.number


def _all(disk: Disk, change: Change, allowed: dict[int, str], highest: int) -> set[int]:
    return {_check(left, allowed, highest) for _, left in _cut(disk, change)}


@pytest.fixture
def updated(store: Store, disk: Disk, package: bytes) -> Disk:
    """Return a disk that was updated to version 2."""
    _apply(package)(disk)
    return disk


def _apply(package: bytes) -> Change:
    def change(disk: Disk) -> None:
        store = Store(disk)
        with store.changing():
            candidate = store.admit(package)
            store.stage(candidate)
            store.commit(candidate)

    return change


class _Forgetful(Disk):
    """A disk on which nothing that the store syncs lasts any longer for it."""

    def sync(self, path: str) -> None:
        self._step()


def test_syncing_is_what_makes_it_safe(store: Store, disk: Disk, package: bytes) -> None:
    whole = _Forgetful(**vars(disk.copy()))
    _apply(package)(whole)
    refused = 0
    for _, left in whole.survivors():
        try:
            Store(left).deployment()
        except UpdateError:
            refused += 1
    assert refused


def test_an_update(
    store: Store, disk: Disk, base: Deployment, target: Deployment, package: bytes
) -> None:
    change, allowed = _apply(package), {1: _identity(base), 2: _identity(target)}
    found = set()
    for where, left in _cut(disk, change):
        version = _check(left, allowed, 1)
        found.add(version)
        if version == 1:
            change(left)  # nothing that was left over is in the way
            assert _check(left, allowed, 2) == 2, where
    assert found == {1, 2}


def _killed(disk: Disk, change: Change) -> Iterator[tuple[int, Disk]]:
    """Yield a disk for each step of a change in which its process is killed; it keeps its power."""
    whole = disk.copy()
    change(whole)
    assert whole.steps > 0
    for step in range(whole.steps):
        for torn in (False, True):
            killed = disk.copy(fails_at=step, torn=torn)
            with pytest.raises(PowerCutError):
                change(killed)
            killed.fails_at = None
            yield step, killed


def test_an_update_repeated_after_a_kill(
    store: Store, disk: Disk, base: Deployment, target: Deployment, package: bytes
) -> None:
    """What was seen to lie there and not synced must last once the state names it."""
    change, allowed = _apply(package), {1: _identity(base), 2: _identity(target)}
    repeated = 0
    for _, killed in _killed(disk, change):
        if Store(killed).state.active.number == 1:
            change(killed)
            repeated += 1
            assert {_check(left, allowed, 2) for _, left in killed.survivors()} == {2}
        else:
            assert {_check(left, allowed, 1) for _, left in killed.survivors()} <= {1, 2}
    assert repeated > 10


def test_an_installation_repeated_after_a_kill(base: Deployment, owner: Secret) -> None:
    def change(disk: Disk) -> None:
        Store.install(disk, base, [owner.public_key])

    repeated = 0
    for _, killed in _killed(Disk(), change):
        if not States(killed).exist():
            change(killed)
            repeated += 1
            for _, left in killed.survivors():
                assert _check(left, {1: _identity(base)}, 1) == 1
    assert repeated > 10


def test_a_refused_trial(
    store: Store, disk: Disk, base: Deployment, target: Deployment, package: bytes
) -> None:
    def change(disk: Disk) -> None:
        store = Store(disk)
        with store.changing():
            store.stage(store.admit(package))
            store.abandon("self-test")

    assert _all(disk, change, {1: _identity(base), 2: _identity(target)}, 1) == {1}


def test_a_rollback(updated: Disk, base: Deployment, target: Deployment, package: bytes) -> None:
    def change(disk: Disk) -> None:
        Store(disk).rollback()

    allowed = {1: _identity(base), 2: _identity(target)}
    assert _all(updated, change, allowed, 2) == {1, 2}
    change(updated)
    with pytest.raises(UpdateError, match="has had version 2 already") as error:
        Store(updated).admit(package)
    assert error.value.reason == "version"


def test_collecting_garbage(updated: Disk, base: Deployment, target: Deployment) -> None:
    updated.write("objects/" + "0" * 64, b"no version needs this")
    updated.write("objects/writing-" + "1" * 64, b"nor this")

    def change(disk: Disk) -> None:
        assert Store(disk).collect() == len(b"no version needs this" + b"nor this")

    assert _all(updated, change, {1: _identity(base), 2: _identity(target)}, 2) == {2}
    change(updated)
    assert "0" * 64 not in updated.names("objects")


def test_tidying_up_after_a_power_cut(
    store: Store, disk: Disk, base: Deployment, target: Deployment, package: bytes
) -> None:
    store.stage(store.admit(package))

    def change(disk: Disk) -> None:
        with Store(disk).changing():
            pass

    assert _all(disk, change, {1: _identity(base), 2: _identity(target)}, 1) == {1}
    change(disk)
    assert "on trial when the device stopped" in store.state.event


def test_an_installation(base: Deployment, owner: Secret) -> None:
    def change(disk: Disk) -> None:
        Store.install(disk, base, [owner.public_key])

    outcomes = set()
    for where, left in _cut(Disk(), change):
        try:
            Store(left)
            outcomes.add("whole")
        except UpdateError as error:
            assert error.reason == "store", where  # noqa: PT017 - both outcomes are right
            outcomes.add("none")
            change(left)
        assert _check(left, {1: _identity(base)}, 1) == 1, where
    assert outcomes == {"whole", "none"}


def test_a_transfer(store: Store, disk: Disk, package: bytes) -> None:
    name, half = sha256(package).hexdigest(), len(package) // 2

    def change(disk: Disk) -> None:
        transfer = Store(disk).transfer(name, len(package))
        for end in (half, len(package)):
            if transfer.offset < end:
                transfer.write(package[transfer.offset : end])

    for where, left in _cut(disk, change):
        transfer = Store(left).transfer(name, len(package))
        transfer.write(package[transfer.offset :])
        try:
            got = transfer.finish()
        except UpdateError:  # torn: noticed, and begun anew
            assert transfer.offset == 0, where
            transfer.write(package)
            got = transfer.finish()
        assert got == package, where
