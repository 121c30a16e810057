"""Exit statuses of the command line."""

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
    """Return the exit status where a login, a room or a seat was refused or ended for this reason (None: lost)."""
    return _OF_CODES.get(code, REFUSED)
