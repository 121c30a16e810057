"""The requests and responses of one connection, over h11. Pure."""

from __future__ import annotations

import re
from http import HTTPStatus

import h11

from tcserver.web.http.message import Request, Response

MAX_HEAD = 16_384
"""Bytes of the line and the headers of a request. Browsers send less than 2,000 without cookies."""
MAX_LINES = 100
"""Lines of them. Browsers send 20, and a proxy adds some. Each takes 2 µs to read, so that ``MAX_HEAD`` bytes of the
shortest would take 8 ms."""
METHODS = ("GET", "HEAD")
_BLANK_LINE = re.compile(rb"\n\r?\n")


class BadRequest(Exception):
    """A request that is not well-formed, or not for this server. The connection ends after the answer."""

    def __init__(self, status: HTTPStatus, *fields: tuple[str, str]) -> None:
        super().__init__(status.phrase)
        self.status = status
        self.fields = fields


class Conversation:
    """Reads requests one after the other, and writes their responses: the next request follows the last response."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._is_head = False
        """Whether the last request wants no body."""

    @property
    def is_over(self) -> bool:
        """Whether nothing follows on this connection: the client or the last response has said so."""
        return self._h11.our_state in (h11.MUST_CLOSE, h11.CLOSED, h11.ERROR)

    @property
    def rest(self) -> bytes:
        """Bytes that came behind the request."""
        return bytes(self._h11.trailing_data[0])

    def receive_data(self, data: bytes) -> None:
        """Take bytes of the client."""
        self._h11.receive_data(data)

    def next_request(self) -> Request | None:
        """Return the next request, None while it is not complete. Raises ``BadRequest``; then comes no other."""
        if self._h11.our_state is h11.IDLE and self._has_many_lines():
            raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        try:
            event = self._h11.next_event()
            if not isinstance(event, h11.Request):  # more is needed, or the client has ended
                return None
            method = event.method.decode("ascii")
            self._is_head = method == "HEAD"
            if method not in METHODS:
                raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", ", ".join(METHODS)))
            if not isinstance(self._h11.next_event(), h11.EndOfMessage):  # nothing here takes a body
                raise BadRequest(HTTPStatus.BAD_REQUEST)
        except h11.RemoteProtocolError as error:
            raise BadRequest(HTTPStatus(error.error_status_hint)) from None
        return Request(method, event.target.decode("ascii"), list(event.headers))

    def _has_many_lines(self) -> bool:
        """Tell whether the head that has come, whole or in part, has more lines than anybody sends."""
        head = self._h11.trailing_data[0][:MAX_HEAD]
        end = _BLANK_LINE.search(head)
        return head.count(b"\n", 0, len(head) if end is None else end.end()) > MAX_LINES

    def respond(self, response: Response, *, last: bool = False) -> tuple[bytes, bytes]:
        """Return the head and the body of the response to the request that came last, and await the next request.

        After a response that is the ``last`` there is no other request.
        """
        fields = [*response.fields, ("Content-Length", str(len(response.body)))]
        if last:
            fields.append(("Connection", "close"))
        head = self._h11.send(
            h11.Response(status_code=response.status, headers=fields, reason=response.status.phrase.encode())
        )
        assert head is not None
        body = b"" if self._is_head else response.body
        if body:
            self._h11.send(h11.Data(data=body))
        self._h11.send(h11.EndOfMessage())
        if not self.is_over:
            self._h11.start_next_cycle()
        return head, body
