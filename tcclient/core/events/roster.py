"""What changes in the room: participants, their tracks, and what is known of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from tcclient.core.downlink.cause import NOTHING, Cause
from tcproto.errors import ErrorCode
from tcproto.messages import RoomInfo, Source

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
class ParticipantJoined(ParticipantEvent[Who]):
    """Somebody is in the room."""


@dataclass(frozen=True, slots=True)
class ParticipantUpdated(ParticipantEvent[Who]):
    """The role of a participant, or what it may do, has changed."""


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
class TrackLimited(TrackEvent[What]):
    """Less of a track comes than there is, or all of it comes again."""

    cause: Cause | None
    """Why; None: all comes that is wanted."""
    layer: int = NOTHING
    """The highest spatial layer that comes of pictures that are lowered; ``NOTHING``: none."""


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
class MuteAsked(ParticipantEvent[Who]):
    """This participant asks us to mute a source, or to unmute it. Nothing has changed."""

    source: Source
    muted: bool


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
