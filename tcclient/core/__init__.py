"""The client without input or output: everything that can be wrong about it, testable in virtual time."""

from tcclient.core import events
from tcclient.core.control import control_connection
from tcclient.core.drops import Drop
from tcclient.core.events import Event
from tcclient.core.media.packet import MediaPacket
from tcclient.core.media.statistics import StreamStatistics
from tcclient.core.membership.roster import RoomState
from tcclient.core.membership.roster_entry import RosterEntry
from tcclient.core.path.proof import PathState, Way
from tcclient.core.path.statistics import DirectionStatistics, NetworkStatistics, PathStatistics
from tcclient.core.phase import Phase
from tcclient.core.seat import Seat
from tcclient.core.session import Session
from tcclient.core.settings import AUDIO_ONLY, DEFAULT_SOURCES, Settings

__all__ = [
    "AUDIO_ONLY",
    "DEFAULT_SOURCES",
    "DirectionStatistics",
    "Drop",
    "Event",
    "MediaPacket",
    "NetworkStatistics",
    "PathState",
    "PathStatistics",
    "Phase",
    "RoomState",
    "RosterEntry",
    "Seat",
    "Session",
    "Settings",
    "StreamStatistics",
    "Way",
    "control_connection",
    "events",
]
