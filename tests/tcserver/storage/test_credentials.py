import pytest

from tcproto.account import (
    DEFAULT_MEMORY,
    DEFAULT_PASSES,
    MAX_PASSWORD_BYTES,
    Challenge,
    derive_account_key,
    effective_salt,
)
from tcserver.identity import ServerIdentity
from tcserver.records import StoreError
from tcserver.storage.credentials import check_password, derive_credentials

IDENTITY = ServerIdentity(b"i" * 32)
SALT = b"s" * 16


def test_credentials_are_what_a_client_would_derive() -> None:
    challenge, public_key = derive_credentials(IDENTITY, "Kantor-1", "correct horse", SALT)
    assert challenge == Challenge(SALT, DEFAULT_MEMORY, DEFAULT_PASSES)
    salt = effective_salt(IDENTITY.public, "kantor-1", challenge.salt)
    assert derive_account_key("correct horse", salt, challenge.memory_bytes, challenge.passes).public == public_key


@pytest.mark.parametrize(
    ("name", "password", "reason"),
    [
        ("kantor-1", "short", "at least 8"),
        ("kantor-1", "", "at least 8"),
        ("kantor-1", "x" * (MAX_PASSWORD_BYTES + 1), "at most 1024"),
        ("kantor-1", "ä" * MAX_PASSWORD_BYTES, "1024 bytes"),
        ("two words", "correct horse", "only letters"),
    ],
)
def test_bad_passwords_and_names_are_refused(name: str, password: str, reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        derive_credentials(IDENTITY, name, password, SALT)


def test_eight_characters_are_enough() -> None:
    check_password("12345678")
