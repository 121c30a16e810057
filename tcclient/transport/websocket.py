"""A WebSocket with the control connection and datagrams in it: section 6 of PROTOCOL.md, "Stream path"."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from tcproto.stream_path import (
    MAX_MESSAGE,
    PATH,
    SUBPROTOCOL,
    CloseCode,
    MessageKind,
    StreamPathError,
    pack_control,
    pack_datagram,
    parse,
)

if sys.platform == "linux":
    import fcntl

OPEN_LIMIT = 5.0
"""Seconds for TLS and the upgrade, three round trips. A server without them closes at once."""
READ_BYTES = 65_536
"""Bytes decrypted at once; a record has at most a quarter of it."""
STREAM_LOWAT = 4096
"""Unsent bytes below which the kernel asks for more (``TCP_NOTSENT_LOWAT``): what waits can be dropped."""
MAX_UNREAD = 1 << 20
"""Bytes that may wait for a server that does not read. Datagrams are dropped long before, so only its pings can have
been answered so often."""
_SIOCOUTQNSD = 0x894B
"""Bytes of a TCP socket that were not sent once. Linux, since 2.6.38."""
_QUIET = logging.getLogger("tcclient.transport.websocket")
_QUIET.disabled = True  # what matters to users is an event of the session


class WebSocket(asyncio.Protocol):
    """A client of the stream path, on a TCP transport.

    ``control`` is the protocol of the control connection, whose transport this is once the WebSocket is open. Until
    then it is told nothing. ``on_datagrams`` is called with the datagrams that came at once.
    """

    def __init__(self, control: asyncio.Protocol, on_datagrams: Callable[[list[bytes]], None]) -> None:
        self.opened: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """Whether the server speaks the stream path; known when the WebSocket is open or the connection has ended."""
        self._control = control
        self._on_datagrams = on_datagrams
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._is_ready = False
        """Whether the TLS handshake is done."""
        self._is_closing = False

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the TLS handshake."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass
        sock, peer = transport.get_extra_info("socket"), transport.get_extra_info("peername")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, STREAM_LOWAT)
        self._descriptor = sock.fileno()
        # The server checks names because of browsers, which any page can send anywhere; an address is always right.
        host = peer[0].partition("%")[0]
        self._tls = _context().wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._protocol = ClientProtocol(
            WebSocketURI(True, host, peer[1], PATH, ""),
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            max_size=MAX_MESSAGE,
            logger=_QUIET,
        )
        self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        """Take bytes of the server."""
        self._incoming.write(data)
        try:
            plain, ended = self._opened()
        except ssl.SSLError:
            self._flush()
            self.abort()
            return
        if plain:
            self._protocol.receive_data(plain)
            self._take(self._protocol.events_received())
        self._flush()
        if ended or self.get_write_buffer_size() > MAX_UNREAD:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the control connection."""
        self._is_closing = True
        if not self.opened.done():
            self.opened.set_result(False)
        elif not self.opened.cancelled() and self.opened.result():
            self._control.connection_lost(exc)

    # The transport of the control connection, and of datagrams

    def get_extra_info(self, name: str) -> Any:
        """Return what the TCP transport knows."""
        return self._transport.get_extra_info(name)

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._is_closing or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send bytes of the control connection."""
        self._send(pack_control(data))

    def send_datagrams(self, datagrams: Iterable[bytes]) -> None:
        """Send datagrams."""
        self._send(map(pack_datagram, datagrams))

    def get_write_buffer_size(self) -> int:
        """Return the bytes that wait in the TCP transport."""
        return self._transport.get_write_buffer_size()

    def unsent(self) -> int:
        """Return the bytes that wait in the transport, and in the kernel without being sent once."""
        waiting = self._transport.get_write_buffer_size()
        if sys.platform == "linux" and not self._transport.is_closing():
            waiting += int.from_bytes(fcntl.ioctl(self._descriptor, _SIOCOUTQNSD, bytes(4)), sys.byteorder)
        return waiting

    def close(self) -> None:
        """Say goodbye, and close when what was written has left."""
        self._close(CloseCode.NORMAL_CLOSURE)

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = True
        self._transport.abort()

    # TLS

    def _opened(self) -> tuple[bytes, bool]:
        """Return what came inside of TLS, and whether nothing more comes. Raises ``ssl.SSLError``."""
        found = []
        try:
            if not self._is_ready:
                self._tls.do_handshake()
                self._is_ready = True
                self._protocol.send_request(self._protocol.connect())
            while part := self._tls.read(READ_BYTES):
                found.append(part)
        except ssl.SSLWantReadError:
            return b"".join(found), False
        except ssl.SSLZeroReturnError:
            pass
        return b"".join(found), True

    def _flush(self) -> None:
        """Send what the WebSocket and TLS have to say."""
        if self._is_ready and (data := b"".join(self._protocol.data_to_send())):
            view = memoryview(data)
            while view:
                view = view[self._tls.write(view) :]
        sealed = self._outgoing.read()
        if sealed and not self._transport.is_closing():
            self._transport.write(sealed)

    # Messages

    def _send(self, messages: Iterable[bytes]) -> None:
        if self.is_closing() or self._protocol.state is not State.OPEN:
            return
        for message in messages:
            self._protocol.send_binary(message)
        self._flush()

    def _close(self, code: CloseCode, reason: str = "") -> None:
        if not self.is_closing():
            self._protocol.fail(code, reason)
            self._flush()
            self._is_closing = True
            self._transport.close()

    def _take(self, events: Iterable[object]) -> None:
        datagrams: list[bytes] = []
        try:
            for event in events:
                if isinstance(event, Response):
                    self._answered()
                elif isinstance(event, Frame) and (datagram := self._take_frame(event)):
                    datagrams.append(datagram)
        except StreamPathError as error:
            self._close(error.code, str(error))
        if datagrams and not self._is_closing:
            self._on_datagrams(datagrams)
        if self._protocol.handshake_exc is not None:
            self.abort()
        elif self._protocol.parser_exc is not None and not self._is_closing:  # the library has said why
            self._flush()
            self._is_closing = True
            self._transport.close()

    def _answered(self) -> None:
        """Take the answer to the upgrade."""
        if self._protocol.handshake_exc is None and self._protocol.subprotocol == SUBPROTOCOL:
            self.opened.set_result(True)
            # The transport of a protocol: a stand-in for the one of asyncio, with what a control connection uses.
            self._control.connection_made(cast(asyncio.BaseTransport, self))
        else:
            self.abort()

    def _take_frame(self, frame: Frame) -> bytes:
        """Take a frame; return the datagram in it, if there is one. Raises ``StreamPathError``."""
        if self._is_closing:
            return b""
        if frame.opcode is Opcode.BINARY and frame.fin:
            kind, rest = parse(bytes(frame.data))
            if kind is MessageKind.DATAGRAM:
                return rest
            self._control.data_received(rest)
        elif frame.opcode is Opcode.TEXT:
            raise StreamPathError(CloseCode.UNSUPPORTED_DATA, "a text message")
        elif frame.opcode in (Opcode.BINARY, Opcode.CONT):
            raise StreamPathError(CloseCode.PROTOCOL_ERROR, "a fragment")
        elif frame.opcode is Opcode.CLOSE:
            self._close(CloseCode.NORMAL_CLOSURE)
        return b""


async def open_websocket(
    host: str, port: int, control: asyncio.Protocol, on_datagrams: Callable[[list[bytes]], None]
) -> WebSocket | None:
    """Connect, and return the open WebSocket; None where the server has no stream path.

    Raises ``OSError`` if there is no TCP connection.
    """
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(lambda: WebSocket(control, on_datagrams), host, port)
    is_open = False
    try:
        async with asyncio.timeout(OPEN_LIMIT):
            is_open = await asyncio.shield(stream.opened)
    except TimeoutError:
        pass
    finally:
        if not is_open:
            stream.abort()
    return stream if is_open else None


@cache
def _context() -> ssl.SSLContext:
    """TLS that takes any certificate: the Noise channel inside proves the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
