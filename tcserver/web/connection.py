"""A connection of a browser, a monitoring system, or a client on the stream path: TLS, requests, then a stream."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import sys
from array import array
from http import HTTPStatus
from typing import cast

from tcserver.web.byte_stream import StreamUser
from tcserver.web.http.conversation import BadRequest, Conversation
from tcserver.web.http.message import Arrival, OpenStream, Request, Response, plain_text
from tcserver.web.http.site import Routes
from tcserver.web.service import WebService
from tcserver.web.tls import TlsError, TlsLayer
from tcserver.web.trusted_proxies import Client, TrustedProxies

HANDSHAKE_LIMIT = 5.0
"""Seconds for the TLS handshake. It takes two round trips."""
REQUEST_LIMIT = 15.0
"""Seconds for the first request to come. Browsers open connections before they need them."""
RESPONSE_LIMIT = 60.0
"""Seconds for a response to leave: the largest file over a slow phone."""
IDLE_LIMIT = 60.0
"""Seconds from a response to the end of the next request."""
LINGER_LIMIT = 2.0
"""Seconds for the client to end the connection, too, when the kernel has the last bytes. If the socket were closed at
once, a client that still sends would get a reset, and lose them (RFC 9112, section 9.6; RFC 6455, section 7.1.1)."""
MAX_HELD = 65_536
"""Bytes of a connection that may wait for their turn. Beyond it nothing more is read from the socket."""
MAX_GATHERED = 16_384
"""Bytes of a stream that may wait until they are handled with those of others. More are handled at once."""
PIECE_BYTES = 65_536
"""Bytes of a response that are given to the kernel at once; the next ones follow when it has taken them."""
STREAM_LOWAT = 4096
"""Unsent bytes of a stream below which the kernel asks for more (``TCP_NOTSENT_LOWAT``). Few, since what
has left our buffers can no more be dropped."""
_SIOCOUTQNSD = 0x894B
"""The ``ioctl`` that returns the bytes of a TCP socket that were never sent. Linux, since 2.6.38."""
_unsent = array("i", (0,))
"""Where the kernel writes the number of these bytes."""


class WebConnection(asyncio.BufferedProtocol):
    """One connection. After an upgrade it is a ``ByteStream``.

    ``client`` is the address of the client; None: the other end of the socket. ``tls`` is None without encryption.
    """

    def __init__(
        self,
        service: WebService,
        routes: Routes,
        proxies: TrustedProxies,
        client: Client | None = None,
        tls: TlsLayer | None = None,
    ) -> None:
        self._service = service
        self._routes = routes
        self._proxies = proxies
        self._client: Client = client or ("", 0)
        self._tls = tls
        self._conversation = Conversation()
        self._user: StreamUser | None = None
        self._held = b""
        """Bytes that wait for their turn."""
        self._body = memoryview(b"")
        """What is left of a response."""
        self._is_blocked = False
        """Whether the kernel takes nothing more for now."""
        self._is_stream = False
        self._is_over = False
        """Whether nothing that comes is handled any more."""
        self._lingers = False
        """Whether the client has to end its half of the connection, too."""
        self._eof = False
        self._deadline: asyncio.TimerHandle | None = None

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the handshake, or for the first request."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass
        self._transport.set_write_buffer_limits(high=0)
        if not self._client[0]:
            self._client = (transport.get_extra_info("peername") or ("", 0))[:2]
        local = transport.get_extra_info("sockname") or ("", 0)
        self._arrival = Arrival(local[0], local[1], self._tls is not None)
        self._service.joined(self, self._proxies.network_of(self._client))
        self._due_in(REQUEST_LIMIT if self._tls is None else HANDSHAKE_LIMIT)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the user of the stream, after what came before."""
        if self._is_stream:
            self._receive()
        self._handshake_failed("closed")
        self._is_over = True
        if self._deadline is not None:
            self._deadline.cancel()
        self._service.turns.forget(self)
        self._service.left(self)
        if self._user is not None:
            self._user.ended()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the next bytes go."""
        return self._service.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes."""
        self.take(bytes(memoryview(self._service.buffer)[:nbytes]))

    def eof_received(self) -> bool:
        """Close when the client does, after the answer to what it has sent before."""
        self._eof = True
        if self._is_stream:
            self._receive()
        if self._is_over or self._is_stream:
            return False
        self._service.turns.want(self)
        return True

    def pause_writing(self) -> None:
        """Write nothing more of a response for now."""
        self._is_blocked = True

    def resume_writing(self) -> None:
        """Go on writing."""
        self._is_blocked = False
        if self._lingers:
            self._due_in(LINGER_LIMIT)
        elif self._user is not None:
            self._user.writable()
        elif self._body:
            self._write_body()

    # Called by the maker of connections, and by turns

    def take(self, data: bytes) -> None:
        """Take bytes of the client."""
        if self._is_over:
            return
        is_asked = bool(self._held)
        self._held += data
        if self._is_stream:
            if self._user is None or len(self._held) > MAX_GATHERED:
                self._receive()
            elif not is_asked:
                self._user.soon(self._receive)
        else:
            if len(self._held) >= MAX_HELD:
                self.pause_reading()
            self._service.turns.want(self)

    @property
    def is_stranger(self) -> bool:
        """Whether nobody has logged in: nobody does before the stream is open."""
        return True

    def take_turn(self) -> bool:
        """Answer one request, or handle what came; tell whether there may be more to do now."""
        if self._body or self._is_over or self._is_stream or self._transport.is_closing():
            return False
        try:
            return self._step()
        except Exception as error:  # an error of ours ends this connection and no other
            self._service.on_error(error)
            self.abort()
            return False

    # The interface of a byte stream

    @property
    def peername(self) -> Client:
        """Address and port of the client."""
        return self._client

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport.is_closing():
            return
        self._transport.write(data if self._tls is None else self._tls.seal(data))

    def unsent(self) -> int:
        """Return the bytes that wait in the transport, and in the kernel without being sent once."""
        transport = self._transport
        waiting = transport.get_write_buffer_size()
        if sys.platform != "linux" or transport.is_closing():
            return waiting
        fcntl.ioctl(self._descriptor, _SIOCOUTQNSD, _unsent)
        return waiting + _unsent[0]

    def pause_reading(self) -> None:
        """Take nothing more from the kernel."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """End the connection when what was written has left."""
        if self._is_stream:
            self._linger()
            return
        self._is_over = True
        if not self._transport.is_closing():
            self._say_goodbye()
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._is_over = True
        self._transport.abort()

    # TLS

    def _opened(self, data: bytes) -> bytes:
        """Return the bytes in those that came. If they are wrong, close."""
        tls = self._tls
        if tls is None:
            return data
        was_ready = tls.is_ready
        try:
            plain = tls.receive_data(data, asyncio.get_running_loop().time())
        except TlsError as error:
            self._handshake_failed(error.reason)
            self._flush_tls()
            self.close()
            return b""
        self._flush_tls()
        if tls.is_ready and not was_ready:
            self._service.counters.handshakes += 1
            self._due_in(REQUEST_LIMIT)
        if tls.is_ended:
            self._eof = True
        return plain

    def _handshake_failed(self, reason: str) -> None:
        """Count a failure, once, if the handshake is not done."""
        if self._tls is not None and not self._tls.is_ready and not self._is_over:
            self._service.counters.failed_handshakes[reason] += 1

    def _flush_tls(self) -> None:
        assert self._tls is not None
        data = self._tls.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _say_goodbye(self) -> None:
        if self._tls is not None:
            self._tls.close()
            self._flush_tls()

    # Requests

    def _step(self) -> bool:
        if self._handle_request():
            return False  # after the response another turn is asked for
        if not self._held:
            if self._eof:
                self._handshake_failed("closed")
                self.close()
            return False
        data, self._held = self._held, b""
        if len(data) >= MAX_HELD:
            self.resume_reading()
        if plain := self._opened(data):
            self._conversation.receive_data(plain)
        return True

    def _handle_request(self) -> bool:
        """Answer the next request; False while it is not complete."""
        try:
            request = self._conversation.next_request()
        except BadRequest as error:
            self._respond(plain_text(error.status, "", *error.fields), last=True)
            return True
        if request is None:
            return False
        self._service.used(self)
        answer = self._answer(request)
        if isinstance(answer, OpenStream):
            self._open_stream(request)
        else:
            self._respond(answer)
        return True

    def _answer(self, request: Request) -> Response | OpenStream:
        """Return the answer. An error of ours is told of, and ends nothing."""
        try:
            return self._routes.answer(request, self._arrival)
        except Exception as error:
            self._service.on_error(error)
            return plain_text(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _respond(self, response: Response, *, last: bool = False) -> None:
        self._service.counters.requests[response.status] += 1
        self._due_in(RESPONSE_LIMIT)
        head, body = self._conversation.respond(response, last=last)
        self.write(head + body[:PIECE_BYTES])
        self._body = memoryview(body)[PIECE_BYTES:]
        self._write_body()

    def _write_body(self) -> None:
        """Write as much of the response as the kernel takes, and then look for the next request."""
        while self._body and not self._is_blocked:
            if self._transport.is_closing():
                return
            piece, self._body = bytes(self._body[:PIECE_BYTES]), self._body[PIECE_BYTES:]
            self.write(piece)
        if self._body:
            return
        if self._conversation.is_over:
            self._linger()
        else:
            self._due_in(IDLE_LIMIT)
            self._service.turns.want(self)

    def _linger(self) -> None:
        """End the own half of the connection, and wait a moment for the client to end the other. What comes is lost."""
        if self._is_over or self._transport.is_closing():
            return
        self._is_over = True
        self._say_goodbye()
        if self._eof:
            self._transport.close()
        else:
            self._lingers = True
            self._transport.resume_reading()
            self._transport.write_eof()
            if not self._is_blocked:
                self._due_in(LINGER_LIMIT)

    def _due_in(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._late)

    def _late(self) -> None:
        self._handshake_failed("timeout")
        self.abort()

    # The stream

    def _open_stream(self, request: Request) -> None:
        """Hand the connection to the user of a stream, and the bytes that came behind the request."""
        open_stream = self._service.open_stream
        if open_stream is None:
            self._respond(plain_text(HTTPStatus.NOT_FOUND), last=True)
            return
        self._service.left(self)
        if self._deadline is not None:
            self._deadline.cancel()
        sock = self._transport.get_extra_info("socket")
        self._descriptor = sock.fileno()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, STREAM_LOWAT)
        self._client = self._proxies.client_of(request, self._client)
        self._is_stream = True
        user = open_stream(request.headers, self)
        self._service.counters.requests[HTTPStatus.BAD_REQUEST if user is None else HTTPStatus.SWITCHING_PROTOCOLS] += 1
        if user is None:
            self._due_in(LINGER_LIMIT)
            return
        self._user = user
        if rest := self._conversation.rest:
            user.received(rest)
        if len(self._held) >= MAX_HELD:
            self.resume_reading()
        self._receive()
        if self._eof:
            self.close()

    def _receive(self) -> None:
        """Handle what came on the stream. Never raises: an error of ours ends this connection and no other."""
        data, self._held = self._held, b""
        if not data or self._is_over:
            return
        try:
            self._hand_on(data)
        except Exception as error:
            self._service.on_error(error)
            self.abort()

    def _hand_on(self, data: bytes) -> None:
        plain = self._opened(data)
        if plain and self._user is not None and not self._is_over:
            self._user.received(plain)
        if self._eof:
            self.close()
