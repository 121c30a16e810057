import base64
from pathlib import Path

import pytest

from tcproto.account import DEFAULT_MEMORY, DEFAULT_PASSES
from tcproto.identity import fingerprint
from tcserver.identity import ServerIdentity, open_identity, read_identity
from tcserver.records import StoreError


def random_bytes(size: int) -> bytes:
    return bytes(range(size))


def test_the_identity_is_made_once_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "identity.key"
    made, is_new = open_identity(file, random_bytes)
    assert is_new
    assert made.secret == bytes(range(32))
    assert file.stat().st_mode & 0o777 == 0o600
    again, is_new = open_identity(file, lambda size: bytes(size))
    assert not is_new
    assert again == made == read_identity(file)


def test_the_public_key_is_that_of_rfc_7748() -> None:
    bob = ServerIdentity(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
    assert bob.public.hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    assert bob.fingerprint == fingerprint(bob.public)


def test_made_up_challenges_depend_on_the_key_and_the_name_only() -> None:
    one, other = ServerIdentity(b"1" * 32), ServerIdentity(b"2" * 32)
    challenge = one.made_up_challenge("nobody", {})
    assert challenge == ServerIdentity(b"1" * 32).made_up_challenge("nobody", {})
    assert challenge.memory_bytes == DEFAULT_MEMORY
    assert challenge.passes == DEFAULT_PASSES
    assert challenge.salt != other.made_up_challenge("nobody", {}).salt
    assert challenge.salt != one.made_up_challenge("somebody", {}).salt
    assert one.decoy_key != other.decoy_key


def test_an_identity_hides_its_secret() -> None:
    assert "secret" not in repr(ServerIdentity(b"1" * 32))


@pytest.mark.parametrize("content", [b"", b"not base64!", base64.b64encode(b"short"), base64.b64encode(bytes(33))])
def test_a_damaged_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "identity.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(StoreError, match="is damaged"):
        open_identity(file, random_bytes)
    assert file.read_bytes() == content


def test_a_missing_or_readable_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "identity.key"
    with pytest.raises(StoreError, match="no server key"):
        read_identity(file)
    open_identity(file, random_bytes)
    file.chmod(0o644)
    with pytest.raises(StoreError, match="can be read by others"):
        read_identity(file)
