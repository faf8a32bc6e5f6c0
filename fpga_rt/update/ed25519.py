"""Ed25519 (RFC 8032) by the package `cryptography`; keys are PEM files, as OpenSSL writes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fpga_rt.errors import ArtifactError, ToolchainError
from fpga_rt.update.signature import PublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SCHEME = "ed25519"
_MAKE = "fpga-rt update key NAME makes a pair"


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature is right.

    Raises:
        ToolchainError: `cryptography` is not installed: nothing is verified, so nothing is
            accepted.
    """
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise _missing(error) from error
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):  # a ValueError: no key of this scheme
        return False
    return True


class PrivateKey:
    """A private key in memory: what signs packages on the owner's machine."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Wrap a key of `cryptography`."""
        self._key = key

    @staticmethod
    def generate() -> PrivateKey:
        """Return a new key.

        Raises:
            ToolchainError: `cryptography` is not installed.
        """
        try:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        except ImportError as error:
            raise _missing(error) from error
        return PrivateKey(Ed25519PrivateKey.generate())

    @staticmethod
    def read(path: Path) -> PrivateKey:
        """Read an unencrypted PEM file.

        Raises:
            ArtifactError: the file cannot be read, or holds no such key.
            ToolchainError: `cryptography` is not installed.
        """
        try:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
            from cryptography.hazmat.primitives.serialization import load_pem_private_key
        except ImportError as error:
            raise _missing(error) from error
        try:
            key = load_pem_private_key(_read(path), password=None)
        except (TypeError, ValueError) as error:
            raise _no_key(path, "private", str(error)) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _no_key(path, "private", f"it is a {type(key).__name__}")
        return PrivateKey(key)

    @property
    def public_key(self) -> PublicKey:
        """The key that devices trust."""
        return PublicKey(SCHEME, self._key.public_key().public_bytes_raw().hex())

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message, 64 bytes."""
        return self._key.sign(message)

    def pem(self) -> tuple[bytes, bytes]:
        """Return the private and the public key as PEM."""
        from cryptography.hazmat.primitives import serialization as form

        private = self._key.private_bytes(
            form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
        )
        public = self._key.public_key().public_bytes(
            form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo
        )
        return private, public


def read_public_key(path: Path) -> PublicKey:
    """Read a PEM file.

    Raises:
        ArtifactError: the file cannot be read, or holds no such key.
        ToolchainError: `cryptography` is not installed.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise _missing(error) from error
    try:
        key = load_pem_public_key(_read(path))
    except (UnsupportedAlgorithm, ValueError) as error:
        raise _no_key(path, "public", str(error)) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "public", f"it is a {type(key).__name__}")
    return PublicKey(SCHEME, key.public_bytes_raw().hex())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read ({error.strerror}); {_MAKE}") from error


def _no_key(path: Path, kind: str, problem: str) -> ArtifactError:
    reason = (problem.splitlines() or [""])[0]
    return ArtifactError(
        f"{path} holds no {kind} Ed25519 key ({reason}), expected an unencrypted PEM file; {_MAKE}"
    )


def _missing(error: ImportError) -> ToolchainError:
    return ToolchainError(
        f"signatures need the package cryptography ({error}); without it no update is accepted:"
        " pip install 'fpga-rt[update]'"
    )
