"""Who may update a device: signatures over packages, and the keys that a device trusts.

A package names the key that it was signed with by the first bytes of the key's SHA-256; the scheme
comes from the device's own list of keys, never from the package, so nobody can talk a device into
a weaker one. Schemes are entry points of the group `fpga_rt.verifiers`; without the one that a key
needs nothing is accepted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from fpga_rt.errors import ToolchainError, UpdateError

GROUP = "fpga_rt.verifiers"
KEY_ID_BYTES = 8
DOMAIN = b"fpga-rt update package 1\0"
"""Stands before what is signed, so a signature made for something else is none here."""


class Verifier(Protocol):
    """What stands behind an entry point of `GROUP`."""

    def __call__(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Tell whether a signature over a message was made with the key of a public key.

        Raises:
            ToolchainError: what computes it is not installed.
        """


class Signer(Protocol):
    """A private key, wherever it is kept."""

    @property
    def public_key(self) -> PublicKey:
        """Return the key that verifies what it signs."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""


@dataclass(frozen=True)
class PublicKey:
    """A public key: the scheme that it is for, and its bytes in hex."""

    scheme: str
    hex: str

    @property
    def data(self) -> bytes:
        """The key's bytes."""
        return bytes.fromhex(self.hex)

    @property
    def identity(self) -> bytes:
        """What packages call it."""
        return hashlib.sha256(f"{self.scheme} {self.hex}".encode()).digest()[:KEY_ID_BYTES]


@cache
def verifier(scheme: str) -> Verifier:
    """Return what verifies signatures of a scheme.

    Raises:
        ToolchainError: nothing that is installed does.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if scheme not in found:
        raise ToolchainError(
            f"no verifier of {scheme} signatures is installed, found:"
            f" {', '.join(sorted(found)) or 'none'}; without one no update is accepted: install"
            f" the package that offers {scheme} under the entry points {GROUP}"
        )
    verify: Verifier = found[scheme].load()
    return verify


def check_signature(
    message: bytes, key_id: bytes, signature: bytes, trusted: Sequence[PublicKey]
) -> PublicKey:
    """Return the trusted key that signed a message.

    Raises:
        UpdateError: it is not signed, signed with another key, or the signature is wrong.
        ToolchainError: nothing that is installed can tell.
    """
    if not signature:
        raise UpdateError(
            "the package is not signed; sign it: fpga-rt update make ... --key OWNER.key",
            "unsigned",
        )
    key = next((key for key in trusted if key.identity == key_id), None)
    if key is None:
        known = ", ".join(key.identity.hex() for key in trusted) or "none"
        raise UpdateError(
            f"the package is signed with key {key_id.hex()}, expected one that this device trusts"
            f" ({known}); sign it with the owner's key",
            "signature",
        )
    if not verifier(key.scheme)(key.data, DOMAIN + message, signature):
        raise UpdateError(
            f"the signature by key {key_id.hex()} does not belong to this package: it was changed"
            " after it was signed, or damaged on the way; send it again, or sign it again",
            "signature",
        )
    return key
