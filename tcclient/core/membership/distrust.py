"""The end of all dealings with a server."""

from __future__ import annotations

from tcproto.errors import ErrorCode


class Distrust(Exception):
    """The server is not to be dealt with any further: it says what no honest server says. The session stops.

    ``Closed`` tells so, with ``code``.
    """

    def __init__(self, text: str, code: ErrorCode = ErrorCode.UNEXPECTED_MESSAGE) -> None:
        super().__init__(text)
        self.code = code
