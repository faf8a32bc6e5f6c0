"""A package on its way: it goes on where it stopped, and is what was announced or nothing."""

from __future__ import annotations

from hashlib import sha256

import pytest

from fpga_rt.errors import UpdateError
from fpga_rt.update.store import Store
from tests.update.disk import Disk


def test_an_interrupted_transfer_goes_on(store: Store, disk: Disk, package: bytes) -> None:
    name = sha256(package).hexdigest()
    first = store.transfer(name, len(package))
    first.write(package[:700])
    with pytest.raises(UpdateError, match=r"700 bytes of \d+ have come; send it on from byte 700"):
        first.finish()
    second = Store(disk).transfer(name, len(package))
    assert (second.offset, second.missing_bytes) == (700, len(package) - 700)
    second.write(package[700:])
    assert second.finish() == package
    second.discard()
    assert disk.names("incoming") == []


def test_what_came_damaged_is_sent_anew(store: Store, disk: Disk, package: bytes) -> None:
    transfer = store.transfer(sha256(package).hexdigest(), len(package))
    transfer.write(bytes(len(package)))
    with pytest.raises(UpdateError, match="the package that came has SHA-256"):
        transfer.finish()
    assert transfer.offset == 0
    transfer.write(package)
    assert transfer.finish() == package


def test_only_what_was_announced_is_taken(store: Store, disk: Disk, package: bytes) -> None:
    transfer = store.transfer(sha256(package).hexdigest(), 10)
    with pytest.raises(UpdateError, match="11 bytes at 0 of a package of 10, expected at most 10"):
        transfer.write(package[:11])
    assert disk.names("incoming") == []
    for name, size in (("../state-a", 9), ("A" * 64, 9), ("0" * 64, 0)):
        with pytest.raises(UpdateError, match="expected at least one byte and 64 hexadecimal"):
            store.transfer(name, size)


@pytest.mark.parametrize(
    ("error", "reason", "advice"),
    [
        (OSError(28, "No space left on device"), "quota", "free some space there"),
        (OSError(5, "Input/output error"), "store", "see that its disk can be written"),
    ],
)
def test_a_disk_that_takes_a_part(
    store: Store, disk: Disk, package: bytes, error: OSError, reason: str, advice: str
) -> None:
    append = disk.append

    def full(path: str, data: bytes) -> None:
        append(path, data[:9])
        raise error

    transfer = store.transfer(sha256(package).hexdigest(), len(package))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "append", full)
        with pytest.raises(UpdateError) as refused:
            transfer.write(package)
    assert str(refused.value) == (
        f"the store disk cannot take {len(package)} bytes ({error.strerror}); {advice}"
    )
    assert (refused.value.reason, transfer.offset) == (reason, 9)
    transfer.write(package[9:])
    assert transfer.finish() == package


def test_what_a_killed_process_left_lasts_with_what_comes_after(
    store: Store, disk: Disk, package: bytes
) -> None:
    name = sha256(package).hexdigest()
    disk.append(f"incoming/{name}", package[:700])
    store.transfer(name, len(package)).write(package[700:])
    for rule, left in disk.survivors():
        assert Store(left).transfer(name, len(package)).missing_bytes == 0, rule


def test_one_transfer_at_a_time(store: Store, disk: Disk, package: bytes) -> None:
    store.transfer("0" * 64, 9).write(b"old")
    store.transfer("1" * 64, 9).write(b"new")
    assert disk.names("incoming") == ["1" * 64]
    disk.append("incoming/" + "1" * 64, bytes(99))
    assert store.transfer("1" * 64, 9).offset == 0
