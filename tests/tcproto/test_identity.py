import hashlib

import pytest

from tcproto.identity import (
    SigningKey,
    fingerprint,
    format_fingerprint,
    parse_fingerprint,
    verify_signature,
)

PUBLIC = bytes(range(32))
FINGERPRINT = hashlib.blake2b(PUBLIC, digest_size=20, person=b"tc fingerprint v").digest()
TEXT = "ubve-gmqe-5c6y-gcbd-g6kt-fnfe-jce3-jhpw"


def test_the_first_test_vector_of_rfc_8032() -> None:
    key = SigningKey(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert key.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert verify_signature(key.public, b"", key.sign(b""))


def test_a_changed_message_signature_or_key_does_not_verify() -> None:
    key = SigningKey(b"s" * 32)
    signature = key.sign(b"text")
    assert not verify_signature(key.public, b"texT", signature)
    assert not verify_signature(key.public, b"text", bytes([signature[0] ^ 1]) + signature[1:])
    assert not verify_signature(SigningKey(b"t" * 32).public, b"text", signature)
    assert not verify_signature(bytes(32), b"text", signature)
    assert not verify_signature(key.public[:-1], b"text", signature)
    assert not verify_signature(key.public, b"text", signature[:-1])


def test_a_key_hides_its_seed() -> None:
    assert b"s" * 32 not in repr(SigningKey(b"s" * 32)).encode()
    assert "seed" not in repr(SigningKey(b"s" * 32))
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey(b"short")


def test_the_vector_of_a_fingerprint() -> None:
    assert fingerprint(PUBLIC) == FINGERPRINT
    assert format_fingerprint(FINGERPRINT) == TEXT


@pytest.mark.parametrize("text", [TEXT, TEXT.upper(), TEXT.replace("-", ""), f" {TEXT}\n"])
def test_a_fingerprint_is_read_with_or_without_dashes(text: str) -> None:
    assert parse_fingerprint(text) == FINGERPRINT


@pytest.mark.parametrize("text", ["", "abcd", TEXT + "-aaaa", TEXT.replace("u", "1"), "é" * 32, "=" * 8])
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="32 letters"):
        parse_fingerprint(text)


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        fingerprint(b"short")
    with pytest.raises(ValueError, match="20 bytes"):
        format_fingerprint(b"short")
