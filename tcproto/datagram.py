"""Datagrams: what UDP carries. A clear header of 12 bytes and a secretbox, whose nonce is the header and 12 zeros.

Header, big-endian::

    0       version (4 bits), kind (4 bits)
    1       key epoch, low 8 bits
    2-5     id: media id (up, down), sealer id (room)
    6-11    counter

The box of *up* and *down* holds items. That of *room* holds first the relay time (4 bytes, µs by the sealer's clock,
wraps), then items. An item is a type byte, a length of 2 bytes, and a value. Where the high bit of the type byte is
set, there is no length, and the item runs to the end. Items of an unknown type are skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from tcproto.errors import CryptoFailure
from tcproto.secretbox import TAG_SIZE, box, unbox

VERSION = 1
HEADER_SIZE = 12
EPOCH_BITS = 8
"""Of the epoch of a key, in the header of a datagram."""
FORWARD_BITS = 16
"""Of a forward number."""
COUNTER_SIZE = 6
"""Bytes of the counter, at the end of the header."""
MIN_DATAGRAM = HEADER_SIZE + TAG_SIZE
"""The fewest bytes of a datagram: a header and an empty box."""
MAX_DATAGRAM = 1200
"""The most bytes of a datagram. It fits the path MTU of every network in use, tunnels included, in one piece."""
LARGE = MAX_DATAGRAM // 2
"""Bytes above which a datagram is taken for video.

The packets of a frame that needs several are all larger, since they are of one size. Audio at 64 kbit/s is smaller even
with two copies. So nobody has to say what a sealed datagram holds, for the rare moment in which something gives way.
"""
DSCP_SMALL, DSCP_LARGE, DSCP_CONTROL = 46, 34, 24
"""Service classes of RFC 4594: EF for sound, AF41 for pictures, CS3 for the control connection."""
MAX_PLAINTEXT = MAX_DATAGRAM - MIN_DATAGRAM
RELAY_TIME_SIZE = 4
MAX_COUNTER = 2**48 - 1
"""The highest counter of a datagram."""
REKEY_COUNTER = 2**40
"""A new key is due after so many datagrams, long before the last counter."""
KEY_LIFETIME = 24 * 3600.0
"""Seconds after which a new session key or room key is due."""
KEY_OVERLAP = 10.0
"""Seconds for which a session key or room key is accepted after it was replaced: longer than any datagram travels."""
MAX_UP_ITEMS = 32
"""The most items of an up datagram. A packet with copies is two. A server looks at each, and an empty one takes only
three bytes."""
LAST_ITEM = 0x80
"""The bit of the type byte that says that the item runs to the end of the datagram and has no length."""
NONCE_PADDING = bytes(12)
"""The zeros that make a nonce of a header."""


class Kind(IntEnum):
    """Kind of a datagram."""

    UP = 1
    """Client to server, under the seat's up key."""
    DOWN = 2
    """Server to one client, under the seat's down key."""
    ROOM = 3
    """Server to everybody who wants it, under the sealer's room key."""
    RELAY = 4
    """Server to server: sealed room datagrams. Reserved."""


class ItemType(IntEnum):
    """Types of items, and the kinds of datagram they may stand in."""

    PADDING = 0
    """any: skipped"""
    PACKET = 1
    """up: packet; room: forward number 2, packet, in the plain variant"""
    HELD_PACKET = 2
    """room: forward number 2, ms held 2, packet, in the plain variant"""
    REDUNDANT_PACKET = 3
    """room: forward number 2, packet, in the redundant variant"""
    HELD_REDUNDANT_PACKET = 4
    """room: forward number 2, ms held 2, packet, in the redundant variant"""
    COPIES = 5
    """up, room: copies of earlier packets of the stream of the packet item before it"""
    FULL_COPY = 6
    """up, room: a copy that is a whole packet"""
    PING = 16
    """up, down"""
    PONG = 17
    """up, down"""
    PATH_CHALLENGE = 18
    """down: token 8"""
    PATH_RESPONSE = 19
    """up: token 8"""
    POSITIONS = 20
    """down: (sealer 4, counter 6) each"""
    KEYFRAME_REQUEST = 21
    """up, down: stream 2, spatial 1. Reserved."""
    ARRIVAL_REPORT = 22
    """down: when up datagrams arrived"""
    RECEIVER_REPORT = 23
    """up: what was received of each series"""
    HEADS = 24
    """down. Reserved."""
    NOT_SENT = 25
    """down. Reserved."""
    RETRANSMISSION_REQUEST = 26
    """up: asks for packets of a series again"""
    RESEND_REQUEST = 27
    """down: asks for packets of up datagrams again"""
    BANDWIDTH_PROBE = 28
    """up: asks for datagrams that measure the way down; down: one of them"""
    URGENT = 29
    """up, down: a control message that also comes through the channel"""
    LEAVING = 31
    """up: empty. The client has left."""
    ARRIVAL_REQUEST = 32
    """up: asks for arrival reports for a while"""


class Header(NamedTuple):
    """The clear header of a datagram. ``kind`` may be an unknown one."""

    version: int
    kind: int
    epoch: int
    id: int
    counter: int


class Item(NamedTuple):
    """An item of a datagram."""

    type: int
    value: bytes


_HEADER = Struct(">BBIHI")
unpack_header: Callable[[bytes], tuple[int, int, int, int, int]] = _HEADER.unpack_from
"""Return version and kind, epoch, id, upper 16 and lower 32 bits of the counter of a datagram of at least 12 bytes."""
_LENGTH = Struct(">BH")
_RELAY_TIME = Struct(">I")


def pack_header(kind: Kind, epoch: int, ident: int, counter: int) -> bytes:
    """Return the 12 bytes; ``epoch`` is taken modulo 256. Raises ``struct.error`` for an id or counter out of range."""
    # A client makes each datagram with this: a mask costs less than a call of ``wrapped``.
    return _HEADER.pack(VERSION << 4 | kind, epoch & 0xFF, ident, counter >> 32, counter & 0xFFFFFFFF)


def parse_header(data: bytes) -> Header:
    """Parse the header of a datagram of at least ``HEADER_SIZE`` bytes."""
    first, epoch, ident, high, low = unpack_header(data)
    return Header(first >> 4, first & 15, epoch, ident, high << 32 | low)


def seal(header: bytes, plaintext: bytes, key: bytes) -> bytes:
    """Return the datagram. The caller must never use a header twice under a key."""
    return header + box(plaintext, header + NONCE_PADDING, key)


def open_datagram(data: bytes, key: bytes) -> bytes:
    """Return the plaintext of a datagram. Raises ``CryptoFailure`` where it is too short or the box does not open."""
    if len(data) < MIN_DATAGRAM:
        raise CryptoFailure("the datagram is shorter than a header and a tag")
    return unbox(data[HEADER_SIZE:], data[:HEADER_SIZE] + NONCE_PADDING, key)


def pack_items(items: list[Item], before: bytes = b"", *, open_end: bool = True) -> bytes:
    """Return the items in a row, behind ``before``. The last one has no length if ``open_end``.

    Raises ``struct.error`` for a value over 65,535 bytes.
    """
    if open_end and len(items) == 1:
        type_, value = items[0]
        return b"%b%c%b" % (before, type_ | LAST_ITEM, value)
    parts = [before]
    last = len(items) - 1 if open_end else len(items)
    for i, (type_, value) in enumerate(items):
        parts.append(bytes((type_ | LAST_ITEM,)) if i == last else _LENGTH.pack(type_, len(value)))
        parts.append(value)
    return b"".join(parts)


def parse_items(plaintext: bytes, start: int = 0, most: int = MAX_DATAGRAM) -> list[Item]:
    """Return the items from ``start`` on, those of unknown types too.

    Raises ``ValueError`` where an item is cut off, or where there are more than ``most``.
    """
    items: list[Item] = []
    end = len(plaintext)
    while start < end:
        if len(items) >= most:
            raise ValueError("too many items")
        type_ = plaintext[start]
        if type_ & LAST_ITEM:
            items.append(Item(type_ & ~LAST_ITEM, plaintext[start + 1 :]))
            break
        if start + 3 > end:
            raise ValueError("item cut off in its length")
        stop = start + 3 + (plaintext[start + 1] << 8 | plaintext[start + 2])
        if stop > end:
            raise ValueError("item longer than the datagram")
        items.append(Item(type_, plaintext[start + 3 : stop]))
        start = stop
    return items


def pack_relay_time(microseconds: int) -> bytes:
    """Return the relay time, modulo 2**32."""
    return _RELAY_TIME.pack(microseconds & 0xFFFFFFFF)  # once for each datagram of a server, as above


def parse_relay_time(plaintext: bytes) -> int:
    """Return the relay time at the start of a room datagram's plaintext. Raises ``ValueError`` where it is short."""
    if len(plaintext) < RELAY_TIME_SIZE:
        raise ValueError("room datagram without relay time")
    return int.from_bytes(plaintext[:RELAY_TIME_SIZE], "big")
