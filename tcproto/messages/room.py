"""Messages about rooms: entering, roster, chat, moderation."""

from __future__ import annotations

from tcproto.errors import ErrorCode
from tcproto.messages.login import Ok
from tcproto.messages.registry import Sender, State, message
from tcproto.messages.types import (
    U8,
    U16,
    U32,
    U64,
    Changes,
    ChatScope,
    ChatText,
    DisplayName,
    Explanation,
    FullName,
    Key,
    LifeId,
    Members,
    MessageId,
    Publications,
    Role,
    RoomInfo,
    RoomKeys,
    RoomName,
    SealedText,
    Signature,
)


@message("room", Sender.SERVER, reply=True)
class Room:
    """The room is open. The member signature covers its life id."""

    room: RoomInfo


@message("open_room", Sender.CLIENT, states=State.LOBBY, answer=Room)
class OpenRoom:
    """Finds a room, or makes a temporary one if the server allows that. ``e2ee`` must be the mode of the room."""

    name: RoomName
    e2ee: bool = True


@message("joined", Sender.SERVER, reply=True)
class Joined:
    """Gives a seat. The pages of the snapshot follow at once, then changes."""

    participant: U32
    media_id: U32
    epoch: U8
    up_key: Key
    down_key: Key
    room_keys: RoomKeys
    beacon_stream: U16
    role: Role
    permissions: U16


@message("join", Sender.CLIENT, states=State.LOBBY, answer=Joined)
class Join:
    """Takes a seat, with the box key of the seat and the member signature."""

    name: RoomName
    """Of the room."""
    life: LifeId
    box_key: Key
    signed_at: U64
    signature: Signature


@message("leave", Sender.CLIENT, states=State.ROOM, answer=Ok)
class Leave:
    """Gives the seat up. The session stays logged in."""


@message("snapshot", Sender.SERVER, states=State.ROOM)
class Snapshot:
    """One page of the state of the room after change ``number``. The page with ``last`` is the last one."""

    number: U64
    room: RoomInfo
    members: Members
    publications: Publications
    last: bool


@message("get_snapshot", Sender.CLIENT, states=State.ROOM, answer=Ok)
class GetSnapshot:
    """Asks for the snapshot again, after a gap in the numbers. The pages follow the reply."""


@message("changes", Sender.SERVER, states=State.ROOM)
class RoomChanges:
    """Changes in order. The first one has the number ``first``, each further one the next number."""

    first: U64
    changes: Changes


@message("evicted", Sender.SERVER, states=State.ROOM)
class Evicted:
    """The seat has ended, and the session goes on.

    The participant was kicked, or the room was closed. With ``internal`` the room has begun a new life after an error
    of the server, and may be entered again.
    """

    code: ErrorCode
    text: Explanation


@message("chat_accepted", Sender.SERVER, reply=True)
class ChatAccepted:
    """The text was passed on, now or when this ``message_id`` came for the first time."""

    sent_at: U64
    """Unix time in ms by the server's clock."""


@message("chat", Sender.CLIENT, states=State.ROOM, answer=ChatAccepted)
class Chat:
    """Sends a text, sealed in an end-to-end encrypted room. The same ``message_id`` again changes nothing."""

    message_id: MessageId
    scope: ChatScope
    text: ChatText = ""
    """A text that the server can read: a notice, or a text of a room without end-to-end encryption."""
    participant: U32 = 0
    """The receiver, where the scope is ``participant``."""
    sealed: SealedText = b""
    """A text of an end-to-end encrypted room."""


@message("chat_message", Sender.SERVER, states=State.LOBBY | State.ROOM)
class ChatMessage:
    """A text from another participant, or a notice of the operator."""

    message_id: MessageId
    scope: ChatScope
    participant: U32
    name: FullName
    """Name of the sender, as "agency / name". A text may be shown after the seat of its sender has ended."""
    text: ChatText
    """Empty where it is sealed."""
    sent_at: U64
    """Unix time in ms by the server's clock."""
    sealed: SealedText = b""
    """The sealed text, as it came from the sender."""


@message("set_role", Sender.CLIENT, states=State.ROOM, answer=Ok)
class SetRole:
    """Gives a participant another role for this life of the room."""

    participant: U32
    role: Role


@message("kick", Sender.CLIENT, states=State.ROOM, answer=Ok)
class Kick:
    """Takes the seat of a participant away."""

    participant: U32
    reason: Explanation = ""


@message("raise_hand", Sender.CLIENT, states=State.ROOM, answer=Ok)
class RaiseHand:
    """Raises the own hand. A hand that is up stays in its place."""


@message("lower_hand", Sender.CLIENT, states=State.ROOM, answer=Ok)
class LowerHand:
    """Lowers a hand. A hand that is down stays down."""

    participant: U32 = 0
    """0: the own hand."""
    everybody: bool = False
    """Lowers all hands. ``participant`` is ignored then."""


@message("update_room", Sender.CLIENT, states=State.ROOM, answer=Ok)
class UpdateRoom:
    """Changes the fields that are present. The end-to-end mode cannot be changed."""

    title: DisplayName | None = None
    max_participants: U16 | None = None


@message("lock_room", Sender.CLIENT, states=State.ROOM, answer=Ok)
class LockRoom:
    """Lets nobody else enter this life of the room, or lets them enter again."""

    locked: bool


@message("set_audio_only", Sender.CLIENT, states=State.ROOM, answer=Ok)
class SetAudioOnly:
    """Holds all pictures of this life of the room, those of newcomers too, or lets them be sent again."""

    audio_only: bool


@message("close_room", Sender.CLIENT, states=State.ROOM, answer=Ok)
class CloseRoom:
    """Ends the meeting for everybody. A permanent room stays, and can be entered again in another life."""
