"""A disk that fails to read once, in any read of any change: every version stays whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from fpga_rt.deployment import archive
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import UpdateError
from fpga_rt.update.store import Store
from tests.update.disk import Disk

Change = Callable[[Store, bytes], object]


@dataclass
class _Unreadable(Disk):
    """The read of number `unreadable` fails, once.

    Attributes:
        unreadable: its number (from 0); none fails if None.
        reads: how many there were.
        rots: the read gives other bytes, in the place of an error.
    """

    unreadable: int | None = None
    reads: int = 0
    rots: bool = False

    def read(self, path: str) -> bytes:
        self.reads += 1
        if self.unreadable == self.reads - 1:
            if self.rots:
                return super().read(path)[::-1]
            raise OSError(5, "Input/output error", path)
        return super().read(path)


def _copy(disk: Disk, unreadable: int | None = None, rots: bool = False) -> _Unreadable:
    return _Unreadable(**vars(disk.copy()), unreadable=unreadable, rots=rots)


def _commit(store: Store, package: bytes) -> None:
    with store.changing():
        candidate = store.admit(package)
        store.stage(candidate)
        store.commit(candidate)


def _abandon(store: Store, package: bytes) -> None:
    with store.changing():
        store.stage(store.admit(package))
        store.abandon("self-test")


def _roll_back(store: Store, package: bytes) -> None:
    with store.changing():
        store.rollback()


def _collect(store: Store, package: bytes) -> None:
    with store.changing():
        store.collect()


CHANGES: dict[str, tuple[tuple[Change, ...], Change]] = {
    "collect": ((), _collect),
    "collect after an update": ((_commit,), _collect),
    "commit": ((), _commit),
    "abandon": ((), _abandon),
    "rollback": ((_commit,), _roll_back),
    "a trial that was left": ((lambda store, data: store.stage(store.admit(data)),), _collect),
}


@pytest.fixture
def archives(base: Deployment, target: Deployment) -> dict[int, str]:
    """Return what versions must be."""
    return {1: archive.encode(base)[-1].hex(), 2: archive.encode(target)[-1].hex()}


def _attempt(disk: _Unreadable, change: Change, package: bytes) -> bool:
    """Try a change and tell whether it was refused; no other error may come of it."""
    try:
        change(Store(disk), package)
    except UpdateError:
        return True
    finally:
        disk.unreadable = None
    return False


@pytest.mark.parametrize("rots", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_a_read_that_fails_once(
    disk: Disk, archives: dict[int, str], store: Store, package: bytes, name: str, rots: bool
) -> None:
    before, change = CHANGES[name]
    for each in before:
        each(store, package)
    whole = _copy(disk)
    assert not _attempt(whole, change, package)
    assert whole.reads > 3
    refused = 0
    for number in range(whole.reads):
        failing = _copy(disk, number, rots)
        refused += _attempt(failing, change, package)
        left = Store(failing)
        for version in left.state.versions:
            assert version.archive == archives[version.number]
            left.deployment(version)  # reads every byte of it, and checks them
        assert len(left.vectors) == left.state.vectors_count
    assert refused


def test_nothing_is_removed_while_a_head_cannot_be_read(store: Store, disk: Disk) -> None:
    """An error says nothing of what lies there; a damaged head may be whole when read again."""
    head, content = store.state.active.head, disk.content()
    for rots, text in ((False, "cannot read object"), (True, "is damaged: object")):
        failing = _copy(disk, rots=rots)
        opened = Store(failing)
        states = failing.reads
        failing.unreadable = 2 * states  # they are read again, then the head
        with pytest.raises(
            UpdateError, match=f"nothing is removed, .* version 1 needs.*{text} {head}"
        ):
            opened.collect()
        assert failing.content() == content
    disk.remove(f"objects/{head}")
    with pytest.raises(UpdateError, match=f"is damaged: object {head} cannot be used .No such"):
        store.collect()
    assert len(disk.content()) == len(content) - 1


def test_the_state_that_cannot_be_read_is_not_taken_for_one_that_is_missing(
    store: Store, disk: Disk, package: bytes
) -> None:
    _commit(store, package)
    for number in (0, 1):
        failing = _copy(disk)
        failing.unreadable = failing.reads + number
        with pytest.raises(UpdateError, match=r"disk cannot read state-[ab] .Input/output error."):
            Store(failing)
        assert Store(failing).state.active.number == 2
