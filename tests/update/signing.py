"""A signature scheme of the tests' own, which needs no library: verifiers are pluggable."""

from __future__ import annotations

import hashlib
import hmac

from fpga_rt.update.signature import PublicKey

SCHEME = "tests-hmac"


class Secret:
    """Signs and verifies with one secret; good enough to notice every change."""

    def __init__(self, secret: bytes = b"owner") -> None:
        self._secret = secret

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(SCHEME, self._secret.hex())

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self._secret, message, hashlib.sha256)


class Entry:
    """An entry point for it."""

    name = SCHEME

    @staticmethod
    def load() -> object:
        return verify


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    return hmac.compare_digest(hmac.digest(public_key, message, hashlib.sha256), signature)
