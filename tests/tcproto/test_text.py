"""Sealed text: the keys that open it, the keys that do not, and the size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult_base

from tcproto.errors import CryptoFailure
from tcproto.membership import room_hash
from tcproto.messages.types import MAX_SEALED_TEXT, MAX_TEXT_BYTES, MAX_TEXT_CHARS
from tcproto.secretbox import box
from tcproto.sender_key import Party, SenderKey, shared_key
from tcproto.text import (
    MAX_TEXT_SEQUENCE,
    ROOM_FORM,
    TEXT_PADDING_STEP,
    Note,
    TextContext,
    TextHeader,
    check_text,
    open_private_text,
    open_room_text,
    parse_text_header,
    seal_private_text,
    seal_room_text,
    text_key,
)

LIFE = b"life of the room"
KEY = SenderKey(3, 2, b"k" * 32)
PRIVATE, OTHER_PRIVATE = b"\1" * 32, b"\2" * 32
SENDER = Party(b"d" * 32, crypto_scalarmult_base(PRIVATE))
RECIPIENT = Party(b"e" * 32, crypto_scalarmult_base(OTHER_PRIVATE))
HEADER = TextHeader(3, 2, 7)
NOTE = Note(b"m" * 16, 6, 1_767_225_600_000, "Selamat pagi\nsemua 😀")
TEXT_KEY = text_key(KEY, LIFE, SENDER)
CONTEXT = TextContext(LIFE, room_hash("rapat"), SENDER, RECIPIENT)
SHARED = shared_key(PRIVATE, RECIPIENT.box_key)
NONCE = bytes(range(24))
LONGEST = "😀" * MAX_TEXT_CHARS


def private(note=NOTE, context=CONTEXT, sequence=7):
    return seal_private_text(context, sequence, note, SHARED, NONCE)


def test_both_forms_open():
    sealed = seal_room_text(HEADER, NOTE, TEXT_KEY)
    assert parse_text_header(sealed) == HEADER
    assert open_room_text(sealed, TEXT_KEY) == NOTE
    assert open_private_text(CONTEXT, private(), shared_key(OTHER_PRIVATE, SENDER.box_key)) == (7, NOTE)


def test_no_bit_can_be_changed_and_no_byte_left_out():
    for sealed, opens in (
        (seal_room_text(HEADER, NOTE, TEXT_KEY), lambda data: open_room_text(data, TEXT_KEY)),
        (private(), lambda data: open_private_text(CONTEXT, data, SHARED)),
    ):
        spoilt = [sealed[:i] + bytes([sealed[i] ^ 1 << i % 8]) + sealed[i + 1 :] for i in range(len(sealed))]
        for data in (*spoilt, *(sealed[:i] for i in range(len(sealed))), sealed + b"\0"):
            with pytest.raises(CryptoFailure):
                opens(data)


def test_neither_form_is_taken_for_the_other():
    with pytest.raises(CryptoFailure):
        parse_text_header(private())
    with pytest.raises(CryptoFailure):
        open_private_text(CONTEXT, seal_room_text(HEADER, NOTE, TEXT_KEY), SHARED)


@pytest.mark.parametrize(
    "other",
    [
        text_key(KEY, bytes(16), SENDER),
        text_key(KEY, LIFE, RECIPIENT),
        text_key(KEY, LIFE, SENDER._replace(box_key=RECIPIENT.box_key)),
        text_key(KEY.ratcheted(), LIFE, SENDER),
        KEY.key,
        *(KEY.publication_key(LIFE, number, kind, source) for number, kind, source in ((0, 0, 0), (1, 1, 1))),
    ],
)
def test_a_text_to_the_room_has_a_key_of_its_own(other):
    with pytest.raises(CryptoFailure):
        open_room_text(seal_room_text(HEADER, NOTE, TEXT_KEY), other)


@pytest.mark.parametrize(
    "context",
    [
        CONTEXT._replace(life=bytes(16)),
        CONTEXT._replace(room=room_hash("rapat2")),
        CONTEXT._replace(sender=SENDER._replace(device_key=bytes(32))),
        CONTEXT._replace(recipient=RECIPIENT._replace(device_key=bytes(32))),
        CONTEXT._replace(sender=RECIPIENT, recipient=SENDER),
    ],
)
def test_a_private_text_is_good_for_whom_and_where_it_was_made(context):
    """The last one is a box that was sent back to its maker."""
    with pytest.raises(CryptoFailure):
        open_private_text(context, private(), SHARED)


def test_the_size_tells_no_more_than_the_step():
    by_length = [len(seal_room_text(HEADER, NOTE._replace(text="x" * n), TEXT_KEY)) for n in range(300)]
    assert len(set(by_length)) == -(-(299 + 30) // TEXT_PADDING_STEP)
    assert all((size - 11 - 15) % TEXT_PADDING_STEP == 0 for size in by_length)
    assert by_length[2] == by_length[33], "yes and no"
    assert len({len(private(NOTE._replace(text="x" * n))) for n in range(40)}) == 1


def test_the_longest_text_has_the_size_that_messages_allow():
    assert len(private(NOTE._replace(text=LONGEST))) == MAX_SEALED_TEXT
    assert open_private_text(CONTEXT, private(NOTE._replace(text=LONGEST)), SHARED)[1].text == LONGEST
    assert len(LONGEST.encode()) == MAX_TEXT_BYTES


@pytest.mark.parametrize("text", ["x" * (MAX_TEXT_CHARS + 1), "a\0b", "\x1b[2J", "a\rb", "\x85", "\u2028", "\ud800"])
def test_what_is_no_text_is_not_sealed(text):
    with pytest.raises(ValueError, match="a text has at most 2000 characters and 8000 bytes, and no control"):
        check_text(text)
    with pytest.raises(ValueError, match="a text has"):
        seal_room_text(HEADER, NOTE._replace(text=text), TEXT_KEY)


def sealed_by_hand(data):
    header = bytes([ROOM_FORM]) + bytes(9)
    return header + box(data, header + bytes(14), TEXT_KEY)


def note_by_hand(text, size=None):
    size = len(text) if size is None else size
    data = bytes(28) + size.to_bytes(2, "big") + text
    return data + bytes(-len(data) % TEXT_PADDING_STEP)


def test_what_a_hostile_member_seals_is_checked_as_what_a_server_sends():
    assert open_room_text(sealed_by_hand(note_by_hand(b"ok")), TEXT_KEY).text == "ok"
    for data in (
        b"",
        bytes(29),
        note_by_hand(b"\x1b[2J"),
        note_by_hand("\u2028".encode()),
        note_by_hand(b"\xff"),
        note_by_hand(b"\xed\xa0\x80"),
        note_by_hand(b"x" * (MAX_TEXT_CHARS + 1)),
        note_by_hand(b"ok", 60_000),
        note_by_hand(b"ok", 1),
        note_by_hand(b"ok") + bytes(TEXT_PADDING_STEP),
        note_by_hand(b"ok")[:-1],
    ):
        with pytest.raises(CryptoFailure):
            open_room_text(sealed_by_hand(data), TEXT_KEY)


@given(
    st.builds(
        Note,
        st.binary(min_size=16, max_size=16),
        st.integers(0, MAX_TEXT_SEQUENCE),
        st.integers(0, 2**64 - 1),
        st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=300),
    ),
    st.builds(TextHeader, st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, MAX_TEXT_SEQUENCE)),
)
def test_any_text_comes_back_as_it_was(note, header):
    sealed = seal_room_text(header, note, TEXT_KEY)
    assert (parse_text_header(sealed), open_room_text(sealed, TEXT_KEY)) == (header, note)
    assert open_private_text(CONTEXT, private(note, sequence=header.sequence), SHARED) == (header.sequence, note)


@given(st.binary(max_size=400))
def test_anything_else_is_refused(data):
    for opens in (parse_text_header, lambda data: open_private_text(CONTEXT, data, SHARED)):
        try:
            opens(data)
        except CryptoFailure:
            continue
        assert data[0] == ROOM_FORM
