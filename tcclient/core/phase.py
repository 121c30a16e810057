"""The phases of a session."""

from __future__ import annotations

from enum import IntEnum


class Phase(IntEnum):
    """How far a session has come."""

    CONNECTING = 0
    UNTRUSTED = 1
    """The server proved a key that nobody has accepted yet: nothing is sent."""
    TRUSTED = 2
    """Ready for ``begin_login``."""
    LOGGING_IN = 3
    LOBBY = 4
    """Ready for ``join``."""
    JOINING = 5
    ROOM = 6
    CLOSED = 7
