"""Ed25519: against the test vectors of RFC 8032, and without its library."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from fpga_rt.errors import ArtifactError, ToolchainError
from fpga_rt.update import ed25519, signature

pytest.importorskip("cryptography")

# RFC 8032, section 7.1, TEST 2.
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
MESSAGE = bytes.fromhex("72")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_the_vectors_of_the_standard() -> None:
    key = bytes.fromhex(PUBLIC)
    assert ed25519.verify(key, MESSAGE, SIGNATURE)
    assert not ed25519.verify(key, b"s", SIGNATURE)
    assert not ed25519.verify(key, MESSAGE, SIGNATURE[:-1])
    assert not ed25519.verify(b"short", MESSAGE, SIGNATURE)


def test_the_package_offers_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "entry_points", entry_points)
    signature.verifier.cache_clear()
    assert signature.verifier("ed25519") is ed25519.verify


def test_keys_are_pem_files(tmp_path: Path) -> None:
    key = ed25519.PrivateKey.generate()
    paths = (tmp_path / "owner.key", tmp_path / "owner.pub")
    for path, data in zip(paths, key.pem(), strict=True):
        path.write_bytes(data)
    assert ed25519.PrivateKey.read(paths[0]).public_key == key.public_key
    assert ed25519.read_public_key(paths[1]) == key.public_key
    assert ed25519.verify(key.public_key.data, b"message", key.sign(b"message"))
    for path, read in ((paths[1], ed25519.PrivateKey.read), (paths[0], ed25519.read_public_key)):
        with pytest.raises(ArtifactError, match="expected an unencrypted PEM file; fpga-rt update"):
            read(path)
    with pytest.raises(ArtifactError, match=r"none.pub cannot be read \(No such file"):
        ed25519.read_public_key(tmp_path / "none.pub")


def test_openssls_keys_are_taken(tmp_path: Path) -> None:
    commands = (
        "genpkey -algorithm ed25519 -out owner.key",
        "pkey -in owner.key -pubout -out owner.pub",
        "genpkey -algorithm x25519 -out other.key",
    )
    try:
        for command in commands:
            subprocess.run(
                ["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True
            )
    except FileNotFoundError:
        pytest.skip("OpenSSL is not installed")
    key = ed25519.PrivateKey.read(tmp_path / "owner.key")
    assert ed25519.read_public_key(tmp_path / "owner.pub") == key.public_key
    with pytest.raises(ArtifactError, match="holds no private Ed25519 key"):
        ed25519.PrivateKey.read(tmp_path / "other.key")


def test_without_the_library_nothing_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ToolchainError) as error:
        ed25519.verify(bytes.fromhex(PUBLIC), MESSAGE, SIGNATURE)
    assert "without it no update is accepted: pip install 'fpga-rt[update]'" in str(error.value)
    for use in (ed25519.PrivateKey.generate, lambda: ed25519.read_public_key(Path("x"))):
        with pytest.raises(ToolchainError, match="pip install"):
            use()
