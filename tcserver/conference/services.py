"""The parts of a conference that serve requests."""

from __future__ import annotations

from typing import NamedTuple

from tcserver.conference.context import Context
from tcserver.conference.login.authenticator import Authenticator
from tcserver.conference.login.connections import Connections
from tcserver.conference.login.passwords import Passwords
from tcserver.conference.login.sessions import Sessions
from tcserver.conference.room.rooms import Rooms


class Services(NamedTuple):
    """What a request may use, each part by its name."""

    context: Context
    connections: Connections
    sessions: Sessions
    authenticator: Authenticator
    passwords: Passwords
    rooms: Rooms
