"""Sealed texts of both forms."""

from __future__ import annotations

from typing import Any

from tcproto.membership import room_hash
from tcproto.sender_key import Party, shared_key
from tcproto.text import (
    Note,
    TextContext,
    TextHeader,
    seal_private_text,
    seal_room_text,
    text_key,
)
from tests.vectors.inputs import (
    BOX_PRIVATE,
    BOX_PUBLIC,
    DEVICE,
    LIFE,
    OTHER_BOX_PUBLIC,
    OTHER_DEVICE,
    SENDER_KEY,
    SIGNED_AT,
)

ROOM_NAME = "rapat mingguan"
_SENDER = Party(DEVICE.public, BOX_PUBLIC)
_CONTEXT = TextContext(LIFE, room_hash(ROOM_NAME), _SENDER, Party(OTHER_DEVICE.public, OTHER_BOX_PUBLIC))
_NONCE = bytes(range(0x20, 0x38))


def make() -> dict[str, Any]:
    """The parties are those of the key vectors."""
    return {
        "room": ROOM_NAME,
        "room_hash": room_hash(ROOM_NAME).hex(),
        "to_room": [
            _to_room(0, 1, Note(bytes(16), 0, SIGNED_AT, "halo")),
            _to_room(2, 3, Note(bytes(range(16)), 1, SIGNED_AT + 1, "Selamat pagi\nsemua 😀")),
            _to_room(2, 4, Note(bytes(range(16, 32)), 3, SIGNED_AT + 2, "x" * 99)),
        ],
        "to_one": [
            _to_one(1, Note(bytes(range(16)), 0, SIGNED_AT, "")),
            _to_one(2, Note(bytes(range(16, 32)), 1, SIGNED_AT + 1, "hanya untukmu")),
        ],
    }


def _to_room(generation: int, sequence: int, note: Note) -> dict[str, Any]:
    key = text_key(SENDER_KEY.ratcheted(generation), LIFE, _SENDER)
    header = TextHeader(SENDER_KEY.number, generation, sequence)
    sealed = seal_room_text(header, note, key)
    return {**header._asdict(), **_plain(note), "text_key": key.hex(), "sealed": sealed.hex()}


def _to_one(sequence: int, note: Note) -> dict[str, Any]:
    sealed = seal_private_text(_CONTEXT, sequence, note, shared_key(BOX_PRIVATE, OTHER_BOX_PUBLIC), _NONCE)
    return {"sequence": sequence, **_plain(note), "sealed": sealed.hex()}


def _plain(note: Note) -> dict[str, Any]:
    return note._asdict() | {"message_id": note.message_id.hex()}
