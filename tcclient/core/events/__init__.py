"""What a session tells the application. Events are frozen, and come in the order in which things happened.

Events about participants and tracks are generic in what stands for these. A session gives the id or the record of the
roster. A room gives the same event to programs, with its own object in that place: see ``tcclient.events``.
"""

from tcclient.core.events.connection import (
    ConnectionAdvice,
    ConnectionQuality,
    DataCapReached,
    PathChanged,
    SendingLimited,
)
from tcclient.core.events.publications import (
    HoldChanged,
    KeyframeRequested,
    LayersWanted,
    PublicationEvent,
    PublicationReady,
    Published,
    PublishFailed,
    RateChanged,
)
from tcclient.core.events.roster import (
    CommitmentMismatch,
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
    RoomUpdated,
    Speakers,
    TrackEvent,
    TrackLimited,
    TrackPublished,
    TrackUnpublished,
    TrackUpdated,
)
from tcclient.core.events.session import (
    Closed,
    DeriveKey,
    Detached,
    Evicted,
    Joined,
    JoinFailed,
    Left,
    LoggedIn,
    LoginFailed,
    RequestDone,
    RequestFailed,
    Resumed,
    ResumeFailed,
    ServerKey,
    WrongServerKey,
)
from tcclient.core.events.texts import (
    ChatFailed,
    ChatReceived,
    ChatSent,
    TextMissing,
)
from tcclient.core.membership.roster_entry import RosterEntry
from tcproto.messages import PublicationInfo

__all__ = [
    "ChatFailed",
    "ChatReceived",
    "ChatSent",
    "Closed",
    "CommitmentMismatch",
    "ConnectionAdvice",
    "ConnectionQuality",
    "DataCapReached",
    "DeriveKey",
    "Detached",
    "Event",
    "Evicted",
    "HandChanged",
    "HoldChanged",
    "JoinFailed",
    "Joined",
    "KeyframeRequested",
    "LayersWanted",
    "Left",
    "LoggedIn",
    "LoginFailed",
    "MemberHeard",
    "MemberSilent",
    "MembershipAgreed",
    "MembershipMismatch",
    "MuteAsked",
    "ParticipantEvent",
    "ParticipantJoined",
    "ParticipantLeft",
    "ParticipantUpdated",
    "PathChanged",
    "PublicationEvent",
    "PublicationReady",
    "PublishFailed",
    "Published",
    "RateChanged",
    "RequestDone",
    "RequestFailed",
    "ResumeFailed",
    "Resumed",
    "RoomUpdated",
    "SendingLimited",
    "ServerKey",
    "Speakers",
    "TextMissing",
    "TrackEvent",
    "TrackLimited",
    "TrackPublished",
    "TrackUnpublished",
    "TrackUpdated",
    "WrongServerKey",
]

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
    | TrackLimited[PublicationInfo]
    | MuteAsked[int]
    | ConnectionQuality[int]
    | ConnectionAdvice
    | DataCapReached
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
