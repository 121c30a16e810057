"""The table of all control messages, and the codec between them and the bytes of a frame.

On the wire a message is a msgpack map with ``t``, its type, ``id``, the request id (requests and replies only), and the
fields. Every request has exactly one reply with its id: the ``answer`` of its row, or ``error``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any, NamedTuple, TypeVar, dataclass_transform

from tcproto.codec import decode_fields, encode_fields, pack, unpack
from tcproto.errors import ErrorCode, ProtocolError

T = TypeVar("T")


class Sender(Flag):
    """Who may send a message."""

    CLIENT = auto()
    SERVER = auto()
    BOTH = CLIENT | SERVER


class State(Flag):
    """States of a control connection after the handshake, in which a message may be sent."""

    LOGIN = auto()
    """The client has not logged in yet."""
    LOBBY = auto()
    """Logged in, without a seat."""
    ROOM = auto()
    """Seated in a room."""
    ANY = LOGIN | LOBBY | ROOM


class Row(NamedTuple):
    """The row of a message in the table. ``answer`` is the class of the reply to a request, else None."""

    name: str
    message: type
    sender: Sender
    states: State
    answer: type | None
    reply: bool

    @property
    def numbered(self) -> bool:
        """Whether the message has a request id: requests and replies have one."""
        return self.reply or self.answer is not None


class Envelope(NamedTuple):
    """A decoded message. ``request_id`` is 0 for a notification."""

    message: Any
    request_id: int


class Unknown(NamedTuple):
    """A message of a type that this version does not know. It is ignored, or refused if it is a request."""

    name: str


ROWS: dict[str, Row] = {}
_ROW_OF: dict[type, Row] = {}
MAX_REQUEST_ID = 2**32 - 1
_latest: tuple[object, bytes] = (None, b"")
"""The last notification and its bytes: a server sends the same one to everybody in a room."""


@dataclass_transform(frozen_default=True)
def message(
    name: str,
    sender: Sender,
    *,
    states: State = State.ANY,
    answer: type | None = None,
    reply: bool = False,
) -> Callable[[type[T]], type[T]]:
    """Make a frozen, slotted dataclass of the class and enter it in the table."""

    def enter(cls: type[T]) -> type[T]:
        made = dataclass(frozen=True, slots=True)(cls)
        row = Row(name, made, sender, states, answer, reply)
        if name in ROWS:
            raise ValueError(f"message {name!r} is defined twice")
        ROWS[name] = _ROW_OF[made] = row
        return made

    return enter


def row_of(cls: type) -> Row:
    """Return the table's row of a message class."""
    return _ROW_OF[cls]


def encode(value: object, request_id: int = 0) -> bytes:
    """Encode a message. Requests and replies need their id.

    Raises ``ValueError`` for a field or an id out of range, for an id of a notification, and for a missing id.
    """
    global _latest
    if value is _latest[0] and not request_id:
        return _latest[1]
    row = _ROW_OF[type(value)]
    if not 0 <= request_id <= MAX_REQUEST_ID or (request_id > 0) != row.numbered:
        raise ValueError(f"{row.name}: request id {request_id}")
    body: dict[str, Any] = {"t": row.name}
    if request_id:
        body["id"] = request_id
    body.update(encode_fields(value))
    data = pack(body)
    if not request_id:
        _latest = value, data
    return data


def decode(data: bytes) -> Envelope:
    """Decode a message. A message of an unknown type becomes ``Unknown``.

    Raises ``ProtocolError`` (``bad_message``) for all that is not a message.
    """
    body = unpack(data)
    if not isinstance(body, dict):
        raise ProtocolError(ErrorCode.BAD_MESSAGE, "a message is a map")
    name = body.get("t")
    if not isinstance(name, str):
        raise ProtocolError(ErrorCode.BAD_MESSAGE, "t: a string is required")
    request_id = body.get("id", 0)
    if type(request_id) is not int or not ("id" in body) <= request_id <= MAX_REQUEST_ID:
        raise ProtocolError(ErrorCode.BAD_MESSAGE, "id: an integer from 1 to 4294967295 is required")
    row = ROWS.get(name)
    if row is None:
        return Envelope(Unknown(name), request_id)
    if (request_id > 0) != row.numbered:
        raise ProtocolError(ErrorCode.BAD_MESSAGE, f"{name}: an id belongs to requests and replies, not to others")
    return Envelope(decode_fields(row.message, body), request_id)
