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
    """The room is open; its life id is what the member signature covers."""

    room: RoomInfo


@message("open_room", Sender.CLIENT, states=State.LOBBY, answer=Room)
class OpenRoom:
    """Finds a room, or makes it for a while if the server allows that; ``e2ee`` must be the room's mode."""

    name: RoomName
    e2ee: bool = True


@message("joined", Sender.SERVER, reply=True)
class Joined:
    """A seat. Snapshot pages follow at once, then changes."""

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
    """The room's."""
    life: LifeId
    box_key: Key
    signed_at: U64
    signature: Signature


@message("leave", Sender.CLIENT, states=State.ROOM, answer=Ok)
class Leave:
    """Gives the seat up; the session stays logged in."""


@message("snapshot", Sender.SERVER, states=State.ROOM)
class Snapshot:
    """One page of the room's state as of change ``number``; the page with ``last`` completes it."""

    number: U64
    room: RoomInfo
    members: Members
    publications: Publications
    last: bool


@message("get_snapshot", Sender.CLIENT, states=State.ROOM, answer=Ok)
class GetSnapshot:
    """Asks for the snapshot again, after a gap in the numbers; the pages follow the reply."""


@message("changes", Sender.SERVER, states=State.ROOM)
class RoomChanges:
    """Changes in order; the first has number ``first``, each further one the next number."""

    first: U64
    changes: Changes


@message("evicted", Sender.SERVER, states=State.ROOM)
class Evicted:
    """The seat is gone, the session is not: kicked, the room closed, or (``internal``) begun anew after an error of the
    server's: it may be entered again, into its next life."""

    code: ErrorCode
    text: Explanation


@message("chat_accepted", Sender.SERVER, reply=True)
class ChatAccepted:
    """The text was passed on, now or when the same ``message_id`` came first."""

    sent_at: U64
    """Unix time in ms by the server's clock."""


@message("chat", Sender.CLIENT, states=State.ROOM, answer=ChatAccepted)
class Chat:
    """A text, sealed in an end-to-end encrypted room. The same ``message_id`` again changes nothing."""

    message_id: MessageId
    scope: ChatScope
    text: ChatText = ""
    """What the server can read: a notice, or a text of a room without end-to-end encryption."""
    participant: U32 = 0
    """Receiver, where the scope is ``participant``."""
    sealed: SealedText = b""
    """A text of an end-to-end encrypted room."""


@message("chat_message", Sender.SERVER, states=State.LOBBY | State.ROOM)
class ChatMessage:
    """A text from another participant, or an operator's notice."""

    message_id: MessageId
    scope: ChatScope
    participant: U32
    name: FullName
    """The sender's, as "agency / name" reads it, for texts that outlive the sender's seat."""
    text: ChatText
    """Empty where it is sealed."""
    sent_at: U64
    """Unix time in ms by the server's clock."""
    sealed: SealedText = b""
    """As it came from the sender."""


@message("set_role", Sender.CLIENT, states=State.ROOM, answer=Ok)
class SetRole:
    """Gives a participant another role in this room's life."""

    participant: U32
    role: Role


@message("kick", Sender.CLIENT, states=State.ROOM, answer=Ok)
class Kick:
    """Takes a participant's seat away."""

    participant: U32
    reason: Explanation = ""


@message("update_room", Sender.CLIENT, states=State.ROOM, answer=Ok)
class UpdateRoom:
    """Changes what is present; the end-to-end mode cannot be changed."""

    title: DisplayName | None = None
    max_participants: U16 | None = None


@message("close_room", Sender.CLIENT, states=State.ROOM, answer=Ok)
class CloseRoom:
    """Ends the meeting for everybody. A permanent room stays, and can be entered again as another life."""
