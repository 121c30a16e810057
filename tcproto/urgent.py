"""Urgent messages: control messages that also travel in an item of a datagram, since TCP may wait for a retransmission.

Each is one that changes nothing the second time, and nothing where a newer one came before: a subscription has a
generation, a key box and a receipt have the number of their key, a room key has its epoch.
"""

from __future__ import annotations

from typing import Any

from tcproto.datagram import MAX_DATAGRAM, MIN_DATAGRAM
from tcproto.errors import ProtocolError
from tcproto.messages import KeyBoxes, KeyReceipts, NewRoomKey, Subscribe, decode, encode

URGENT_UP = (Subscribe, KeyBoxes, KeyReceipts)
"""What a client sends so."""
URGENT_DOWN = (KeyBoxes, KeyReceipts, NewRoomKey)
"""What a server sends so."""
MAX_URGENT = MAX_DATAGRAM - MIN_DATAGRAM - 1
"""Bytes of an urgent message at most: it is the last item of its datagram. A longer one has the channel alone."""


def pack_urgent(message: object, request_id: int = 0) -> bytes | None:
    """Return the value of the item, None for a message that is too long. A request has its id in the channel."""
    value = encode(message, request_id)
    return value if len(value) <= MAX_URGENT else None


def parse_urgent(value: bytes, allowed: tuple[type, ...]) -> Any:
    """Return the message. Raises ``ValueError`` for what is none, and for one that is not among those ``allowed``."""
    try:
        message = decode(value).message
    except ProtocolError as error:
        raise ValueError(f"an urgent message that is none: {error.detail}") from None
    if not isinstance(message, allowed):
        raise ValueError("a message that is not sent so")
    return message
