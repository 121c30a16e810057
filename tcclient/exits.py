"""Exit statuses of the command line."""

FAILED = 1
"""No server, the network, the disk, or an incomplete demonstration."""
WRONG_INPUT = 2
"""An argument, a link or a file is wrong."""
REFUSED = 3
"""The server refused the login, the room, or ended the seat."""
UNTRUSTED = 4
"""The server's key is not the expected one, or nobody has confirmed it."""
INTERRUPTED = 130
