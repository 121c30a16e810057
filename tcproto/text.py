"""Sealed texts of end-to-end encrypted rooms: to the room under a key made of the sender key, to one member in a box.

A sealed text begins with a byte for version and form, so that one form cannot be taken for the other::

    room     form 1, key number 4, generation 1, sequence number 4, secretbox (the header is the nonce)
    private  form 1, nonce 24, crypto_box
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import NamedTuple, get_args

from nacl.bindings import crypto_box_afternm, crypto_box_open_afternm
from nacl.exceptions import CryptoError

from tcproto.errors import CryptoFailure
from tcproto.fields import Text
from tcproto.messages.types import MAX_TEXT_BYTES, MAX_TEXT_CHARS, ChatText
from tcproto.secretbox import KEY_SIZE, NONCE_SIZE, TAG_SIZE, box, unbox
from tcproto.sender_key import Party, SenderKey

TEXT_PADDING_STEP = 64
"""A sealed text is padded to a multiple of this: the length of an answer tells much of its content."""
MAX_TEXT_SEQUENCE = 2**32 - 1
"""The highest number that the field holds. A seat that reached it sends no more texts to the room, because no header
may come twice under a key."""
ROOM_FORM = 0x11
"""Version 1, to the room."""
PRIVATE_FORM = 0x12
"""Version 1, to one member."""
_KEY_LABEL = b"tc text v1\0"
_BOX_LABEL = b"tc text box v1\0\0"
_HEADER = Struct(">BIBI")
_NAMES = Struct(">16s16s16s32s32s32s32sI")
_NOTE = Struct(">16sIQH")
_ALLOWED: Text = get_args(ChatText)[1]


class TextHeader(NamedTuple):
    """The clear header of a text to the room. With zeros behind it, it is the nonce."""

    number: int
    """The whole number of the sender key, u32."""
    generation: int
    sequence: int
    """Number of the text among those to the room of this seat, from 1, through all keys."""


class Note(NamedTuple):
    """The content of a sealed text."""

    message_id: bytes
    """16 bytes, the same as in the message around it."""
    previous: int
    """Sequence number of the last text before this one that was not refused; 0 for none. It shows a receiver a gap."""
    written_at: int
    """Unix time in ms by the sender's clock."""
    text: str


class TextContext(NamedTuple):
    """Sender, recipient, room and life of a private text. The recipient compares them with those in the box."""

    life: bytes
    room: bytes
    """``room_hash`` of the folded name of the room."""
    sender: Party
    recipient: Party


def check_text(text: str) -> None:
    """Raise ``ValueError`` for a text that is too long or has control characters, lone surrogates included."""
    if not _ALLOWED.fits(text):
        raise ValueError(
            f"a text has at most {MAX_TEXT_CHARS} characters and {MAX_TEXT_BYTES} bytes, and no control characters"
        )


def text_key(key: SenderKey, life: bytes, sender: Party) -> bytes:
    """Return the key of the texts of a member to the room, under a sender key at its generation.

    It depends on the sender. So nobody can pass off the key of another member, and its texts, as their own.
    """
    return blake2b(_KEY_LABEL + life + sender.device_key + sender.box_key, key=key.key, digest_size=KEY_SIZE).digest()


def seal_room_text(header: TextHeader, note: Note, key: bytes) -> bytes:
    """Return header and box. ``key`` is the ``text_key``. Raises ``ValueError`` as ``check_text``."""
    data = _HEADER.pack(ROOM_FORM, *header)
    return data + box(_packed(note), _nonce(data), key)


def parse_text_header(sealed: bytes) -> TextHeader:
    """Return the header of a text to the room. Raises ``CryptoFailure`` where it has another form or is cut off."""
    if len(sealed) < _HEADER.size + TAG_SIZE or sealed[0] != ROOM_FORM:
        raise CryptoFailure("no text to the room")
    return TextHeader(*_HEADER.unpack_from(sealed)[1:])


def open_room_text(sealed: bytes, key: bytes) -> Note:
    """Open a text to the room. Raises ``CryptoFailure`` where it does not open, or its content is malformed."""
    parse_text_header(sealed)
    return _unpacked(unbox(sealed[_HEADER.size :], _nonce(sealed[: _HEADER.size]), key))


def seal_private_text(context: TextContext, sequence: int, note: Note, shared: bytes, nonce: bytes) -> bytes:
    """Return form, nonce and box. ``shared`` is the key of the pair, ``nonce`` is 24 random bytes.

    ``sequence`` is the number of the text among those of this seat to the seat of the recipient, from 1. Raises
    ``ValueError`` as ``check_text``.
    """
    names = _NAMES.pack(_BOX_LABEL, context.life, context.room, *context.sender, *context.recipient, sequence)
    return bytes((PRIVATE_FORM,)) + nonce + crypto_box_afternm(_packed(note, names), nonce, shared)


def open_private_text(context: TextContext, sealed: bytes, shared: bytes) -> tuple[int, Note]:
    """Open a private text and check every name in it. Return its sequence number and its note.

    A box is symmetric: one that is sent back to its maker opens too. So the names say who made it for whom. Raises
    ``CryptoFailure`` where it does not open, or where anything in it differs from ``context``.
    """
    start = 1 + NONCE_SIZE
    if len(sealed) < start + TAG_SIZE or sealed[0] != PRIVATE_FORM:
        raise CryptoFailure("no private text")
    try:
        data = crypto_box_open_afternm(sealed[start:], sealed[1:start], shared)
        label, life, room, device, box_key, to_device, to_box, sequence = _NAMES.unpack_from(data)
    except (CryptoError, StructError) as error:
        raise CryptoFailure("the private text does not open") from error
    found = (label, TextContext(life, room, Party(device, box_key), Party(to_device, to_box)))
    if found != (_BOX_LABEL, context):
        raise CryptoFailure("the private text was made for something else")
    return sequence, _unpacked(data, _NAMES.size)


def _nonce(header: bytes) -> bytes:
    return header.ljust(NONCE_SIZE, b"\0")


def _packed(note: Note, names: bytes = b"") -> bytes:
    check_text(note.text)
    text = note.text.encode()
    data = names + _NOTE.pack(note.message_id, note.previous, note.written_at, len(text)) + text
    return data + bytes(-len(data) % TEXT_PADDING_STEP)


def _unpacked(data: bytes, start: int = 0) -> Note:
    """Return the note at ``start``. The padding has to be zeros, and no more of them than the step asks for."""
    try:
        message_id, previous, written_at, size = _NOTE.unpack_from(data, start)
        end = start + _NOTE.size + size
        text = data[start + _NOTE.size : end].decode()
        check_text(text)
    except (StructError, ValueError) as error:
        raise CryptoFailure("the text is malformed") from error
    if len(data) != end + -end % TEXT_PADDING_STEP or any(data[end:]):
        raise CryptoFailure("the padding of the text is malformed")
    return Note(message_id, previous, written_at, text)
