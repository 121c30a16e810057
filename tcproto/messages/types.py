"""Field types, enumerations and records that several control messages share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag, StrEnum
from typing import Annotated

from tcproto.errors import ErrorCode
from tcproto.fields import Exactly, Items, Range, Text, UInt, UpTo
from tcproto.names import MAX_ACCOUNT_CHARACTERS, MAX_DISPLAY_CHARACTERS, MAX_ROOM_CHARACTERS

LIFE_ID_SIZE = 16
MESSAGE_ID_SIZE = 16
TOKEN_SIZE = 32
MAX_KEY_BOXES = 64
"""The most key boxes, or receipts, of one message."""
MAX_VOICES = 16
"""The most voices that can be asked for; more are all. Nobody could tell more apart."""
MAX_CHOICES = 700
"""The most choices of one ``Subscribe``: as many as always fit."""
MAX_STREAM_STATES = 256
"""The most streams of one ``StreamStates``."""
MAX_CHANGES = 64
"""The most changes of one message."""
MEMBERS_PER_PAGE = 48
"""The most members of a page of a snapshot. With all publications of a page, and the longest names, it fits a frame: a
member takes up to 913 bytes, a publication 151."""
PUBLICATIONS_PER_PAGE = 64
"""The most publications of a page of a snapshot."""
MAX_JOINED_KEYS = 32
"""The most room keys in the reply to a join. The keys of further sealers follow."""
MAX_TEXT_CHARS = 2000
"""The most characters of a chat text: a page."""
MAX_TEXT_BYTES = 8000
"""The most bytes of a chat text in UTF-8, at four for each character."""
MAX_SEALED_TEXT = 8297
"""Bytes of the longest text when it is sealed for one member (PROTOCOL.md, section 8)."""

U8 = Annotated[int, UInt(8)]
U16 = Annotated[int, UInt(16)]
U32 = Annotated[int, UInt(32)]
U48 = Annotated[int, Range(0, 2**48 - 1)]
U64 = Annotated[int, UInt(64)]
Key = Annotated[bytes, Exactly(32)]
Signature = Annotated[bytes, Exactly(64)]
LifeId = Annotated[bytes, Exactly(LIFE_ID_SIZE)]
Token = Annotated[bytes, Exactly(TOKEN_SIZE)]
MessageId = Annotated[bytes, Exactly(MESSAGE_ID_SIZE)]
AccountName = Annotated[str, Text(MAX_ACCOUNT_CHARACTERS, 4 * MAX_ACCOUNT_CHARACTERS)]
DisplayName = Annotated[str, Text(MAX_DISPLAY_CHARACTERS, 4 * MAX_DISPLAY_CHARACTERS)]
FullName = Annotated[str, Text(max_chars=131, max_bytes=515)]
"""Two display names, as "agency / name"."""
RoomName = Annotated[str, Text(MAX_ROOM_CHARACTERS, 4 * MAX_ROOM_CHARACTERS)]
Word = Annotated[str, Text(max_chars=32, max_bytes=64)]
Explanation = Annotated[str, Text(max_chars=256, max_bytes=1024)]
ChatText = Annotated[str, Text(max_chars=MAX_TEXT_CHARS, max_bytes=MAX_TEXT_BYTES, multiline=True)]
SealedBox = Annotated[bytes, UpTo(512)]
SealedText = Annotated[bytes, UpTo(MAX_SEALED_TEXT)]
PublicationNumber = Annotated[int, Range(1, 2**32 - 1)]
"""Number of a publication. 0 is the beacon, which nobody publishes."""


class Kind(StrEnum):
    """What a publication carries."""

    AUDIO = "audio"
    VIDEO = "video"
    DATA = "data"
    """Reserved."""
    UNKNOWN = "unknown"


class Source(StrEnum):
    """Where a publication comes from."""

    MICROPHONE = "microphone"
    MICROPHONE_LOW = "microphone_low"
    """The sound of a microphone once more, at a low bitrate and in long packets, for receivers on thin lines."""
    CAMERA = "camera"
    SCREEN = "screen"
    SCREEN_AUDIO = "screen_audio"
    """The sound that a screen plays, such as that of a film."""
    DATA = "data"
    """Reserved."""
    UNKNOWN = "unknown"


class Role(StrEnum):
    """Role of a participant in a room."""

    ADMIN = "admin"
    CHAIR = "chair"
    SPEAKER = "speaker"
    LISTENER = "listener"
    OBSERVER = "observer"
    RECORDER = "recorder"
    UNKNOWN = "unknown"


class Quality(StrEnum):
    """How good the connection of a participant is."""

    LOST = "lost"
    """Nothing comes from it."""
    POOR = "poor"
    """Speech is hard to follow."""
    GOOD = "good"
    """Speech has faults."""
    EXCELLENT = "excellent"
    UNKNOWN = "unknown"


class StreamLimit(StrEnum):
    """Why a stream does not go to all who want its source."""

    NONE = "none"
    """It does."""
    NOT_SELECTED = "not_selected"
    """Cameras of others are shown, since they spoke later. A choice for the stream overrides it."""
    UNKNOWN = "unknown"


class Permission(IntFlag):
    """Permission bits of a participant in a room (16 at most)."""

    SUBSCRIBE = 1 << 0
    PUBLISH_AUDIO = 1 << 1
    PUBLISH_VIDEO = 1 << 2
    PUBLISH_SCREEN = 1 << 3
    CHAT_ROOM = 1 << 4
    CHAT_PRIVATE = 1 << 5
    NOTICE = 1 << 6
    KICK = 1 << 7
    SET_ROLE = 1 << 8
    UPDATE_ROOM = 1 << 9
    CLOSE_ROOM = 1 << 10
    MUTE_OTHERS = 1 << 11
    """Mute others, and lower their hands."""


class ChatScope(StrEnum):
    """Who gets a text."""

    ROOM = "room"
    PARTICIPANT = "participant"
    SERVER = "server"
    """Everybody on the server: a notice of the operator."""
    UNKNOWN = "unknown"


class ChangeKind(StrEnum):
    """What a numbered change of a room is. An unknown one counts, and is otherwise ignored."""

    MEMBER_JOINED = "member_joined"
    MEMBER_UPDATED = "member_updated"
    MEMBER_LEFT = "member_left"
    PUBLISHED = "published"
    PUBLICATION_UPDATED = "publication_updated"
    UNPUBLISHED = "unpublished"
    ROOM_UPDATED = "room_updated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A room, without its members."""

    name: RoomName
    life: LifeId
    """Random, and new for each life of a room. The end-to-end mode and all signatures belong to one life."""
    e2ee: bool
    max_participants: U16
    permanent: bool = False
    title: DisplayName = ""
    locked: bool = False
    """Whether nobody else may enter this life of the room."""
    audio_only: bool = False
    """Whether all pictures of this life of the room are held."""


@dataclass(frozen=True, slots=True)
class Member:
    """A participant in the roster, which is shown as "agency / name".

    ``signature`` is the member signature (by ``device_key``) over server fingerprint, life, account, name, box key
    and ``signed_at``.
    """

    participant: U32
    account: AccountName
    agency: DisplayName
    name: DisplayName
    role: Role
    device_key: Key
    box_key: Key
    signed_at: U64
    """Unix time in ms by the clock of the member."""
    signature: Signature
    beacon_stream: U16
    permissions: U16 = 0
    """``Permission`` bits. A room may give others than the role does."""
    hand: U64 = 0
    """Unix time in ms, by the server's clock, at which the hand was raised; 0: it is down. Hands stand in this order,
    and no two of a room have the same time."""


@dataclass(frozen=True, slots=True)
class PublicationInfo:
    """A publication of a member. Its publisher counts ``number``, and never uses one twice under a sender key."""

    participant: U32
    number: PublicationNumber
    stream: U16
    kind: Kind
    source: Source
    codec: Word
    muted: bool = False
    layers: Annotated[int, Range(1, 4)] = 1
    """Number of spatial layers. Layer 0 is the lowest."""
    width: U16 = 0
    height: U16 = 0
    held: bool = False
    """Whether another participant has muted it: it alone, or with all pictures of the room. Its publisher cannot unmute
    it."""
    stills: bool = False
    """Whether the lowest of several layers is one of still pictures: a keyframe each few seconds."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that the server accepts of a publication. It drops what is more."""

    bitrate: U32
    """Bits per second of datagrams, UDP payload."""
    packets_per_second: U16


@dataclass(frozen=True, slots=True)
class ClassRate:
    """How many messages of a class a connection may send. The table of classes is in section 10."""

    name: Word
    per_minute: U32
    """In the long run."""
    burst: U16
    """At once, before the long run counts."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the server, so that a client can respect them."""

    text_chars: U16
    text_bytes: U16
    publications: U8
    """Publications of one participant."""
    participants: U16
    """Participants of one room, unless the room sets less."""
    requests_per_second: U16
    """Of the class ``other``, on average."""
    rates: Annotated[tuple[ClassRate, ...], Items(16)] = ()
    """Of all classes that are limited. ``all`` counts every message, and the connection ends beyond it."""


@dataclass(frozen=True, slots=True)
class RoomKey:
    """The key of a sealer for one epoch. A receiver takes datagrams with a counter below ``lowest`` for replays."""

    sealer: U32
    epoch: U8
    key: Key
    lowest: U48


@dataclass(frozen=True, slots=True)
class StreamChoice:
    """The wish of a receiver for one stream. It overrides the default of its source."""

    stream: U16
    wanted: bool = True
    redundant: bool = False
    """Whether the variant with copies is wanted."""
    max_spatial: Annotated[int, Range(0, 3)] = 3
    max_temporal: Annotated[int, Range(0, 7)] = 7
    min_spatial: Annotated[int, Range(0, 3)] = 0
    """Lower spatial layers are not sent."""
    by_default: bool = False
    """Whether it is wanted only as the default of its source has it. The rest of the choice then says how."""


@dataclass(frozen=True, slots=True)
class MemberQuality:
    """How good the connection of a participant is, as it found itself, or lost as the server found."""

    participant: U32
    quality: Quality


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream, and why it does not go to all who want its source."""

    stream: U16
    limit: StreamLimit


@dataclass(frozen=True, slots=True)
class LayerInterest:
    """Whether somebody wants a spatial layer of a stream, and up to which temporal layer."""

    stream: U16
    spatial: Annotated[int, Range(0, 3)]
    max_temporal: Annotated[int, Range(0, 7)]
    wanted: bool


@dataclass(frozen=True, slots=True)
class AddressedBox:
    """A key box and the participant it goes to (towards the server) or comes from (towards the client)."""

    participant: U32
    box: SealedBox


@dataclass(frozen=True, slots=True)
class KeyReceipt:
    """Confirms a sender key. It is addressed like ``AddressedBox``."""

    participant: U32
    key: U32
    """Key number."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a room. ``what`` says which of the other fields are present."""

    what: ChangeKind
    participant: U32 | None = None
    """member_left, unpublished."""
    member: Member | None = None
    """member_joined, member_updated."""
    publication: PublicationInfo | None = None
    """published, publication_updated."""
    number: PublicationNumber | None = None
    """unpublished: the publication."""
    room: RoomInfo | None = None
    """room_updated."""
    code: ErrorCode | None = None
    """member_left: the reason, if the member did not leave by itself."""


Members = Annotated[tuple[Member, ...], Items(MEMBERS_PER_PAGE)]
Publications = Annotated[tuple[PublicationInfo, ...], Items(PUBLICATIONS_PER_PAGE)]
Changes = Annotated[tuple[Change, ...], Items(MAX_CHANGES)]
RoomKeys = Annotated[tuple[RoomKey, ...], Items(MAX_JOINED_KEYS)]
