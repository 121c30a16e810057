"""The end of a session with a server that cannot be trusted."""

from __future__ import annotations

from tcproto.errors import ErrorCode


class Distrust(Exception):
    """The server says what no honest server says, so the session stops.

    ``Closed`` reports it, with ``code``.
    """

    def __init__(self, text: str, code: ErrorCode = ErrorCode.UNEXPECTED_MESSAGE) -> None:
        super().__init__(text)
        self.code = code
