"""Exit statuses of the command line."""

from __future__ import annotations

from tcproto.errors import ErrorCode

FAILED = 1
"""No server, the network, the disk, or an incomplete demonstration."""
WRONG_INPUT = 2
"""An argument, a link or a file is wrong."""
REFUSED = 3
"""The server refused the login or the room, or ended the seat, for another reason than those below."""
UNTRUSTED = 4
"""The server's key is not the expected one, or nobody has confirmed it; or it said what no honest server says."""
WRONG_PASSWORD = 5
"""The account or the password is wrong."""
KICKED = 6
"""Somebody took the seat away."""
MEETING_CLOSED = 7
"""The meeting was ended for all."""
INTERRUPTED = 130

_OF_CODES = {
    None: FAILED,
    ErrorCode.IDLE_TIMEOUT: FAILED,
    ErrorCode.BAD_CREDENTIALS: WRONG_PASSWORD,
    ErrorCode.KICKED: KICKED,
    ErrorCode.ROOM_CLOSED: MEETING_CLOSED,
}


def status_of_end(code: ErrorCode | None) -> int:
    """Return the exit status for the reason why a login, a room or a seat was refused or ended (None: it was lost)."""
    return _OF_CODES.get(code, REFUSED)


def status_of(error: Exception) -> int:
    """Return the exit status for an error that the user can mend, and 0 for a fault of this program."""
    from tcclient.audio.libopus import OpusUnavailable
    from tcclient.demo.processes import DemoError
    from tcclient.errors import (
        ClientError,
        ConnectError,
        DishonestServer,
        JoinRefused,
        LoginRefused,
        MediaError,
        RecordingError,
        RoomClosed,
        ServerKeyError,
        WrongValue,
    )
    from tcclient.trust.identity import TrustFileError
    from tcproto.errors import ProtocolError

    if isinstance(error, DishonestServer):
        return UNTRUSTED
    if isinstance(error, RoomClosed | LoginRefused | JoinRefused):
        return status_of_end(error.code)
    kinds: tuple[tuple[type[Exception], int], ...] = (
        (ServerKeyError, UNTRUSTED),
        (TrustFileError, WRONG_INPUT),
        (WrongValue, WRONG_INPUT),
        (ConnectError, FAILED),
        (RecordingError, FAILED),
        (OpusUnavailable, FAILED),
        (MediaError, WRONG_INPUT),
        (ClientError, REFUSED),
        (ProtocolError, FAILED),
        (DemoError, FAILED),
        (OSError, FAILED),
        (ValueError, WRONG_INPUT),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), 0)
