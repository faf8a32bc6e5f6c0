"""Who may update a device."""

from __future__ import annotations

import pytest

from fpga_rt.errors import ToolchainError, UpdateError
from fpga_rt.update import signature
from fpga_rt.update.package import sealed
from fpga_rt.update.signature import PublicKey, check_signature
from tests.update.signing import Secret


def test_any_trusted_key_will_do(package: bytes, owner: Secret) -> None:
    stranger = Secret(b"stranger").public_key
    sealed(package).open([stranger, owner.public_key])


def test_a_strangers_key(package: bytes) -> None:
    stranger = Secret(b"stranger").public_key
    with pytest.raises(UpdateError) as error:
        sealed(package).open([stranger])
    assert error.value.reason == "signature"
    assert f"expected one that this device trusts ({stranger.identity.hex()})" in str(error.value)


def test_nobody_signed_it(owner: Secret) -> None:
    with pytest.raises(UpdateError, match="the package is not signed; sign it: ") as error:
        check_signature(b"message", owner.public_key.identity, b"", [owner.public_key])
    assert error.value.reason == "unsigned"


def test_something_else_was_signed(owner: Secret) -> None:
    key = owner.public_key
    made = owner.sign(signature.DOMAIN + b"message")
    assert check_signature(b"message", key.identity, made, [key]) == key
    for message, sign in ((b"massage", made), (b"message", owner.sign(b"message"))):
        with pytest.raises(UpdateError, match="does not belong to this package: it was changed"):
            check_signature(message, key.identity, sign, [key])


def test_without_a_verifier_nothing_is_accepted(package: bytes) -> None:
    key = PublicKey("quantum", "00")
    with pytest.raises(ToolchainError) as error:
        check_signature(b"", key.identity, b"signature", [key])
    assert str(error.value).startswith(
        "no verifier of quantum signatures is installed, found: tests-hmac; without one no update"
    )


def test_the_scheme_is_the_devices_choice(owner: Secret) -> None:
    """The same bytes under another scheme are another key, so a package cannot choose."""
    weaker = PublicKey("weaker", owner.public_key.hex)
    assert weaker.identity != owner.public_key.identity
