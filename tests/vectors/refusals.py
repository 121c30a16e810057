"""Messages as bytes, and whether they are taken: the encoding, the envelope, the table of a message."""

from __future__ import annotations

import math
import struct
from typing import Any

import msgpack

from tcproto.codec import MAX_DEPTH, MAX_MAP_LEN
from tcproto.errors import ProtocolError
from tcproto.messages import decode

_PING = {"t": "ping", "id": 1, "time": 5}
_MUTE = {"t": "mute", "id": 1, "number": 1, "muted": True}


def _packed(value: object) -> bytes:
    data: bytes = msgpack.packb(value)
    return data


def _nested(depth: int) -> object:
    """Arrays inside each other, to go into a map: with it there is one more."""
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


def _with_key(name: str, value: bytes) -> bytes:
    """A ping with one more key, whose value is given as bytes."""
    return b"\x84" + _packed(_PING)[1:] + _packed(name) + value


_CASES: list[tuple[str, bytes]] = [
    ("a ping", _packed(_PING)),
    (
        "integers wider than they need to be",
        bytes.fromhex("83a174a470696e67a26964ce00000001a474696d65cf0000000000000005"),
    ),
    ("a signed integer that is not negative", bytes.fromhex("83a174a470696e67a2696401a474696d65d30000000000000005")),
    ("another order of keys", _packed({"time": 5, "id": 1, "t": "ping"})),
    ("a key that is not known", _packed(_PING | {"more": [1, "x", None]})),
    ("a finite float of 32 bits in a key that is not known", _with_key("more", b"\xca" + struct.pack(">f", 1.5))),
    (
        "a float that is not a number, in a key that is not known",
        _with_key("more", b"\xcb" + struct.pack(">d", math.nan)),
    ),
    ("an infinite float", _with_key("more", b"\xca" + struct.pack(">f", math.inf))),
    ("an extension", _with_key("more", _packed(msgpack.ExtType(5, b"x")))),
    ("a timestamp", _with_key("more", _packed(msgpack.Timestamp(1, 0)))),
    ("a str that is not UTF-8", _with_key("more", b"\xa1\xff")),
    ("a str with half of a surrogate pair", _with_key("more", b"\xa3\xed\xa0\x80")),
    ("a byte that msgpack does not use", _with_key("more", b"\xc1")),
    (
        f"{MAX_DEPTH} arrays and maps inside each other, that of the message included",
        _packed(_PING | {"more": _nested(MAX_DEPTH - 1)}),
    ),
    (f"{MAX_DEPTH + 1} of them", _packed(_PING | {"more": _nested(MAX_DEPTH)})),
    (f"{MAX_MAP_LEN} pairs", _packed(_PING | {f"k{i}": i for i in range(MAX_MAP_LEN - len(_PING))})),
    (f"{MAX_MAP_LEN + 1} pairs", _packed(_PING | {f"k{i}": i for i in range(MAX_MAP_LEN - len(_PING) + 1)})),
    ("a key twice", b"\x84" + _packed(_PING)[1:] + b"\xa4time\x06"),
    ("a key twice in an inner map", _with_key("more", bytes.fromhex("82a16101a16102"))),
    ("a key that is no str", b"\x84" + _packed(_PING)[1:] + b"\x01\x02"),
    ("a byte behind the map", _packed(_PING) + b"\xc0"),
    ("a byte too few", _packed(_PING)[:-1]),
    ("no bytes", b""),
    ("an array", _packed([1])),
    ("no type", _packed({"id": 1, "time": 5})),
    ("a type that is no str", _packed(_PING | {"t": 1})),
    ("a type that is not known", _packed({"t": "of_tomorrow", "id": 1})),
    ("a request without an id", _packed({"t": "ping", "time": 5})),
    ("an id of 0", _packed(_PING | {"id": 0})),
    ("an id of nil", _packed(_PING | {"id": None})),
    ("an id above u32", _packed(_PING | {"id": 2**32})),
    ("an id that is a bool", _packed(_PING | {"id": True})),
    ("an id of 0 with a type that is not known", _packed({"t": "of_tomorrow", "id": 0})),
    ("a notification", _packed({"t": "keyframe_request", "stream": 5})),
    ("a notification with an id", _packed({"t": "keyframe_request", "id": 1, "stream": 5})),
    ("a notification with an id of 0", _packed({"t": "keyframe_request", "id": 0, "stream": 5})),
    ("a required field that is absent", _packed({"t": "ping", "id": 1})),
    ("a required field that is nil", _packed(_PING | {"time": None})),
    ("a bool for an integer", _packed(_PING | {"time": True})),
    ("a float for an integer", _packed(_PING | {"time": 5.0})),
    ("an integer below 0 for a u64", _packed(_PING | {"time": -1})),
    ("the largest u64", _packed(_PING | {"time": 2**64 - 1})),
    ("a mute", _packed(_MUTE)),
    ("an integer for a bool", _packed(_MUTE | {"muted": 1})),
    ("the publication number 0", _packed(_MUTE | {"number": 0})),
    ("the largest publication number", _packed(_MUTE | {"number": 2**32 - 1})),
    ("a publication number above that", _packed(_MUTE | {"number": 2**32})),
]


def make() -> dict[str, Any]:
    """What is taken is a message or of a type that is not known; the rest is ``bad_message``."""
    return {"messages": [{"name": name, "bytes": data.hex(), "taken": _is_taken(data)} for name, data in _CASES]}


def _is_taken(data: bytes) -> bool:
    try:
        decode(data)
    except ProtocolError:
        return False
    return True
