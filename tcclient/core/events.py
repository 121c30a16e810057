"""What a session tells the application. Events are frozen, and come in the order in which things happened.

Events about participants and tracks are generic in what stands for these. A session gives the id or the record of the
roster. A room gives the same event to programs, with its own object in that place: see ``tcclient.events``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from tcclient.core.media.proof import PathState, Way
from tcclient.core.media.quality import Advice
from tcclient.core.membership.roster_entry import RosterEntry
from tcclient.core.rate.allocation import Rate, SendingLimit
from tcproto.errors import Action, ErrorCode
from tcproto.messages import Caps, ChatScope, Limits, PublicationInfo, Quality, Role, RoomInfo, Source

Who = TypeVar("Who")
"""What stands for a participant."""
What = TypeVar("What")
"""What stands for a track."""


@dataclass(frozen=True, slots=True)
class ParticipantEvent(Generic[Who]):
    """An event about one participant."""

    participant: Who

    def about(self, participant: Any) -> Any:
        """Return the same event with another object for the participant."""
        return replace(self, participant=participant)


@dataclass(frozen=True, slots=True)
class TrackEvent(Generic[What]):
    """An event about one track."""

    track: What

    def about(self, track: Any) -> Any:
        """Return the same event with another object for the track."""
        return replace(self, track=track)


@dataclass(frozen=True, slots=True)
class ServerKey:
    """The server proved this static key. Unless ``trusted``, nothing more is sent before ``trust_server``."""

    fingerprint: bytes
    static: bytes
    trusted: bool
    """It is the key that the link named, or that was pinned."""


@dataclass(frozen=True, slots=True)
class WrongServerKey:
    """The server is not the one expected; ``Closed`` follows, and nothing was sent."""

    expected: bytes
    found: bytes


@dataclass(frozen=True, slots=True)
class DeriveKey:
    """Derive the account key with ``derive_account_key``, off the loop, and give it to ``account_key_derived``."""

    account: str
    salt: bytes
    """The effective one."""
    memory_bytes: int
    passes: int


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The login succeeded; account and name as the server cleaned them."""

    account: str
    agency: str
    name: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class LoginFailed:
    """The login was refused."""

    code: ErrorCode
    text: str
    action: Action
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class JoinFailed:
    """The room was refused, by the server or because its mode is not the one asked for."""

    code: ErrorCode
    text: str
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Joined:
    """In the room; ``ParticipantJoined`` and ``TrackPublished`` follow for all who were there, oneself included."""

    participant: int
    room: RoomInfo
    role: Role
    permissions: int


@dataclass(frozen=True, slots=True)
class Left:
    """The seat was given up; the login stands."""


@dataclass(frozen=True, slots=True)
class Evicted:
    """The seat was taken away; the login stands."""

    code: ErrorCode
    text: str


@dataclass(frozen=True, slots=True)
class ParticipantJoined(ParticipantEvent[Who]):
    """Somebody is in the room."""


@dataclass(frozen=True, slots=True)
class ParticipantUpdated(ParticipantEvent[Who]):
    """A participant's role changed."""


@dataclass(frozen=True, slots=True)
class HandChanged(ParticipantEvent[Who]):
    """A participant raised the hand, or it was lowered."""


@dataclass(frozen=True, slots=True)
class ParticipantLeft(ParticipantEvent[Who]):
    """Somebody is gone; ``code`` says why, if not of their own will."""

    code: ErrorCode | None = None


@dataclass(frozen=True, slots=True)
class TrackPublished(TrackEvent[What]):
    """A publication appeared."""


@dataclass(frozen=True, slots=True)
class TrackUpdated(TrackEvent[What]):
    """A publication changed, such as being muted."""


@dataclass(frozen=True, slots=True)
class TrackUnpublished(TrackEvent[What]):
    """A publication ended."""


@dataclass(frozen=True, slots=True)
class MuteAsked(ParticipantEvent[Who]):
    """This participant asks us to mute a source, or to unmute it. Nothing has changed."""

    source: Source
    muted: bool


@dataclass(frozen=True, slots=True)
class ConnectionQuality(ParticipantEvent[Who]):
    """The connection of a participant, perhaps ourselves, has become better or worse. Others tell it of themselves."""

    quality: Quality


@dataclass(frozen=True, slots=True)
class ConnectionAdvice:
    """What could be done about our own connection, which is poor; None: nothing has to be done any more."""

    advice: Advice | None


@dataclass(frozen=True, slots=True)
class SendingLimited:
    """For some seconds we have sent less than we would, because of ``limit``; None: nothing limits us any more."""

    limit: SendingLimit | None


@dataclass(frozen=True, slots=True)
class RoomUpdated:
    """The room's own data changed."""

    room: RoomInfo


@dataclass(frozen=True, slots=True)
class Speakers:
    """Who began and who stopped speaking, ourselves included, and the dominant speaker (0: none yet).

    It comes from packets that were heard, never from the server's word.
    """

    started: tuple[int, ...]
    stopped: tuple[int, ...]
    dominant: int


@dataclass(frozen=True, slots=True)
class ChatReceived(ParticipantEvent[Who]):
    """Plain text; show it as it is. ``participant`` is its sender, to a session 0 for an operator's notice."""

    name: str
    """The sender as "agency / name" reads."""
    text: str
    scope: ChatScope
    sent_at: int
    """Unix time in ms by the sender's clock if sealed, else by the server's."""
    message_id: bytes
    sealed: bool = False
    """Only members could read or write it; otherwise all of it is the server's word."""


@dataclass(frozen=True, slots=True)
class TextMissing(ParticipantEvent[Who]):
    """An earlier text of this participant did not come: the server withheld it, or let a later one overtake it."""


@dataclass(frozen=True, slots=True)
class ChatSent:
    """A text of ours was accepted."""

    message_id: bytes
    sent_at: int


@dataclass(frozen=True, slots=True)
class ChatFailed:
    """A text of ours was refused."""

    message_id: bytes
    code: ErrorCode
    text: str


@dataclass(frozen=True, slots=True)
class Published:
    """Our publication has a stream: packets are accepted from now on, up to ``caps``."""

    number: int
    stream: int
    caps: Caps


@dataclass(frozen=True, slots=True)
class PublicationReady:
    """A frame of our publication would be sent now, were it not muted: it has a stream, and all have the key."""

    number: int


@dataclass(frozen=True, slots=True)
class PublishFailed:
    """Our publication was refused, or the server has ended it; its number is spent."""

    number: int
    code: ErrorCode
    text: str


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """Another participant holds our publication muted, or holds it no more; then it stays muted until we unmute it."""

    number: int
    held: bool


@dataclass(frozen=True, slots=True)
class KeyframeRequested:
    """Somebody needs a keyframe of our publication's layer."""

    number: int
    spatial: int


@dataclass(frozen=True, slots=True)
class LayersWanted:
    """Somebody wants other layers of our publication than before."""

    number: int
    layers: tuple[int, ...]
    """The highest temporal layer that anybody wants of each spatial layer; -1: nobody wants any."""


@dataclass(frozen=True, slots=True)
class RateChanged:
    """Our publication has to be encoded in another way from now on, since the way up carries more or less."""

    number: int
    rate: Rate
    """``SoundRate`` or ``PictureRate``."""


PublicationEvent = Published | PublishFailed | HoldChanged | KeyframeRequested | LayersWanted | RateChanged
"""What is told of our publications, by ``number``, besides that they are ready."""


@dataclass(frozen=True, slots=True)
class RequestDone:
    """A request was carried out."""

    request: int


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A request was refused."""

    request: int
    code: ErrorCode
    text: str
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class PathChanged:
    """The way of the datagrams changed, or its state."""

    state: PathState
    way: Way = Way.UDP


@dataclass(frozen=True, slots=True)
class MembershipMismatch(ParticipantEvent[Who]):
    """For ten seconds or more this participant has seen another set of members than we do: the server may be lying."""


@dataclass(frozen=True, slots=True)
class MembershipAgreed(ParticipantEvent[Who]):
    """This participant sees the same members as we do again."""


@dataclass(frozen=True, slots=True)
class MemberSilent(ParticipantEvent[Who]):
    """No beacon of this participant has come for three intervals (30 s in a room of up to 500).

    It gets no new keys. It may have no UDP; or it is not there, or the server keeps from us what it sees of the room.
    """


@dataclass(frozen=True, slots=True)
class MemberHeard(ParticipantEvent[Who]):
    """A beacon of a silent participant has come; it gets keys again."""


@dataclass(frozen=True, slots=True)
class CommitmentMismatch(ParticipantEvent[Who]):
    """This participant told all members of another key than it gave us; once for each key.

    It may say different things to different members.
    """


@dataclass(frozen=True, slots=True)
class Detached:
    """The connection was lost, and the seat goes on without: until it is resumed, or the server has given it up.

    Sound and pictures travel on where UDP works. Requests wait for another connection.
    """

    code: ErrorCode | None
    """None where the connection was lost without a word."""
    text: str
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Resumed:
    """The seat goes on, on another connection. What was missed follows."""


@dataclass(frozen=True, slots=True)
class ResumeFailed:
    """The server does not have the seat any more, so it is over; ready for ``begin_login``."""

    code: ErrorCode
    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over, to a program also the seat: the last event."""

    code: ErrorCode | None
    """None where the connection was lost without a word."""
    text: str
    action: Action
    retry_after_ms: int = 0
    dishonest: bool = False
    """The server said something that no honest server says, such as a room without us. ``text`` names it."""


Event = (
    ServerKey
    | WrongServerKey
    | DeriveKey
    | LoggedIn
    | LoginFailed
    | JoinFailed
    | Joined
    | Left
    | Evicted
    | ParticipantJoined[RosterEntry]
    | ParticipantUpdated[RosterEntry]
    | HandChanged[RosterEntry]
    | ParticipantLeft[RosterEntry]
    | TrackPublished[PublicationInfo]
    | TrackUpdated[PublicationInfo]
    | TrackUnpublished[PublicationInfo]
    | MuteAsked[int]
    | ConnectionQuality[int]
    | ConnectionAdvice
    | SendingLimited
    | RoomUpdated
    | Speakers
    | ChatReceived[int]
    | TextMissing[int]
    | ChatSent
    | ChatFailed
    | Published
    | PublicationReady
    | PublishFailed
    | HoldChanged
    | KeyframeRequested
    | LayersWanted
    | RateChanged
    | RequestDone
    | RequestFailed
    | PathChanged
    | MembershipMismatch[int]
    | MembershipAgreed[int]
    | MemberSilent[int]
    | MemberHeard[int]
    | CommitmentMismatch[int]
    | Detached
    | Resumed
    | ResumeFailed
    | Closed
)
