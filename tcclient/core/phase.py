"""How far a session has come."""

from __future__ import annotations

from enum import IntEnum

from tcproto.errors import ErrorCode, Refusal


class Phase(IntEnum):
    """How far a session has come."""

    CONNECTING = 0
    UNTRUSTED = 1
    """The server has proved a key that nobody has accepted yet. Nothing is sent."""
    TRUSTED = 2
    """Ready for ``begin_login``."""
    LOGGING_IN = 3
    LOBBY = 4
    """Ready for ``join``."""
    JOINING = 5
    ROOM = 6
    DETACHED = 7
    """The connection was lost, and the seat goes on: ready for ``reconnect``, then ``resume``."""
    CLOSED = 8

    def require(self, phase: Phase) -> None:
        """Raise ``Refusal`` if this is another phase."""
        if self is not phase:
            code = ErrorCode.NOT_IN_ROOM if phase is Phase.ROOM else ErrorCode.BAD_REQUEST
            raise Refusal(code, f"not possible while {self.name.lower().replace('_', ' ')}")
