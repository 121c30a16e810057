"""Bytes of Mumble's protocol: control messages, voice packets, and the boxes that these travel in over UDP."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from benchmarks.mumble.ocb2 import NONCE_SIZE, Ocb2

FRAME_HEADER = 6
"""Bytes in front of a control message: type (2), length (4)."""
SHORT_TAG = 3
"""Bytes of a tag that travel, behind the lowest byte of the nonce."""
PING = 0x20
OPUS = 0x80
"""First byte of a packet: the kind in the upper three bits, the target in the lower five (0: the own channel)."""
FRAMES_PER_PACKET = 2
"""Steps of the sequence number, which counts 10 ms, in 20 ms of sound."""


class MessageType(IntEnum):
    """Those that a light client needs."""

    VERSION = 0
    AUTHENTICATE = 2
    PING = 3
    REJECT = 4
    SERVER_SYNC = 5
    CHANNEL_STATE = 7
    USER_STATE = 9
    PERMISSION_DENIED = 12
    CRYPT_SETUP = 15


def pack_message(kind: MessageType, fields: Mapping[int, int | str | bytes]) -> bytes:
    """Return a control message: its header, and its fields by number in the encoding of Protocol Buffers."""
    body = bytearray()
    for number, value in fields.items():
        if isinstance(value, int):
            body += _pack_base128(number << 3) + _pack_base128(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            body += _pack_base128(number << 3 | 2) + _pack_base128(len(data)) + data
    return kind.to_bytes(2, "big") + len(body).to_bytes(4, "big") + bytes(body)


def parse_fields(body: bytes) -> dict[int, int | bytes]:
    """Return the fields of a control message by number, of repeated ones the last; raises ``ValueError``."""
    return dict(_fields(body))


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(body):
        key, at = _parse_base128(body, at)
        number, form = divmod(key, 8)
        if form == 0:
            value, at = _parse_base128(body, at)
            yield number, value
            continue
        if form == 2:
            size, at = _parse_base128(body, at)
        elif form in (1, 5):
            size = 8 if form == 1 else 4
        else:
            raise ValueError(f"field {number} has the unknown form {form}")
        if at + size > len(body):
            raise ValueError(f"field {number} is cut off")
        yield number, body[at : at + size]
        at += size


def _pack_base128(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*data, value))


def _parse_base128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("a number is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number has too many bytes")


def pack_varint(value: int) -> bytes:
    """Return a number of up to 64 bits as voice packets have it; raises ``OverflowError`` for another."""
    for size, prefix in enumerate((0x00, 0x80, 0xC0, 0xE0), 1):
        if 0 <= value < 1 << 7 * size:
            return (value | prefix << 8 * (size - 1)).to_bytes(size, "big")
    return b"\xf0" + value.to_bytes(4, "big") if 0 <= value < 1 << 32 else b"\xf4" + value.to_bytes(8, "big")


def parse_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place, and where it ends; raises ``ValueError`` where there is none.

    Negative numbers are none: nothing here has any.
    """
    first = data[at] if at < len(data) else 0xFF
    if first < 0xF0:
        size = next(n for n, limit in enumerate((0x80, 0xC0, 0xE0, 0xF0), 1) if first < limit)
        start, value_bits = at, 7 * size
    elif first & 0xFC in (0xF0, 0xF4):
        size = 4 if first & 0xFC == 0xF0 else 8
        start, value_bits = at + 1, 8 * size
    else:
        raise ValueError("no number")
    if start + size > len(data):
        raise ValueError("a number is cut off")
    return int.from_bytes(data[start : start + size], "big") & (1 << value_bits) - 1, start + size


class Voice(NamedTuple):
    """A voice packet from the server."""

    session: int
    """Session of the talker."""
    sequence: int
    opus: bytes


def pack_voice(sequence: int, opus: bytes) -> bytes:
    """Return a voice packet to everybody in the channel."""
    return bytes((OPUS,)) + pack_varint(sequence) + pack_varint(len(opus)) + opus


def parse_voice(packet: bytes) -> Voice:
    """Return what a server's packet has in it; raises ``ValueError`` if it is no voice to the channel."""
    if packet[:1] != bytes((OPUS,)):
        raise ValueError("no voice")
    session, at = parse_varint(packet, 1)
    sequence, at = parse_varint(packet, at)
    size, at = parse_varint(packet, at)
    opus = packet[at : at + size]
    if len(opus) != size:
        raise ValueError("sound is cut off")
    return Voice(session, sequence, opus)


def pack_ping(timestamp: int) -> bytes:
    """Return a packet that the server sends back as it is."""
    return bytes((PING,)) + pack_varint(timestamp)


class Direction:
    """One direction of a client's voice: a key, and a nonce that counts up from the lowest byte, its first."""

    def __init__(self, key: bytes, nonce: bytes) -> None:
        self.nonce = nonce
        """That of the last datagram."""
        self._cipher = Ocb2(key)

    def seal(self, packet: bytes) -> bytes:
        """Return the next datagram."""
        self._step(1)
        ciphertext, tag = self._cipher.seal(packet, self.nonce)
        return self.nonce[:1] + tag[:SHORT_TAG] + ciphertext

    def open(self, datagram: bytes) -> bytes:
        """Return the packet of a datagram that is at most 256 after the last; raises ``ValueError`` for another."""
        if len(datagram) <= 1 + SHORT_TAG:
            raise ValueError("too short a datagram")
        before = self.nonce
        self._step((datagram[0] - before[0] - 1) % 256 + 1)
        packet, tag = self._cipher.open(datagram[1 + SHORT_TAG :], self.nonce)
        if not hmac.compare_digest(tag[:SHORT_TAG], datagram[1 : 1 + SHORT_TAG]):
            self.nonce = before
            raise ValueError("a datagram does not open")
        return packet

    def _step(self, steps: int) -> None:
        number = int.from_bytes(self.nonce, "little") + steps
        self.nonce = (number % (1 << 8 * NONCE_SIZE)).to_bytes(NONCE_SIZE, "little")
