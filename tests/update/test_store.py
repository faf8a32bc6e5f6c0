"""The store: what it takes and refuses, what it keeps, and what it does when the disk is bad."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.deployment import archive
from fpga_rt.deployment.model import Deployment, digest
from fpga_rt.errors import UpdateError
from fpga_rt.modules.registry import modules
from fpga_rt.planner.compile import compile_network
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.state import States
from fpga_rt.update.store import Store
from tests.update.disk import Disk
from tests.update.networks import drifted
from tests.update.signing import Secret


def _apply(store: Store, package: bytes) -> None:
    with store.changing():
        candidate = store.admit(package)
        store.stage(candidate)
        store.commit(candidate)


def _refusal(store: Store, package: bytes) -> UpdateError:
    with pytest.raises(UpdateError) as error:
        store.admit(package)
    return error.value


def test_what_is_installed_comes_back_byte_for_byte(
    store: Store, disk: Disk, base: Deployment, owner: Secret
) -> None:
    assert archive.encode(Store(disk).deployment()) == archive.encode(base)
    state = store.state
    assert (state.active.number, state.highest, state.previous, state.trial) == (1, 1, (), ())
    assert state.trusted == (owner.public_key,)
    assert state.active.archive == archive.encode(base)[-1].hex()


def test_an_update_shares_what_did_not_change(
    store: Store, target: Deployment, package: bytes
) -> None:
    before = store.size_bytes
    _apply(store, package)
    assert archive.encode(store.deployment()) == archive.encode(target)
    whole = sum(map(len, archive.encode(target)))
    assert before < store.size_bytes < before + whole
    assert store.state.event == "version 2 replaced version 1"


def test_rolling_back(store: Store, base: Deployment, package: bytes) -> None:
    _apply(store, package)
    assert store.rollback().number == 1
    assert archive.encode(store.deployment()) == archive.encode(base)
    assert store.state.event == "version 2 was rolled back to 1"
    with pytest.raises(UpdateError, match="version 1 in disk has none before it to roll back to"):
        store.rollback()


def test_numbers_are_used_once_even_after_a_rollback(
    store: Store, base: Deployment, target: Deployment, owner: Secret, package: bytes
) -> None:
    _apply(store, package)
    store.rollback()
    assert _refusal(store, package).reason == "version"
    _apply(store, make_package(base, target, 3, owner))
    assert store.state.active.number == 3


def test_the_version_before_the_last_goes_and_the_one_before_stays(
    store: Store, base: Deployment, target: Deployment, owner: Secret, package: bytes
) -> None:
    sizes = [store.size_bytes]
    _apply(store, package)
    for number in (3, 4, 5):
        ends = (target, base) if number % 2 else (base, target)
        _apply(store, make_package(*ends, number, owner))
        sizes.append(store.size_bytes)
    assert len(set(sizes[1:])) == 1
    assert store.rollback().number == 4
    assert archive.encode(store.deployment()) == archive.encode(target)


Changed = Callable[[Deployment, Deployment, Secret], bytes]


def _another_network(base: Deployment, target: Deployment, owner: Secret) -> bytes:
    named = replace(base.network, name="other")
    other = compile_network(named, board("pynq-z2"), 2)
    return make_package(other, make_target(other, drifted(named, 4)).deployment, 2, owner)


def _another_board(base: Deployment, target: Deployment, owner: Secret) -> bytes:
    other = compile_network(base.network, board("kv260"), 2)
    return make_package(other, make_target(other, target.network).deployment, 2, owner)


def _other_vectors(base: Deployment, target: Deployment, owner: Secret) -> bytes:
    codes = np.zeros((1, 4, 4, 8), np.int8)
    return make_package(base, target, 2, owner, codes)


REFUSED: dict[str, tuple[Changed, str]] = {
    "network": (
        _another_network,
        "for network other on pynq-z2, this device runs small on pynq-z2",
    ),
    "network ": (_another_board, "for network small on kv260, this device runs small on pynq-z2"),
    "version": (
        lambda base, target, owner: make_package(base, target, 1, owner),
        "has version 1, this device has had version 1 already and takes only higher ones",
    ),
    "base": (
        lambda base, target, owner: make_package(target, base, 2, owner),
        "this device runs version 1, archive ",
    ),
    "vectors": (_other_vectors, "make it with the device's (--vectors)"),
    "signature": (
        lambda base, target, owner: make_package(base, target, 2, Secret(b"stranger")),
        "sign it with the owner's key",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refusals_say_why_and_change_nothing(
    store: Store, disk: Disk, base: Deployment, target: Deployment, owner: Secret, reason: str
) -> None:
    change, text = REFUSED[reason]
    before, steps = disk.content(), disk.steps
    error = _refusal(store, change(base, target, owner))
    assert (error.reason, disk.steps) == (reason.strip(), steps)
    assert text in str(error)
    assert disk.content() == before


def test_another_register_map(
    store: Store,
    base: Deployment,
    target: Deployment,
    owner: Secret,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Older:
        map_id = 0x1234_5678

    with monkeypatch.context() as patch:
        patch.setattr("fpga_rt.update.make.STATIC_REGION", Older())
        package = make_package(base, target, 2, owner)
    error = _refusal(store, package)
    assert error.reason == "contract"
    assert "for register map 0x12345678 and archives of version 2, this device has" in str(error)


def test_a_package_that_leads_elsewhere(
    store: Store,
    base: Deployment,
    target: Deployment,
    owner: Secret,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when device and owner have versions of the software that pack weights differently."""
    package = make_package(base, target, 2, owner)
    module = next(module for module in modules() if module.name in base.module_ids)
    pack = type(module).pack
    monkeypatch.setattr(type(module), "pack", lambda *of: pack(*of)[::-1])
    error = _refusal(store, package)
    assert error.reason == "target"
    assert "make it again with the version of fpga-rt that the device has" in str(error)


def test_the_quota(base: Deployment, target: Deployment, owner: Secret, package: bytes) -> None:
    size = sum(map(len, archive.encode(base))) + 4 * 4 * 4 * 8
    with pytest.raises(UpdateError, match="the first version needs"):
        Store.install(Disk(), base, [owner.public_key], quota_bytes=size - 64)
    disk = Disk()
    store = Store.install(disk, base, [owner.public_key], quota_bytes=size + 500)
    with store.changing(), pytest.raises(UpdateError, match="the new version needs") as error:
        store.stage(store.admit(package))
    assert error.value.reason == "quota"
    assert store.state.trial == ()
    with pytest.raises(UpdateError, match="the package needs 9999 bytes beside"):
        store.transfer("0" * 64, 9999)


def test_a_transfer_fits_after_a_trial_that_power_ended(
    base: Deployment, owner: Secret, package: bytes
) -> None:
    """Also where tidying was cut short: the state before still names the version on trial."""
    roomy = Store.install(Disk(), base, [owner.public_key])
    size = roomy.size_bytes
    roomy.stage(roomy.admit(package))
    disk = Disk()
    store = Store.install(disk, base, [owner.public_key], quota_bytes=roomy.size_bytes)
    name, length = digest(package), roomy.size_bytes - size
    with store.changing():
        store.stage(store.admit(package))  # and the process dies
    with pytest.raises(UpdateError, match="the package needs 9999 bytes beside") as error:
        Store(disk).transfer(name, 9999)
    assert "which is fixed; send a smaller update, or install the network again in" in str(
        error.value
    )
    with store.changing():
        assert store.size_bytes == size
        Store(disk).transfer(name, length)
    cut = disk.copy()
    store = Store(cut)
    store.stage(store.admit(package))
    States(cut).write(replace(store.state, trial=()))
    assert store.size_bytes > size
    store.transfer(name, length)
    assert store.size_bytes == size


def test_a_refused_trial_takes_no_room(store: Store, package: bytes) -> None:
    size = store.size_bytes
    store.stage(store.admit(package))
    store.abandon("self-test")
    assert store.size_bytes == size
    with pytest.raises(UpdateError, match="has 99999999 bytes, expected at most 67108864; install"):
        store.transfer("0" * 64, 99999999)


def test_a_full_disk_leaves_nothing_behind(
    store: Store, disk: Disk, package: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, write = disk.content(), disk.write

    def full(path: str, data: bytes) -> None:
        write(path, data[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write", full)
    with pytest.raises(UpdateError, match=r"No space left on device.; free some space") as error:
        store.stage(store.admit(package))
    assert error.value.reason == "quota"
    assert disk.content() == before


def test_a_state_that_the_disk_does_not_take(
    store: Store, disk: Disk, package: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither it nor what it would name stays; an installation is refused alike."""
    before, sync = disk.content(), disk.sync

    def full(path: str) -> None:
        if path.startswith("state"):
            raise OSError(28, "No space left on device")
        sync(path)

    monkeypatch.setattr(disk, "sync", full)
    with pytest.raises(UpdateError, match=r"the store disk cannot take \d+ bytes .No sp") as error:
        store.stage(store.admit(package))
    assert error.value.reason == "quota"
    assert disk.content() == before


def test_a_folder_that_cannot_be_made(tmp_path: Path, base: Deployment, owner: Secret) -> None:
    with pytest.raises(UpdateError, match=r"No such file or directory.; see that its disk can be"):
        Store.install(tmp_path / "none" / "store", base, [owner.public_key])


def _newest(disk: Disk) -> str:
    """Return the state file with the higher number."""
    slots = [slot for slot in ("state-a", "state-b") if disk.size(slot)]
    return max(slots, key=lambda slot: int(json.loads(disk.read(slot).splitlines()[0])["sequence"]))


def test_what_is_rolled_back_to_outlives_a_refused_trial(
    store: Store, base: Deployment, target: Deployment, owner: Secret, package: bytes
) -> None:
    _apply(store, package)
    for number in (3, 4):
        store.stage(store.admit(make_package(target, base, number, owner)))
        store.abandon("self-test")
    assert store.rollback().number == 1
    assert archive.encode(store.deployment()) == archive.encode(base)


def test_the_state_before_a_rollback_can_be_fallen_back_to(
    store: Store, disk: Disk, target: Deployment, package: bytes
) -> None:
    _apply(store, package)
    store.rollback()
    disk.write(_newest(disk), b"rot")
    assert archive.encode(Store(disk).deployment()) == archive.encode(target)


def test_one_damaged_state_file_leaves_the_state_before(
    store: Store, disk: Disk, base: Deployment, package: bytes
) -> None:
    _apply(store, package)
    newest = _newest(disk)
    disk.write(newest, disk.read(newest)[:-9] + b"damaged\n\n")
    again = Store(disk)
    assert again.state.active.number == 1
    assert archive.encode(again.deployment()) == archive.encode(base)
    other = "state-a" if newest == "state-b" else "state-b"
    disk.write(other, b"")
    with pytest.raises(UpdateError, match="both of its state files are damaged; make one"):
        Store(disk)


def test_a_damaged_object_is_named(store: Store, disk: Disk) -> None:
    head = store.state.active.head
    disk.write(f"objects/{head}", b"rot")
    with pytest.raises(UpdateError, match=f"is damaged: object {head} cannot be used .its SHA-256"):
        Store(disk).deployment()
    disk.remove(f"objects/{head}")
    with pytest.raises(UpdateError, match=r"cannot be used .No such file or directory.; roll back"):
        Store(disk).deployment()


def test_an_update_mends_what_it_needs(
    store: Store, disk: Disk, target: Deployment, package: bytes
) -> None:
    """An object that rotted is written again, not taken for what its name says."""
    candidate = store.admit(package)
    shared = [
        name for name in disk.names("objects")
        if name in map(digest, candidate.parts) and name != store.state.active.head
    ]  # fmt: skip
    assert shared
    for name in shared:
        disk.write(f"objects/{name}", bytes(len(disk.read(f"objects/{name}"))))
    with store.changing():
        store.stage(candidate)
        store.commit(candidate)
    assert archive.encode(Store(disk).deployment()) == archive.encode(target)


def test_a_store_of_another_version(store: Store, disk: Disk) -> None:
    States(disk).write(replace(store.state, format_version=7))
    with pytest.raises(UpdateError, match="has format version 7, expected 1; use the fpga-rt that"):
        Store(disk)


def test_no_store_and_a_second_one(disk: Disk, base: Deployment, owner: Secret) -> None:
    with pytest.raises(UpdateError, match="disk is no update store: it holds none; make one: "):
        Store(disk)
    Store.install(disk, base, [owner.public_key])
    with pytest.raises(UpdateError, match="disk holds an update store already"):
        Store.install(disk, base, [owner.public_key])
    for trusted, version in (([], 1), ([owner.public_key], 0)):
        with pytest.raises(UpdateError, match="at least one key: nothing else could update it"):
            Store.install(Disk(), base, trusted, version)


def test_two_processes(tmp_path: Path, base: Deployment, owner: Secret, package: bytes) -> None:
    store = Store.install(tmp_path / "store", base, [owner.public_key])
    with (
        store.changing(),
        pytest.raises(UpdateError, match="is being changed by another process") as error,
        Store(tmp_path / "store").changing(),
    ):
        pass
    assert error.value.reason == "busy"
    _apply(store, package)
    assert Store(str(tmp_path / "store")).state.active.number == 2
    assert sorted(p.name for p in (tmp_path / "store").iterdir()) == [
        "incoming", "objects", "state-a", "state-b"
    ]  # fmt: skip


def test_committing_what_was_not_staged(store: Store, package: bytes) -> None:
    with pytest.raises(UpdateError, match="version 2 is not on trial in disk; stage it first"):
        store.commit(store.admit(package))
    store.abandon("nothing")
    assert store.state.event == "version 1 was installed"


def test_garbage_that_cannot_be_removed(
    store: Store, disk: Disk, package: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed or rolled back stays so, with a warning; asking for it is refused."""
    disk.write("objects/" + "0" * 64, b"no version needs this")

    def stuck(path: str) -> None:
        raise OSError(30, "Read-only file system")

    warned: list[tuple[str, UpdateError]] = []
    message = (
        "the store disk cannot remove what no version needs (Read-only file system), which takes"
        " room until the next change; see that its disk can be written"
    )
    with monkeypatch.context() as patch:
        patch.setattr(disk, "remove", stuck)
        patch.setattr("fpga_rt.update.store._log.warning", lambda *text: warned.append(text))
        candidate = store.admit(package)
        store.stage(candidate)
        store.commit(candidate)
        assert store.state.active == candidate.version
        assert store.rollback() == store.state.active
        assert store.state.active.number == 1
        assert [text % error for text, error in warned] == [message] * 2
        with pytest.raises(UpdateError) as error:
            store.collect()
        assert (str(error.value), error.value.reason) == (message, "store")
    assert store.collect() > 0
    assert "0" * 64 not in disk.names("objects")
