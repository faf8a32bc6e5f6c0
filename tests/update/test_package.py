"""The file: every length is checked, every bit is signed, nothing expands beyond what it says."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import pytest

from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import UpdateError
from fpga_rt.network import serialise
from fpga_rt.update.documents import dump
from fpga_rt.update.make import make_package
from fpga_rt.update.package import HEADER, LARGEST_BYTES, MAGIC, encode, seal, sealed
from fpga_rt.update.signature import KEY_ID_BYTES
from tests.update.signing import Secret


def _content(package: bytes) -> bytes:
    return zlib.decompress(sealed(package).message[HEADER.size : -KEY_ID_BYTES])


def _refusal(data: bytes, owner: Secret) -> UpdateError:
    with pytest.raises(UpdateError) as error:
        sealed(data).open([owner.public_key])
    return error.value


def test_a_package_says_what_it_is(package: bytes, base: Deployment, owner: Secret) -> None:
    found, data = sealed(package).open([owner.public_key])
    assert (found.network, found.board, found.version, found.note) == (
        "small", "pynq-z2", 2, "dusk"
    )  # fmt: skip
    assert found.map_id == base.map_id
    assert data


def test_equal_updates_are_equal_packages(
    package: bytes, base: Deployment, target: Deployment, owner: Secret
) -> None:
    assert make_package(base, target, 2, owner, note="dusk") == package


def test_every_prefix_is_truncated(package: bytes, owner: Secret) -> None:
    for length in range(1, len(package)):
        error = _refusal(package[:length], owner)
        assert error.reason == "damaged"
        assert "truncated" in str(error)


def test_every_byte_counts(package: bytes, owner: Secret) -> None:
    for place in range(len(package)):
        changed = bytearray(package)
        changed[place] ^= 0x40
        assert _refusal(bytes(changed), owner).reason in {"damaged", "contract", "signature"}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "it starts with nothing, not with a package's magic"),
        (b"PK\x03\x04", "it starts with 50 4b 03 04, not with"),
        (MAGIC[:5], "it is truncated: 5 bytes, expected a header of 24"),
        (
            HEADER.pack(MAGIC, 1, 1 << 31, 9, 64),
            f"2147483648 bytes and 9 when expanded, at most {LARGEST_BYTES}",
        ),
    ],
)
def test_what_is_no_package(data: bytes, text: str) -> None:
    with pytest.raises(UpdateError) as error:
        sealed(data)
    assert text in str(error.value)
    assert error.value.reason == "damaged"


def test_another_format_version(package: bytes) -> None:
    data = bytearray(package)
    data[8] = 9
    with pytest.raises(
        UpdateError, match="has format version 9, expected 1; make it with"
    ) as error:
        sealed(bytes(data))
    assert error.value.reason == "contract"


def test_bytes_behind_the_end(package: bytes, owner: Secret) -> None:
    assert "it goes on after its end" in str(_refusal(package + b"x", owner))


@pytest.mark.parametrize("said", [4, 1 << 20, LARGEST_BYTES])
def test_a_bomb_expands_no_further_than_it_says(owner: Secret, said: int) -> None:
    body = zlib.compress(bytes(LARGEST_BYTES + 1), 1)
    error = _refusal(seal(body, said, owner), owner)
    assert f"does not expand to {said} bytes exactly" in str(error)


def test_bodies_that_are_none(package: bytes, owner: Secret) -> None:
    content = _content(package)
    stream = zlib.compress(content)
    for body, expanded, text in (
        (stream[:-1], len(content), "does not expand to"),
        (stream + b"x", len(content), "does not expand to"),
        (stream, len(content) - 1, "does not expand to"),
        (b"no stream", 9, "does not expand (Error -3"),
        (zlib.compress(b""), 0, "a body of 0 bytes when expanded"),
        (zlib.compress(b"\xff\xff\0\0{}"), 6, "a manifest of 2 bytes, expected 65535"),
        (zlib.compress(b"\2\0\0\0{}"), 6, "its manifest is none (package: got"),
        (zlib.compress(b"\2\0\0\0[["), 6, "its manifest is none (Expecting value"),
    ):
        assert text in str(_refusal(seal(body, expanded, owner), owner)), text


def test_a_manifest_has_one_form(package: bytes, owner: Secret) -> None:
    content = _content(package)
    size = int.from_bytes(content[:4], "little")
    text = json.dumps(json.loads(content[4 : 4 + size])).encode()  # with spaces
    changed = len(text).to_bytes(4, "little") + text + content[4 + size :]
    error = _refusal(seal(zlib.compress(changed), len(changed), owner), owner)
    assert "not in the form that packages are written in" in str(error)


@pytest.mark.parametrize("name", ["note", "network", "board"])
def test_texts_that_fake_lines_are_refused(package: bytes, owner: Secret, name: str) -> None:
    for text in ("dusk\n  signed by  key 00, checked", "\x1b[2J", "a\u202eb", "a\u2028b"):
        found, data = sealed(package).open([owner.public_key])
        forged = replace(found, **{name: text})  # type: ignore[arg-type] # all three are texts
        with pytest.raises(UpdateError, match=f"the {name} '.*' has control characters") as error:
            encode(forged, data, owner)
        assert error.value.reason == "text"
        assert "change the text and make the package again" in str(error.value)
        manifest = dump(serialise.encode(forged)[0]).encode()
        content = len(manifest).to_bytes(4, "little") + manifest + data
        refused = _refusal(seal(zlib.compress(content), len(content), owner), owner)
        assert refused.reason == "damaged"
        assert f"the {name} {text!a} has control characters" in str(refused)


def test_numbers_out_of_range_are_not_written(
    base: Deployment, target: Deployment, owner: Secret
) -> None:
    for version in (0, 1 << 63):
        with pytest.raises(UpdateError, match=r"expected one of 1 to \d+; count on") as error:
            make_package(base, target, version, owner)
        assert error.value.reason == "version"
    wanted = "a note of 201 characters, expected at most 200; change the text and make"
    with pytest.raises(UpdateError, match=wanted) as error:
        make_package(base, target, 2, owner, note="x" * 201)
    assert error.value.reason == "text"
