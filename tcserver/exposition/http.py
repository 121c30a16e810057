"""A server for HTTP with what a monitoring system needs: GET of few documents, one request for each connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple, cast

MAX_HEAD = 8192
"""Bytes of a request. Monitoring systems and browsers send less."""
MAX_CONNECTIONS = 16
"""Connections at a time. One more closes the oldest."""
TIME_LIMIT = 5.0
"""Seconds of a connection, from the first byte of the request to the last of the answer."""
_END = b"\r\n\r\n"


class Content(NamedTuple):
    """A document."""

    type: str
    body: bytes


Routes = Mapping[str, Callable[[], Content]]
"""Functions that make the documents, by path."""


class HttpServer:
    """Answers on one address. ``on_error`` gets the exception of a route; the client gets status 500."""

    def __init__(self, routes: Routes, on_error: Callable[[Exception], None], time_limit: float = TIME_LIMIT) -> None:
        self._routes = routes
        self.time_limit = time_limit
        """Seconds of a connection."""
        self._on_error = on_error
        self._server: asyncio.Server | None = None
        self._transports: dict[asyncio.Transport, None] = {}
        """The oldest first."""

    async def open(self, host: str, port: int) -> None:
        """Listen. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Exchange(self), host, port, reuse_address=True)

    def close(self) -> None:
        """Close everything. It may be called again."""
        if self._server is not None:
            self._server.close()
        for transport in list(self._transports):
            transport.abort()

    def begun(self, transport: asyncio.Transport) -> None:
        """Take a connection. If there are too many, close the oldest, so that idle ones keep nobody out."""
        if len(self._transports) >= MAX_CONNECTIONS:
            oldest = next(iter(self._transports))
            oldest.abort()
            self.ended(oldest)
        self._transports[transport] = None

    def ended(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._transports.pop(transport, None)

    def answer(self, request: bytes) -> bytes:
        """Return the answer to a request."""
        try:
            return respond(request, self._routes)
        except Exception as error:
            self._on_error(error)
            return _response(HTTPStatus.INTERNAL_SERVER_ERROR)


class _Exchange(asyncio.Protocol):
    """A connection: one request and one answer."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._request = b""
        self._is_answered = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the request."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass
        self._server.begun(self._transport)
        self._timer = asyncio.get_running_loop().call_later(self._server.time_limit, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Answer when the request is complete or too long."""
        if self._is_answered:
            return
        self._request += data
        if _END in self._request or len(self._request) > MAX_HEAD:
            self._is_answered = True
            self._transport.write(self._server.answer(self._request))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the server that the connection is closed."""
        if self._timer is not None:
            self._timer.cancel()
        self._server.ended(self._transport)


def respond(request: bytes, routes: Routes) -> bytes:
    """Return the answer to a request, which is complete or too long. Raises what a route raises."""
    head, end, _ = request.partition(_END)
    if not end or len(head) > MAX_HEAD:
        return _response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    match head.partition(b"\r\n")[0].split(b" "):
        case [method, target, b"HTTP/1.1" | b"HTTP/1.0"]:
            route = routes.get(target.partition(b"?")[0].decode("latin-1"))
        case _:
            return _response(HTTPStatus.BAD_REQUEST)
    if route is None:
        return _response(HTTPStatus.NOT_FOUND)
    if method != b"GET":
        return _response(HTTPStatus.METHOD_NOT_ALLOWED, "Allow: GET")
    return _response(HTTPStatus.OK, content=route())


def _response(status: HTTPStatus, *fields: str, content: Content | None = None) -> bytes:
    type_, body = content or Content("text/plain; charset=utf-8", f"{status.phrase}\n".encode())
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {type_}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *fields,
    ]
    return "\r\n".join(lines).encode("latin-1") + _END + body
