"""Exit statuses of the command line."""

from tcproto.errors import ErrorCode

FAILED = 1
"""No server, the network, the disk, or an incomplete demonstration."""
WRONG_INPUT = 2
"""An argument, a link or a file is wrong."""
REFUSED = 3
"""The server refused the login, the room, or ended the seat."""
UNTRUSTED = 4
"""The server's key is not the expected one, or nobody has confirmed it."""
INTERRUPTED = 130


def status_of_end(code: ErrorCode | None) -> int:
    """Return the exit status where a connection or a seat ended for this reason: it was lost, or the server said no."""
    return FAILED if code in (None, ErrorCode.IDLE_TIMEOUT) else REFUSED
