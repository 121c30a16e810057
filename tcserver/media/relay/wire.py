"""The messages of the media workers of one server, by UDP, about the rooms that several of them have seats of.

All numbers are big-endian. A datagram begins with version and kind (1 byte, as in PROTOCOL.md, section 6: relay), the
type of the message (1 byte) and a number (4 bytes), which is that of an audience or of a room. The workers trust each
other: they are one program, and nobody else can send from their ports.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from struct import Struct, error

from tcproto.datagram import COUNTER_SIZE, MIN_DATAGRAM, VERSION, Kind
from tcproto.packet import Series, parse_series
from tcproto.path import Position
from tcserver.media.speakers.selection import Level, News, Ranked

MAX_RELAYED = 8192
"""Bytes of a message: an audience of twice as many as any room seats, or 409 levels."""
HEAD_SIZE = 6
"""Bytes before the room datagram that is handed on."""
_FIRST = VERSION << 4 | Kind.RELAY
_HEAD = Struct(">BBI")
_IDENT = Struct(">I")
_STREAM = Struct(">H")
_RANKED = Struct(">HI")
_LEVEL = Struct(">HIqIBB")
_REPEAT = Struct(">IHB")
_VOICE = 0x80
_LONGEST = 0x7F
LEVELS_IN_MESSAGE = (MAX_RELAYED - HEAD_SIZE) // _LEVEL.size


class Message(IntEnum):
    """Type of a message, and what follows the number."""

    DATAGRAM = 0
    """For an audience: a room datagram, as it was sealed."""
    AUDIENCE = 1
    """The seats that a number stands for from now on: room (4 bytes), media ids (4 each)."""
    UNKNOWN = 2
    """The answer to a datagram for an audience that is not known; nothing follows."""
    POSITION = 3
    """Of the sender's sealer of a room: sealer (4), next counter (6)."""
    LEVELS = 4
    """To the home of a room, for each audio packet: stream (2), media id (4), account (8), participant (4), level (1),
    voice (1 bit) and ms (7 bits). 0 ms says that the stream is muted or over."""
    HOLDERS = 5
    """From the home of a room: the streams that are forwarded (2 each)."""
    REPEAT = 6
    """To the worker of a sealer, what a seat has lost: media id (4), stream (2), series code (1), and forward numbers
    (2 each)."""
    REPEATED = 7
    """To the worker of a seat: its media id (4), and a room datagram that it has lost, as it was sealed."""

    NEED = 8
    """To the worker of a sealer, of a seat that gets the redundant variant: media id (4), stream (2), copies (1)."""
    RANKING = 9
    """From the home of a room: streams (2) and media ids (4) of those who spoke last, the most important first."""


def parse_head(data: bytes) -> tuple[int, int]:
    """Return type and number; raises ``ValueError``."""
    if len(data) < HEAD_SIZE or data[0] != _FIRST:
        raise ValueError("no relayed message")
    _, type_, number = _HEAD.unpack_from(data)
    return type_, number


def pack_head(type_: Message, number: int) -> bytes:
    """Return the first bytes of a message."""
    return _HEAD.pack(_FIRST, type_, number)


def pack_audience(number: int, room: int, members: Iterable[int]) -> bytes:
    """Return a message that tells the seats of an audience."""
    head = pack_head(Message.AUDIENCE, number) + _IDENT.pack(room)
    return head + b"".join(map(_IDENT.pack, members))


def parse_audience(data: bytes) -> tuple[int, frozenset[int]]:
    """Return room and media ids; raises ``ValueError``."""
    try:
        (room,), *members = _IDENT.iter_unpack(data[HEAD_SIZE:])
    except error as wrong:
        raise ValueError(f"no audience: {wrong}") from None
    return room, frozenset(member for (member,) in members)


def pack_position(room: int, position: Position) -> bytes:
    """Return a message that tells the position of a sealer."""
    sealer, counter = position
    return pack_head(Message.POSITION, room) + _IDENT.pack(sealer) + counter.to_bytes(COUNTER_SIZE, "big")


def parse_position(data: bytes) -> Position:
    """Return the position; raises ``ValueError``."""
    if len(data) != HEAD_SIZE + _IDENT.size + COUNTER_SIZE:
        raise ValueError("a position of a wrong length")
    middle = HEAD_SIZE + _IDENT.size
    return Position(int.from_bytes(data[HEAD_SIZE:middle], "big"), int.from_bytes(data[middle:], "big"))


def pack_news(room: int, news: News) -> list[bytes]:
    """Return the messages that tell the other side of a speaker selection what is new, none longer than it may be."""
    levels, holders, ranking = news
    messages = [
        pack_levels(room, levels[at : at + LEVELS_IN_MESSAGE]) for at in range(0, len(levels), LEVELS_IN_MESSAGE)
    ]
    if holders is not None:
        messages.append(pack_holders(room, holders))
    if ranking is not None:
        messages.append(pack_ranking(room, ranking))
    return messages


def pack_levels(room: int, levels: Iterable[Level]) -> bytes:
    """Return a message of at most ``LEVELS_IN_MESSAGE`` levels."""
    return pack_head(Message.LEVELS, room) + b"".join(
        _LEVEL.pack(stream, seat, account, participant, level, min(ms, _LONGEST) | (_VOICE if voice else 0))
        for stream, seat, account, participant, level, ms, voice in levels
    )


def parse_levels(data: bytes) -> list[Level]:
    """Return the levels; raises ``ValueError``."""
    try:
        fields = list(_LEVEL.iter_unpack(data[HEAD_SIZE:]))
    except error as wrong:
        raise ValueError(f"no levels: {wrong}") from None
    return [
        Level(stream, seat, account, participant, level, last & _LONGEST, last >= _VOICE)
        for stream, seat, account, participant, level, last in fields
    ]


def pack_holders(room: int, streams: Iterable[int]) -> bytes:
    """Return a message that tells which streams are forwarded."""
    return pack_head(Message.HOLDERS, room) + b"".join(map(_STREAM.pack, streams))


def pack_ranking(room: int, ranking: Iterable[Ranked]) -> bytes:
    """Return a message that tells the ranking."""
    return pack_head(Message.RANKING, room) + b"".join(_RANKED.pack(*place) for place in ranking)


def pack_repeat(room: int, media_id: int, series: Series, numbers: Iterable[int]) -> bytes:
    """Return a message that asks for forward numbers of a series again."""
    head = pack_head(Message.REPEAT, room) + _REPEAT.pack(media_id, series.stream, series.code())
    return head + b"".join(map(_STREAM.pack, numbers))


def parse_repeat(data: bytes) -> tuple[int, Series, list[int]]:
    """Return media id, series and forward numbers; raises ``ValueError``."""
    try:
        media_id, stream, code = _REPEAT.unpack_from(data, HEAD_SIZE)
        numbers = [number for (number,) in _STREAM.iter_unpack(data[HEAD_SIZE + _REPEAT.size :])]
    except error as wrong:
        raise ValueError(f"no request: {wrong}") from None
    return media_id, parse_series(stream, code), numbers


def pack_repeated(room: int, media_id: int, datagram: bytes) -> bytes:
    """Return a message that brings a room datagram for one seat."""
    return pack_head(Message.REPEATED, room) + _IDENT.pack(media_id) + datagram


def parse_repeated(data: bytes) -> tuple[int, bytes]:
    """Return media id and datagram; raises ``ValueError``."""
    start = HEAD_SIZE + _IDENT.size
    if len(data) < start + MIN_DATAGRAM:
        raise ValueError("no datagram that was asked for")
    return int.from_bytes(data[HEAD_SIZE:start], "big"), data[start:]


def pack_need(room: int, media_id: int, stream: int, copies: int) -> bytes:
    """Return a message that tells how many copies a seat needs."""
    return pack_head(Message.NEED, room) + _REPEAT.pack(media_id, stream, copies)


def parse_need(data: bytes) -> tuple[int, int, int]:
    """Return media id, stream and copies; raises ``ValueError``."""
    try:
        media_id, stream, copies = _REPEAT.unpack(data[HEAD_SIZE:])
    except error as wrong:
        raise ValueError(f"no need: {wrong}") from None
    return media_id, stream, copies


def parse_holders(data: bytes) -> frozenset[int]:
    """Return the streams; raises ``ValueError``."""
    try:
        return frozenset(stream for (stream,) in _STREAM.iter_unpack(data[HEAD_SIZE:]))
    except error as wrong:
        raise ValueError(f"no holders: {wrong}") from None


def parse_ranking(data: bytes) -> tuple[Ranked, ...]:
    """Return the ranking; raises ``ValueError``."""
    try:
        return tuple(Ranked(*place) for place in _RANKED.iter_unpack(data[HEAD_SIZE:]))
    except error as wrong:
        raise ValueError(f"no ranking: {wrong}") from None
