"""What happens in a room, as ``Room.events`` reports it.

Most of these events are events of the session, with the room's objects in them: ``ParticipantJoined[Participant]``.
Events that only a program with files, devices and codecs can have are declared here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcclient.core.events import (
    ChatReceived,
    Closed,
    CommitmentMismatch,
    ConnectionAdvice,
    ConnectionQuality,
    DataCapReached,
    HandChanged,
    MemberHeard,
    MembershipAgreed,
    MembershipMismatch,
    MemberSilent,
    MuteAsked,
    ParticipantEvent,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    PathChanged,
    RoomUpdated,
    SendingLimited,
    TextMissing,
    TrackEvent,
    TrackLimited,
    TrackPublished,
    TrackUnpublished,
    TrackUpdated,
)
from tcclient.participant import Participant
from tcclient.publication import Publication
from tcclient.track import Track
from tcproto.errors import ErrorCode

__all__ = (
    "ChatReceived",
    "Closed",
    "CommitmentMismatch",
    "ConnectionAdvice",
    "ConnectionQuality",
    "DataCapReached",
    "Event",
    "HandChanged",
    "MemberHeard",
    "MemberSilent",
    "MembershipAgreed",
    "MembershipMismatch",
    "MuteAsked",
    "NewDevice",
    "ParticipantEvent",
    "ParticipantJoined",
    "ParticipantLeft",
    "ParticipantUpdated",
    "PathChanged",
    "PublicationFailed",
    "PublicationHeld",
    "Reconnected",
    "Reconnecting",
    "RecordingFailed",
    "RoomUpdated",
    "SendingLimited",
    "SpeakersChanged",
    "TextMissing",
    "TrackEvent",
    "TrackLimited",
    "TrackPublished",
    "TrackUnpublished",
    "TrackUpdated",
    "TrustFault",
)


@dataclass(frozen=True, slots=True)
class SpeakersChanged:
    """The participants that speak now, ourselves included, and the dominant one (None: nobody yet), by their sound."""

    speaking: tuple[Participant, ...]
    dominant: Participant | None


@dataclass(frozen=True, slots=True)
class PublicationFailed:
    """What we publish has ended: the source raised an error, or the server has ended it."""

    publication: Publication
    text: str
    """The reason, one line."""


@dataclass(frozen=True, slots=True)
class PublicationHeld:
    """A chair holds what we publish muted, or holds it no more; then it stays muted until we unmute it."""

    publication: Publication
    held: bool


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """A recording could not be written, or not further; the others go on."""

    participant: str
    """The account that is concerned; empty if all are."""
    text: str
    """Path and reason, one line."""


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection was lost, or an attempt to come back has failed; the next one follows after ``wait`` seconds.

    Until ``Reconnected``, participants and tracks are those of before, and sound may go on by UDP.
    """

    attempt: int
    """Number of the attempt that follows, from 1."""
    wait: float
    text: str
    """Why, in one line."""
    code: ErrorCode | None
    """The server's; None where the connection was lost without a word."""


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The connection is back."""

    resumed: bool
    """Whether nothing was missed: others saw no leave. Else the room was entered again, with other participant ids: the
    participants and tracks of before have left, and those who are here have come, by events."""


@dataclass(frozen=True, slots=True)
class NewDevice(ParticipantEvent[Participant]):
    """This verified participant is here with a device that its account has not been seen with on this server before.

    Told once for each device, then the device is known. The first device of an account is no news.
    """

    participant: Participant


@dataclass(frozen=True, slots=True)
class TrustFault:
    """A part of the files about servers and devices cannot be read, or a file cannot be written; ``text`` says which.

    The meeting goes on, and what is not known is told again next time.
    """

    text: str


Event = (
    ParticipantJoined[Participant]
    | ParticipantUpdated[Participant]
    | HandChanged[Participant]
    | MuteAsked[Participant]
    | ParticipantLeft[Participant]
    | ConnectionQuality[Participant]
    | ConnectionAdvice
    | DataCapReached
    | SendingLimited
    | TrackPublished[Track]
    | TrackUpdated[Track]
    | TrackUnpublished[Track]
    | TrackLimited[Track]
    | SpeakersChanged
    | ChatReceived[Participant | None]
    | TextMissing[Participant]
    | PublicationFailed
    | PublicationHeld
    | RecordingFailed
    | PathChanged
    | MembershipMismatch[Participant]
    | NewDevice
    | TrustFault
    | MembershipAgreed[Participant]
    | MemberSilent[Participant]
    | MemberHeard[Participant]
    | CommitmentMismatch[Participant]
    | RoomUpdated
    | Reconnecting
    | Reconnected
    | Closed
)
