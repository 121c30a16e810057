"""What a room decides by itself. A new policy is a file here and a line in the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tcserver.conference.policy.capacity import Capacity
from tcserver.conference.policy.holds import Holds
from tcserver.conference.policy.last_n import LastN
from tcserver.conference.policy.lock import Lock
from tcserver.conference.policy.roles import Roles
from tcserver.conference.policy.sealers import Sealers
from tcserver.conference.policy.speaker_limit import SpeakerLimit
from tcserver.conference.room.policy import RoomPolicy
from tcserver.conference.room.room import Room

Policies = Iterable[Callable[[Room], RoomPolicy]]

POLICIES: tuple[Callable[[Room], RoomPolicy], ...] = (
    Capacity,
    Lock,
    Sealers,
    Roles,
    Holds,
    SpeakerLimit,
    LastN,
)
"""The policies of each room, in the order in which they are told: ``SpeakerLimit`` needs what ``Roles`` decides."""
