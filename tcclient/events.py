"""What happens in a room, as ``Room.events`` tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcclient.core.events import PathState
from tcclient.errors import DishonestServer, RoomClosed
from tcproto.errors import Action, ErrorCode
from tcproto.messages import ChatScope

if TYPE_CHECKING:
    from tcclient.participant import Participant
    from tcclient.publication import Publication
    from tcclient.track import Track


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    """Somebody came in."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantUpdated:
    """A participant's role changed."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """Somebody is gone; ``code`` says why, if not of their own will."""

    participant: Participant
    code: ErrorCode | None


@dataclass(frozen=True, slots=True)
class TrackPublished:
    """A participant publishes something."""

    track: Track


@dataclass(frozen=True, slots=True)
class TrackUpdated:
    """A track was muted or unmuted, or is heard although the server calls it muted: see ``track.muted``."""

    track: Track


@dataclass(frozen=True, slots=True)
class TrackUnpublished:
    """A track ended."""

    track: Track


@dataclass(frozen=True, slots=True)
class SpeakersChanged:
    """Who speaks now, ourselves included, and who is dominant (None: nobody yet), by what was heard."""

    speaking: tuple[Participant, ...]
    dominant: Participant | None


@dataclass(frozen=True, slots=True)
class ChatReceived:
    """Plain text; show it as it is."""

    name: str
    """The sender as "agency / name" reads."""
    text: str
    scope: ChatScope
    sent_at: int
    """Unix time in ms by the sender's clock if sealed, else by the server's."""
    participant: Participant | None
    """The sender, while in the room; None for an operator's notice."""
    sealed: bool = False
    """Only members could read or write it; otherwise all of it is the server's word."""


@dataclass(frozen=True, slots=True)
class TextMissing:
    """An earlier text of this participant did not come: the server withheld it, or let a later one overtake it."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class PublicationFailed:
    """What we publish has ended: the source raised an error, or the server has ended it."""

    publication: Publication
    text: str
    """The reason, one line."""


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """A recording could not be written, or not further; the others go on."""

    participant: str
    """Account of whom it was about; empty where it is about all."""
    text: str
    """Path and reason, one line."""


@dataclass(frozen=True, slots=True)
class PathChanged:
    """The state of the UDP path changed."""

    state: PathState


@dataclass(frozen=True, slots=True)
class MembershipMismatch:
    """This participant has seen another set of members than we do for ten seconds: the server may be lying."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class NewDevice:
    """This verified participant is here with a device that its account has not been seen with on this server before.

    Told once for each device, then the device is known. The first device of an account is no news.
    """

    participant: Participant


@dataclass(frozen=True, slots=True)
class TrustFault:
    """What is known of servers or devices cannot be read in part, or be written; ``text`` is for a person.

    The meeting goes on, and what is not known is told again next time.
    """

    text: str


@dataclass(frozen=True, slots=True)
class MembershipAgreed:
    """This participant sees the same members as we do again."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class MemberSilent:
    """No beacon of this participant has come for three intervals (30 s in a room of up to 500).

    It gets none of our new keys. It may have no UDP; or it is not there, or the server keeps from us what it sees.
    """

    participant: Participant


@dataclass(frozen=True, slots=True)
class MemberHeard:
    """A beacon of a silent participant has come; it gets our keys again."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class CommitmentMismatch:
    """This participant told all members of another key than it gave us: it may say different things to others."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class RoomUpdated:
    """Title or limits of the room changed."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The seat or the connection is gone: the last event."""

    code: ErrorCode | None
    """None where the connection was lost without a word."""
    text: str
    action: Action
    retry_after_ms: int
    dishonest: bool = False
    """The server said what no honest server says, such as that we are not in the room; ``text`` tells what."""

    def error(self) -> RoomClosed:
        """Return the error that says the same: what is asked of a room that is closed raises it."""
        kind = DishonestServer if self.dishonest else RoomClosed
        return kind(self.text, self.code, self.action, self.retry_after_ms)


Event = (
    ParticipantJoined
    | ParticipantUpdated
    | ParticipantLeft
    | TrackPublished
    | TrackUpdated
    | TrackUnpublished
    | SpeakersChanged
    | ChatReceived
    | TextMissing
    | PublicationFailed
    | RecordingFailed
    | PathChanged
    | MembershipMismatch
    | NewDevice
    | TrustFault
    | MembershipAgreed
    | MemberSilent
    | MemberHeard
    | CommitmentMismatch
    | RoomUpdated
    | Closed
)
