from __future__ import annotations

import hashlib
from struct import pack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_box_afternm, crypto_scalarmult_base

from tcproto.errors import CryptoFailure
from tcproto.messages import AddressedBox, encode
from tcproto.messages.media import KeyBoxes
from tcproto.messages.types import Kind, Source
from tcproto.sender_key import (
    KIND_CODES,
    MAX_FIRST_SEQUENCES,
    MAX_GENERATION,
    SOURCE_CODES,
    BoxContext,
    FirstSequence,
    OpenedBox,
    Party,
    SenderKey,
    open_key_box,
    seal_key_box,
    shared_key,
)
from tests.support.mutations import bit_flips, truncations

LIFE = bytes(range(16))
KEY = SenderKey(7, 3, bytes(range(32)))
NONCE = b"n" * 24
ALICE_SECRET, BOB_SECRET, EVE_SECRET = b"a" * 32, b"b" * 32, b"e" * 32
ALICE = Party(b"A" * 32, crypto_scalarmult_base(ALICE_SECRET))
BOB = Party(b"B" * 32, crypto_scalarmult_base(BOB_SECRET))
SHARED = shared_key(ALICE_SECRET, BOB.box_key)
CONTEXT = BoxContext(LIFE, "ruang", True, ALICE, BOB)
FIRSTS = (FirstSequence(1, 0, 100), FirstSequence(2**32 - 1, 3, 2**32 - 1))
OPENED = OpenedBox(KEY, FIRSTS)

# Orders 1, 2, 4 and 8 on Curve25519 and its twist, and their forms above the prime 2**255 - 19: D. J. Bernstein,
# https://cr.yp.to/ecdh.html, "How do I validate Curve25519 public keys?"
PRIME = 2**255 - 19
ORDER_8 = [
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
]
LOW_ORDER = [0, 1, *ORDER_8, PRIME - 1, PRIME, PRIME + 1]


def box_text(**change: Any) -> bytes:
    """The plaintext of a key box, written out by hand."""
    fields: dict[str, bytes] = {
        "label": b"tc key box v2\0\0\0",
        "life": LIFE,
        "room": hashlib.blake2b(b"tc room v1\0ruang", digest_size=16).digest(),
        "sender_device": ALICE.device_key,
        "sender_box": ALICE.box_key,
        "recipient_device": BOB.device_key,
        "recipient_box": BOB.box_key,
        "scheme": b"\x01",
        "mode": b"\x01",
        "number": pack(">I", 7),
        "generation": b"\x03",
        "key": KEY.key,
        "count": b"\x02",
        "firsts": bytes.fromhex("00000001 00 00000064 ffffffff 03 ffffffff"),
    }
    assert fields.keys() >= change.keys()
    return b"".join((fields | change).values())


def boxed(text: bytes) -> bytes:
    return NONCE + crypto_box_afternm(text, NONCE, SHARED)


def test_a_key_box_in_bytes_both_ways() -> None:
    box = boxed(box_text())
    assert seal_key_box(CONTEXT, OPENED, SHARED, NONCE) == box
    assert open_key_box(CONTEXT, box, SHARED) == OPENED
    assert open_key_box(CONTEXT, box, shared_key(BOB_SECRET, ALICE.box_key)) == OPENED


def test_a_reflected_box_is_refused() -> None:
    box = seal_key_box(CONTEXT, OPENED, SHARED, NONCE)
    with pytest.raises(CryptoFailure, match="something else"):
        open_key_box(CONTEXT._replace(sender=BOB, recipient=ALICE), box, SHARED)


@pytest.mark.parametrize(
    "change",
    [
        {"life": bytes(16)},
        {"room": "Ruang"},
        {"e2ee": False},
        {"sender": ALICE._replace(device_key=b"E" * 32)},
        {"sender": ALICE._replace(box_key=b"E" * 32)},
        {"recipient": BOB._replace(device_key=b"E" * 32)},
        {"recipient": BOB._replace(box_key=b"E" * 32)},
    ],
)
def test_a_box_made_for_something_else_is_refused(change: dict[str, Any]) -> None:
    box = seal_key_box(CONTEXT, OPENED, SHARED, NONCE)
    with pytest.raises(CryptoFailure, match="something else"):
        open_key_box(CONTEXT._replace(**change), box, SHARED)
    with pytest.raises(CryptoFailure, match="something else"):
        open_key_box(CONTEXT, seal_key_box(CONTEXT._replace(**change), OPENED, SHARED, NONCE), SHARED)


@pytest.mark.parametrize(
    "change",
    [
        {"label": b"tc key box v1\0\0\0"},
        {"room": hashlib.blake2b(b"tc room v1\0Ruang", digest_size=16).digest()},
        {"scheme": b"\x00"},
        {"scheme": b"\x02"},
        {"mode": b"\x00"},
        {"mode": b"\x02"},
        {"generation": bytes((MAX_GENERATION + 1,))},
        {"count": b"\x01"},
        {"count": b"\x03"},
        {"firsts": b""},
        {"firsts": bytes(17)},
        {"firsts": bytes(19)},
    ],
)
def test_a_box_with_a_field_that_is_wrong_is_refused(change: dict[str, bytes]) -> None:
    with pytest.raises(CryptoFailure):
        open_key_box(CONTEXT, boxed(box_text(**change)), SHARED)


def test_every_truncation_of_what_is_inside_is_refused() -> None:
    for cut in truncations(box_text()):
        with pytest.raises(CryptoFailure):
            open_key_box(CONTEXT, boxed(cut), SHARED)


def test_every_spoilt_box_is_refused() -> None:
    box = seal_key_box(CONTEXT, OPENED, SHARED, NONCE)
    for spoilt in (*truncations(box), *bit_flips(box), box + b"\0"):
        with pytest.raises(CryptoFailure):
            open_key_box(CONTEXT, spoilt, SHARED)
    with pytest.raises(CryptoFailure):
        open_key_box(CONTEXT, box, shared_key(EVE_SECRET, ALICE.box_key))


@given(st.binary(max_size=600))
def test_any_bytes_are_refused(data: bytes) -> None:
    for box in (data, boxed(data)):
        with pytest.raises(CryptoFailure):
            open_key_box(CONTEXT, box, SHARED)


@pytest.mark.parametrize("point", LOW_ORDER)
@pytest.mark.parametrize("top_bit", [0, 2**255])
def test_points_of_low_order_are_refused(point: int, top_bit: int) -> None:
    with pytest.raises(CryptoFailure, match="usable"):
        shared_key(ALICE_SECRET, (point + top_bit).to_bytes(32, "little"))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_box_keys_of_a_wrong_size_are_refused(size: int) -> None:
    with pytest.raises(CryptoFailure, match="usable"):
        shared_key(ALICE_SECRET, b"\x09" * size)


def test_as_many_first_sequences_as_fit() -> None:
    for count in (0, MAX_FIRST_SEQUENCES - 1, MAX_FIRST_SEQUENCES):
        opened = OpenedBox(KEY, (FirstSequence(1, 2, 3),) * count)
        box = seal_key_box(CONTEXT, opened, SHARED, NONCE)
        assert open_key_box(CONTEXT, box, SHARED) == opened
        assert encode(KeyBoxes((AddressedBox(1, box),)))
    with pytest.raises(ValueError, match="do not fit"):
        seal_key_box(CONTEXT, OpenedBox(KEY, (FirstSequence(1, 2, 3),) * (MAX_FIRST_SEQUENCES + 1)), SHARED, NONCE)


def test_ratchets_by_the_formula() -> None:
    step = hashlib.blake2b(b"tc ratchet v1", key=KEY.key, digest_size=32).digest()
    assert KEY.ratcheted() == SenderKey(7, 4, step)
    assert KEY.ratcheted(3) == KEY
    assert KEY.ratcheted(5) == KEY.ratcheted().ratcheted()


@settings(max_examples=20)
@given(st.integers(0, MAX_GENERATION), st.integers(0, MAX_GENERATION), st.integers(0, MAX_GENERATION))
def test_ratchets_go_together_and_only_forward(one: int, two: int, three: int) -> None:
    low, middle, high = sorted((one, two, three))
    key = SenderKey(1, low, bytes(32))
    assert key.ratcheted(middle).ratcheted(high) == key.ratcheted(high)
    if low < high:
        with pytest.raises(ValueError, match="cannot ratchet"):
            key.ratcheted(high).ratcheted(low)


def test_the_last_generation() -> None:
    last = KEY.ratcheted(MAX_GENERATION - 1).ratcheted()
    assert last.generation == MAX_GENERATION
    for generation in (None, MAX_GENERATION + 1):
        with pytest.raises(ValueError, match="cannot ratchet"):
            last.ratcheted(generation)


def test_publication_keys_by_the_formula() -> None:
    text = b"tc stream v1" + LIFE + bytes.fromhex("01020304 01 02")
    key = hashlib.blake2b(text, key=KEY.key, digest_size=32).digest()
    assert KEY.publication_key(LIFE, 0x01020304, 1, 2) == key


def test_no_two_uses_share_a_key() -> None:
    used = [
        KEY.key,
        KEY.publication_key(LIFE, 1, 1, 1),
        KEY.publication_key(LIFE, 2, 1, 1),
        KEY.publication_key(LIFE, 1, 2, 1),
        KEY.publication_key(LIFE, 1, 1, 2),
        KEY.publication_key(bytes(16), 1, 1, 1),
        KEY.ratcheted().key,
        KEY.ratcheted().publication_key(LIFE, 1, 1, 1),
        KEY._replace(key=bytes(32)).publication_key(LIFE, 1, 1, 1),
    ]
    assert len(set(used)) == len(used)
    assert all(len(key) == 32 for key in used)


def test_a_commitment_names_the_key_alone() -> None:
    digest = hashlib.blake2b(b"tc commitment v2", key=KEY.key, digest_size=32).digest()
    assert KEY.commitment() == KEY._replace(number=8, generation=9).commitment() == digest
    assert KEY.ratcheted().commitment() != digest


def test_every_kind_and_source_that_can_be_published_has_a_code() -> None:
    assert set(KIND_CODES) == set(Kind) - {Kind.UNKNOWN}
    assert set(SOURCE_CODES) == set(Source) - {Source.UNKNOWN}
    for codes in (KIND_CODES, SOURCE_CODES):
        assert len(set(codes.values())) == len(codes)
        assert 0 not in codes.values()
