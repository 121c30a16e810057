from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.identity import SigningKey
from tcproto.membership import MemberStatement, member_set_hash, safety_code, verify_member
from tests.support.mutations import bit_flips, truncations

DEVICE = SigningKey(bytes(range(32)))
STATEMENT = MemberStatement(b"f" * 20, b"l" * 16, "ruang", "jürgen", "Jürgen / Ost", b"b" * 32, 0x0123456789ABCDEF)
MEMBERS = [("anna", b"d" * 32, b"b" * 32), ("bert", b"e" * 32, b"c" * 32), ("anna", b"f" * 32, b"a" * 32)]
DEVICES = [(account, device) for account, device, _ in MEMBERS]


def test_the_signed_bytes() -> None:
    assert STATEMENT.text() == (
        b"tc member v2\0"
        + b"f" * 20
        + b"l" * 16
        + b"\0\x05ruang"
        + b"\0\x07j\xc3\xbcrgen"
        + b"\0\x0dJ\xc3\xbcrgen / Ost"
        + b"b" * 32
        # The time, in ms.
        + bytes.fromhex("0123456789abcdef")
    )


def test_a_signature_holds_for_its_statement_and_device_alone() -> None:
    signature = DEVICE.sign(STATEMENT.text())
    assert verify_member(STATEMENT, signature, DEVICE.public)
    assert not verify_member(STATEMENT, signature, SigningKey(bytes(32)).public)
    for spoilt in (*bit_flips(signature), *truncations(signature), signature + b"\0"):
        assert not verify_member(STATEMENT, spoilt, DEVICE.public)
    for spoilt in (*bit_flips(DEVICE.public), *truncations(DEVICE.public)):
        assert not verify_member(STATEMENT, signature, spoilt)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": b"F" * 20},
        {"life": b"L" * 16},
        {"room": "Ruang"},
        {"room": "ruan", "account": "gjürgen"},
        {"account": "juergen"},
        {"name": "Jürgen / West"},
        {"account": "jürgenJ", "name": "ürgen / Ost"},
        {"box_key": b"B" * 32},
        {"signed_at": 1},
    ],
)
def test_every_field_is_signed(change: dict[str, Any]) -> None:
    signature = DEVICE.sign(STATEMENT.text())
    assert not verify_member(STATEMENT._replace(**change), signature, DEVICE.public)


@given(st.tuples(*[st.text("ab", max_size=4)] * 4))
def test_account_and_name_never_run_into_each_other(words: tuple[str, str, str, str]) -> None:
    one = STATEMENT._replace(account=words[0], name=words[1])
    other = STATEMENT._replace(account=words[2], name=words[3])
    assert (one.text() == other.text()) == (one == other)


def test_the_hash_of_a_member_set() -> None:
    text = b"tc member set v2\0" + b"l" * 16 + b"\0\x05ruang"
    for account, device, box in (MEMBERS[0], MEMBERS[2], MEMBERS[1]):
        text += b"\0\x04" + account.encode() + device + box
    digest = hashlib.blake2b(text, digest_size=16).digest()
    assert member_set_hash(b"l" * 16, "ruang", MEMBERS) == digest
    assert member_set_hash(b"l" * 16, "ruang", reversed(MEMBERS)) == digest


def test_another_member_set_has_another_hash() -> None:
    others = [
        member_set_hash(b"l" * 16, "ruang", MEMBERS),
        member_set_hash(b"m" * 16, "ruang", MEMBERS),
        member_set_hash(b"l" * 16, "Ruang", MEMBERS),
        member_set_hash(b"l" * 16, "ruang", MEMBERS[:2]),
        member_set_hash(b"l" * 16, "ruang", [*MEMBERS[:2], ("bert", b"f" * 32, b"a" * 32)]),
        member_set_hash(b"l" * 16, "ruang", [*MEMBERS[:2], ("anna", b"g" * 32, b"a" * 32)]),
        member_set_hash(b"l" * 16, "ruang", [*MEMBERS[:2], ("anna", b"f" * 32, b"b" * 32)]),
        member_set_hash(b"l" * 16, "ruang", []),
    ]
    assert len(set(others)) == len(others)


def test_the_safety_code() -> None:
    text = b"tc safety v2\0" + b"l" * 16 + b"\x01" + b"f" * 20 + b"\0\x05ruang"
    for account, device in (DEVICES[0], DEVICES[2], DEVICES[1]):
        text += b"\0\x04" + account.encode() + device
    digest = hashlib.blake2b(text, digest_size=30).digest()
    groups = [int.from_bytes(digest[i * 5 : i * 5 + 5], "big") % 100000 for i in range(6)]
    code = safety_code(b"l" * 16, "ruang", True, b"f" * 20, DEVICES)
    assert code == " ".join(str(group).zfill(5) for group in groups)
    assert code == safety_code(b"l" * 16, "ruang", True, b"f" * 20, [*reversed(DEVICES), DEVICES[0]])


def test_the_safety_code_tells_apart_what_it_covers() -> None:
    codes = [
        safety_code(b"l" * 16, "ruang", True, b"f" * 20, DEVICES),
        safety_code(b"m" * 16, "ruang", True, b"f" * 20, DEVICES),
        safety_code(b"l" * 16, "Ruang", True, b"f" * 20, DEVICES),
        safety_code(b"l" * 16, "ruang", False, b"f" * 20, DEVICES),
        safety_code(b"l" * 16, "ruang", True, b"g" * 20, DEVICES),
        safety_code(b"l" * 16, "ruang", True, b"f" * 20, DEVICES[:2]),
        safety_code(b"l" * 16, "ruang", True, b"f" * 20, [*DEVICES[:2], ("anna", b"g" * 32)]),
    ]
    assert len(set(codes)) == len(codes)


@given(st.binary(min_size=16, max_size=16), st.booleans())
def test_the_safety_code_is_always_thirty_digits(life: bytes, e2ee: bool) -> None:
    assert re.fullmatch(r"\d{5}( \d{5}){5}", safety_code(life, "", e2ee, bytes(20), []))
