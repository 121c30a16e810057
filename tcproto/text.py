"""Sealed text of end-to-end encrypted rooms: to the room under a key made of the sender key, to one member in a box.

A sealed text begins with a byte that says version and form, so that neither form can be taken for the other::

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
from tcproto.secretbox import NONCE_SIZE, TAG_SIZE, box, unbox
from tcproto.sender_key import KEY_SIZE, Party, SenderKey

TEXT_PADDING_STEP = 64
"""Sealed text is padded to this: how long an answer is says much of what it says."""
MAX_TEXT_SEQUENCE = 2**32 - 1
"""The field's end; a seat that has sent so many texts sends no more, since no header may come twice under a key."""
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
    """What stands in clear before a text to the room; with zeros behind it, it is the nonce."""

    number: int
    """Of the sender key, u32, all of it."""
    generation: int
    sequence: int
    """Counts the texts to the room of the sender's seat, from 1, through all keys."""


class Note(NamedTuple):
    """What is sealed."""

    message_id: bytes
    """16 bytes, those of the message around it."""
    previous: int
    """Sequence number of the text before this one that was not refused, 0 for none: by it a receiver sees a gap."""
    written_at: int
    """Unix time in ms by the sender's clock."""
    text: str


class TextContext(NamedTuple):
    """Whom a private text is from and for, and where: the recipient compares it with what is in the box."""

    life: bytes
    room: bytes
    """``room_hash`` of the room's folded name."""
    sender: Party
    recipient: Party


def check_text(text: str) -> None:
    """Raise ``ValueError`` for a text that is too long or has control characters, lone surrogates included."""
    if not _ALLOWED.fits(text):
        raise ValueError(
            f"a text has at most {MAX_TEXT_CHARS} characters and {MAX_TEXT_BYTES} bytes, and no control characters"
        )


def text_key(key: SenderKey, life: bytes, sender: Party) -> bytes:
    """Return the key of a member's texts to the room under a sender key at its generation.

    The sender is in it, so that nobody can pass off a key of another member, and with it that member's texts, as own.
    """
    return blake2b(_KEY_LABEL + life + sender.device_key + sender.box_key, key=key.key, digest_size=KEY_SIZE).digest()


def seal_room_text(header: TextHeader, note: Note, key: bytes) -> bytes:
    """Return header and box; ``key`` is the ``text_key``. Raises ``ValueError`` as `check_text`."""
    data = _HEADER.pack(ROOM_FORM, *header)
    return data + box(_packed(note), _nonce(data), key)


def parse_text_header(sealed: bytes) -> TextHeader:
    """Return what stands before a text to the room; raises ``CryptoFailure`` for another form or one cut off."""
    if len(sealed) < _HEADER.size + TAG_SIZE or sealed[0] != ROOM_FORM:
        raise CryptoFailure("no text to the room")
    return TextHeader(*_HEADER.unpack_from(sealed)[1:])


def open_room_text(sealed: bytes, key: bytes) -> Note:
    """Open a text to the room; raises ``CryptoFailure`` where it does not open, or what is in it is malformed."""
    parse_text_header(sealed)
    return _unpacked(unbox(sealed[_HEADER.size :], _nonce(sealed[: _HEADER.size]), key))


def seal_private_text(context: TextContext, sequence: int, note: Note, shared: bytes, nonce: bytes) -> bytes:
    """Return form, nonce and box; ``shared`` is the key of the pair, ``nonce`` is 24 random bytes.

    ``sequence`` counts the texts of the sender's seat to this recipient's, from 1. Raises ``ValueError`` as
    `check_text`.
    """
    names = _NAMES.pack(_BOX_LABEL, context.life, context.room, *context.sender, *context.recipient, sequence)
    return bytes((PRIVATE_FORM,)) + nonce + crypto_box_afternm(_packed(note, names), nonce, shared)


def open_private_text(context: TextContext, sealed: bytes, shared: bytes) -> tuple[int, Note]:
    """Open a private text and check every name in it; return its sequence number and what it says.

    A box is symmetric: one reflected to its maker opens too, which is why the names say who made it for whom. Raises
    ``CryptoFailure`` where it does not open, or anything in it is not what ``context`` says.
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
    """The note at ``start``; the padding has to be zeros, and no more of them than the step asks for."""
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
