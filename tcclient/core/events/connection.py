"""How good the ways to the server are, ours and those of the others."""

from __future__ import annotations

from dataclasses import dataclass

from tcclient.core.events.roster import ParticipantEvent, Who
from tcclient.core.media.quality import Advice
from tcclient.core.path.proof import PathState, Way
from tcclient.core.rate.allocation import SendingLimit
from tcproto.messages import Quality


@dataclass(frozen=True, slots=True)
class PathChanged:
    """The way of the datagrams changed, or its state."""

    state: PathState
    way: Way = Way.UDP


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
class DataCapReached:
    """So much of the cap of the data is used, or not any more, since it was raised."""

    percent: int
    """80, 100, or 0."""
    cap: int
    """Bytes; 0: there is none any more."""
