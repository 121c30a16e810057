import dataclasses
import hashlib
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.account import (
    DEFAULT_MEMORY,
    DEFAULT_PASSES,
    MAX_PASSWORD_BYTES,
    MEMORY_CEILING,
    MEMORY_FLOOR,
    PASSES_CEILING,
    PASSES_FLOOR,
    Challenge,
    check_costs,
    decoy_public_key,
    derive_account_key,
    effective_salt,
    generate_password,
    made_up_challenge,
    read_password,
    sign_account_change,
    sign_account_login,
    sign_device_login,
    verify_account_change,
    verify_account_login,
    verify_device_login,
)
from tcproto.errors import CryptoFailure
from tcproto.identity import SigningKey, verify_signature

STATIC = bytes(range(32))
SALT = bytes(range(16))
HASH = bytes(range(64))
DEVICE = bytes(range(32))
NAME = "kantor-ä"
KEY = SigningKey(b"k" * 32)
NEW = Challenge(bytes(16), DEFAULT_MEMORY, DEFAULT_PASSES)

EFFECTIVE_SALT = "2889a3613aa4065a6972ad216483180d"
ACCOUNT_PUBLIC = "84989aad18f052059f05a3c6ef0d69dc1dc7d1cb8e3ef5d7de9296fae1776b51"
ACCOUNT_LOGIN = (
    "e4a999d77d5bc4bc3ac4a393abc94840cb492cca6ff20d914dde37f663907a26"
    "f87e0f9836f3212342293b67089a6f2938b350a513088efc28ff7b72df237707"
)
DEVICE_LOGIN = (
    "f67f1072df60374716eaeb41ed94414eeb281924f5644c38c306e67acde3b9f6"
    "0415ab9b90897c36dbe23b487612f769e5daf19bce85f7b06e42051e2eb90e0c"
)
ACCOUNT_CHANGE = (
    "bfc11abbe10ad279a0e94ee885d8e019a889d9e07d3551f2ddfa2567d233e78d"
    "88a11554ba8faf84cb98bf15e2e75e69da4551ff7d75f9fadc14cbc83a936305"
)
PREFIXED_NAME = b"\0\x09kantor-\xc3\xa4"


@pytest.mark.parametrize(
    ("line", "password"),
    [
        (b"correct horse\n", "correct horse"),
        (b"correct horse\r\n", "correct horse"),
        (b"correct horse", "correct horse"),
        ("p\u00e4ssw\u00f6rd\n".encode(), "p\u00e4ssw\u00f6rd"),
        (b"\xef\xbb\xbf" + "p\u00e4ssw\u00f6rd\r\n".encode(), "p\u00e4ssw\u00f6rd"),
        (b" two  spaces \n", " two  spaces "),
        (b"\xef\xbb\xbf", ""),
        (b"", ""),
    ],
)
def test_a_password_is_read_from_a_line(line: bytes, password: str) -> None:
    assert read_password(line) == password


@pytest.mark.parametrize(
    "line",
    [
        "p\u00e4ssword".encode("cp1252"),
        "p\u00e4ssword\n".encode("utf-16"),
        "password\n".encode("utf-16-le"),
        "password\n".encode("utf-16-be"),
        "password\n".encode("utf-32"),
        "\u0430\u0431\u0432\u0433".encode("koi8-r"),
        b"\xed\xa0\x80",
    ],
)
def test_a_password_in_another_encoding_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not in UTF-8"):
        read_password(line)


def test_the_vector_of_an_effective_salt() -> None:
    assert effective_salt(STATIC, NAME, SALT).hex() == EFFECTIVE_SALT
    text = STATIC + NAME.encode() + b"\0" + SALT
    assert hashlib.blake2b(text, digest_size=16, person=b"tc salt v1").hexdigest() == EFFECTIVE_SALT


def test_an_effective_salt_depends_on_server_name_and_salt() -> None:
    salts = {
        effective_salt(STATIC, NAME, SALT),
        effective_salt(STATIC[::-1], NAME, SALT),
        effective_salt(STATIC, "kantor", SALT),
        effective_salt(STATIC, NAME, SALT[::-1]),
    }
    assert len(salts) == 4


def test_the_vector_of_an_account_key_in_any_normal_form_of_the_password() -> None:
    salt = bytes.fromhex(EFFECTIVE_SALT)
    assert derive_account_key("pässword", salt, DEFAULT_MEMORY, DEFAULT_PASSES).public.hex() == ACCOUNT_PUBLIC
    assert derive_account_key("pa\u0308ssword", salt, DEFAULT_MEMORY, DEFAULT_PASSES).public.hex() == ACCOUNT_PUBLIC


@pytest.mark.parametrize(
    ("memory", "passes"),
    [
        (MEMORY_FLOOR - 1, DEFAULT_PASSES),
        (MEMORY_CEILING + 1, DEFAULT_PASSES),
        (DEFAULT_MEMORY, PASSES_FLOOR - 1),
        (DEFAULT_MEMORY, PASSES_CEILING + 1),
        (0, 0),
        (-1, -1),
    ],
)
def test_costs_outside_floor_and_ceiling_are_refused(memory: int, passes: int) -> None:
    with pytest.raises(CryptoFailure, match="refused"):
        derive_account_key("password", SALT, memory, passes)
    with pytest.raises(CryptoFailure, match="refused"):
        sign_account_change(KEY, HASH, NAME, DEVICE, Challenge(SALT, memory, passes))
    assert not verify_account_change(KEY.public, bytes(64), HASH, NAME, DEVICE, Challenge(SALT, memory, passes))


def test_the_limits_of_the_costs_themselves_are_allowed() -> None:
    check_costs(MEMORY_FLOOR, PASSES_FLOOR)
    check_costs(MEMORY_CEILING, PASSES_CEILING)


@pytest.mark.parametrize("password", ["", "x" * (MAX_PASSWORD_BYTES + 1), "ä" * MAX_PASSWORD_BYTES, "\ud800"])
def test_passwords_that_are_none_are_refused(password: str) -> None:
    with pytest.raises(ValueError, match=r"bytes|surrogates"):
        derive_account_key(password, SALT, DEFAULT_MEMORY, DEFAULT_PASSES)


def test_the_vector_of_an_account_login() -> None:
    signature = sign_account_login(KEY, HASH, DEVICE, NAME)
    assert signature.hex() == ACCOUNT_LOGIN
    assert verify_account_login(KEY.public, signature, HASH, DEVICE, NAME)
    assert verify_signature(KEY.public, b"tc account login v1\0" + HASH + DEVICE + PREFIXED_NAME, signature)


def test_the_vector_of_a_device_login() -> None:
    signature = sign_device_login(KEY, HASH, NAME)
    assert signature.hex() == DEVICE_LOGIN
    assert verify_device_login(KEY.public, signature, HASH, NAME)
    assert verify_signature(KEY.public, b"tc device login v1\0" + HASH + PREFIXED_NAME, signature)


def test_the_vector_of_an_account_change() -> None:
    signature = sign_account_change(KEY, HASH, NAME, DEVICE, NEW)
    assert signature.hex() == ACCOUNT_CHANGE
    assert verify_account_change(KEY.public, signature, HASH, NAME, DEVICE, NEW)
    text = b"tc account change v1\0" + HASH + PREFIXED_NAME + DEVICE + bytes(16) + b"\x04\0\0\0" + b"\x03"
    assert verify_signature(KEY.public, text, signature)


@pytest.mark.parametrize(
    "fields",
    [
        (HASH[::-1], DEVICE, NAME),
        (HASH, DEVICE[::-1], NAME),
        (HASH, DEVICE, "kantor"),
        (HASH[1:], DEVICE, NAME),
        (HASH, DEVICE[1:], NAME),
        (HASH, DEVICE, "\ud800"),
        (HASH, DEVICE, "x" * 0x10000),
    ],
)
def test_an_account_login_verifies_for_its_own_fields_only(fields: tuple[bytes, bytes, str]) -> None:
    assert not verify_account_login(KEY.public, bytes.fromhex(ACCOUNT_LOGIN), *fields)


@pytest.mark.parametrize("fields", [(HASH[::-1], NAME), (HASH, "kantor"), (HASH[1:], NAME)])
def test_a_device_login_verifies_for_its_own_fields_only(fields: tuple[bytes, str]) -> None:
    assert not verify_device_login(KEY.public, bytes.fromhex(DEVICE_LOGIN), *fields)


@pytest.mark.parametrize(
    "fields",
    [
        (HASH[::-1], NAME, DEVICE, NEW),
        (HASH, "kantor", DEVICE, NEW),
        (HASH, NAME, DEVICE[::-1], NEW),
        (HASH, NAME, DEVICE[1:], NEW),
        (HASH, NAME, DEVICE, NEW._replace(salt=b"x" * 16)),
        (HASH, NAME, DEVICE, NEW._replace(salt=b"x")),
        (HASH, NAME, DEVICE, NEW._replace(memory_bytes=DEFAULT_MEMORY + 1)),
        (HASH, NAME, DEVICE, NEW._replace(passes=2)),
    ],
)
def test_an_account_change_verifies_for_its_own_fields_only(fields: tuple[bytes, str, bytes, Challenge]) -> None:
    assert not verify_account_change(KEY.public, bytes.fromhex(ACCOUNT_CHANGE), *fields)


def test_a_signature_of_one_kind_is_none_of_another() -> None:
    assert not verify_device_login(KEY.public, sign_account_login(KEY, HASH, DEVICE, NAME), HASH, NAME)
    assert not verify_account_login(KEY.public, sign_device_login(KEY, HASH, NAME), HASH, DEVICE, NAME)


@given(signature=st.binary(max_size=80), public=st.binary(max_size=40))
def test_arbitrary_signatures_and_keys_never_raise(signature: bytes, public: bytes) -> None:
    assert not verify_account_login(public, signature, HASH, DEVICE, NAME)


def test_made_up_challenges_are_stable_and_shaped_as_real_ones() -> None:
    challenge = made_up_challenge(b"s" * 32, "nobody", {})
    assert challenge == Challenge(bytes.fromhex("3b564c0961481be210a73bcb96186fca"), DEFAULT_MEMORY, DEFAULT_PASSES)
    assert challenge == made_up_challenge(b"s" * 32, "nobody", {})
    assert challenge.salt != made_up_challenge(b"s" * 32, "nobody-2", {}).salt
    assert challenge.salt != made_up_challenge(b"t" * 32, "nobody", {}).salt
    check_costs(challenge.memory_bytes, challenge.passes)


def test_made_up_costs_are_as_frequent_as_those_in_use_and_few_change_with_them() -> None:
    names = [f"nobody-{number}" for number in range(1000)]
    few, many = (MEMORY_FLOOR, 3), (MEMORY_CEILING, 4)

    def costs(of: dict[tuple[int, int], int]) -> list[tuple[int, int]]:
        return [made_up_challenge(b"s" * 32, name, of)[1:] for name in names]

    before = costs({few: 10, many: 90})
    assert before == costs({few: 10, many: 90})
    assert 60 < before.count(few) < 140
    after = costs({few: 11, many: 90, (MEMORY_FLOOR, 2): 1})
    assert sum(one != other for one, other in zip(before, after, strict=True)) < 50


def test_a_decoy_key_is_a_key_of_the_curve() -> None:
    public = decoy_public_key(b"s" * 32)
    assert public.hex() == "c0e6ecd4f4d384d697f9c67149b4a9cc0e4bf6211dce4955abb374e5537fb67a"
    assert not verify_account_login(public, sign_account_login(KEY, HASH, DEVICE, NAME), HASH, DEVICE, NAME)


@pytest.mark.parametrize(
    ("entropy", "password"),
    [
        (bytes(range(10)), "000g-40r4-0m30-e209"),
        (b"\xff" * 10, "zzzz-zzzz-zzzz-zzzz"),
        (bytes(10), "0000-0000-0000-0000"),
    ],
)
def test_a_password_from_ten_random_bytes(entropy: bytes, password: str) -> None:
    assert generate_password(entropy) == password


@given(st.sets(st.binary(min_size=10, max_size=10), min_size=2, max_size=20))
def test_every_random_bit_counts_in_a_password(entropies: set[bytes]) -> None:
    passwords = {generate_password(entropy) for entropy in entropies}
    assert len(passwords) == len(entropies)
    assert all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}", password) for password in passwords)


@pytest.mark.parametrize(
    "call",
    [
        lambda: effective_salt(b"short", NAME, SALT),
        lambda: effective_salt(STATIC, NAME, b"short"),
        lambda: derive_account_key("password", b"short", DEFAULT_MEMORY, DEFAULT_PASSES),
        lambda: sign_account_login(KEY, b"short", DEVICE, NAME),
        lambda: made_up_challenge(b"short", NAME, {}),
        lambda: decoy_public_key(b"short"),
        lambda: generate_password(b"short"),
    ],
)
def test_wrong_sizes_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="instead of"):
        call()


def test_keys_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        KEY.seed = b"x" * 32  # type: ignore[misc]
