"""The shell of a control connection: an asyncio protocol around ``ControlConnection``."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

from tcproto.control import ControlConnection, Datagram, HandshakeCompleted, Received, Replied
from tcproto.errors import ErrorCode, ProtocolError
from tcproto.messages import Envelope, row_of
from tcserver.turns import Turns

MAX_BYTES_BEFORE_LOGIN = 16_384
"""Bytes that a stranger may send in all: a handshake and three tries to log in take a fifth of it."""
MAX_WRITE_BUFFER = 1 << 20
"""Bytes that may wait for a slow receiver: several snapshots of the largest room; beyond it the connection ends."""
CLOSE_LIMIT = 2.0
"""Seconds for the last bytes to leave; a receiver that reads nothing must not keep its connection.

As long has a receiver that is too slow to read all that waits, and behind it why the connection ends.
"""
READ_SIZE = 16_384
"""Bytes taken from the kernel at once, so that what a peer makes us hold stays small."""


class ControlHandler(Protocol):
    """Who is told of connections and messages, in order."""

    def connected(self, peer: ControlPeer) -> bool:
        """Tell of a new connection; False refuses it."""

    def handshake_done(self, peer: ControlPeer, handshake_hash: bytes) -> None:
        """The channel stands."""

    def received(self, peer: ControlPeer, envelope: Envelope) -> None:
        """A message came."""

    def failed(self, peer: ControlPeer, error: ProtocolError) -> None:
        """The peer broke the protocol; the connection is closed after this."""

    def crashed(self, peer: ControlPeer, error: Exception) -> None:
        """Handling a message raised; the connection is closed after this."""

    def fell_behind(self, peer: ControlPeer) -> None:
        """The peer does not take what is sent to it; it is told so, and the connection closed after this."""

    def disconnected(self, peer: ControlPeer) -> None:
        """The connection is gone; told exactly once, and only of those that were not refused."""


class ControlPeer(asyncio.BufferedProtocol):
    """One client's control connection; until the login it is served in its turn."""

    def __init__(self, number: int, connection: ControlConnection, handler: ControlHandler, turns: Turns) -> None:
        self.number = number
        self.address = ""
        self._connection = connection
        self._handler = handler
        self._turns = turns
        self._awaits_turn = False
        self._buffer = bytearray(READ_SIZE)
        self._transport: asyncio.Transport | None = None
        self._welcome = False
        self._received = 0
        self._closing = False
        self._last_moment: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and ask the handler whether this address may connect."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        transport.set_write_buffer_limits(high=MAX_WRITE_BUFFER)
        self._welcome = self._handler.connected(self)
        if not self._welcome:
            self._closing = True
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the handler."""
        self._closing = True
        if self._last_moment is not None:
            self._last_moment.cancel()
        if self._welcome:
            self._handler.disconnected(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes, and everything that they complete: at once, or of a stranger in its turn."""
        if self._closing:
            return
        self._received += nbytes
        if self._connection.authenticated:
            self._connection.receive_data(bytes(memoryview(self._buffer)[:nbytes]))
            self._serve()
            return
        if self._received <= MAX_BYTES_BEFORE_LOGIN:
            self._connection.receive_data(bytes(memoryview(self._buffer)[:nbytes]))
        if not self._awaits_turn:
            self._awaits_turn = True
            self._turns.enter(self._serve)

    def eof_received(self) -> bool:
        """Close when the client does."""
        return False

    def send(self, message: Any, request_id: int) -> None:
        """Send a message: a request of the server's, a reply to ``request_id``, or a notification if that is 0."""
        if self._closing:
            return
        if row_of(type(message)).answer is not None:
            self._connection.request(message)
        elif request_id:
            self._connection.reply(request_id, message)
        else:
            self._connection.send(message)

    def flush(self) -> None:
        """Give what was sent to the kernel; a receiver that is too slow is told so behind it, and cut off."""
        transport = self._transport
        if not self._write() or transport is None:
            return
        if transport.get_write_buffer_size() > MAX_WRITE_BUFFER and not self._closing:
            self._connection.close(ErrorCode.SLOW_CONSUMER)
            self._end()
            self._handler.fell_behind(self)

    def close(self) -> None:
        """Close the connection when what was sent is out."""
        self.flush()
        self._end()

    def abort(self) -> None:
        """Close the connection at once."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def _write(self) -> bool:
        """Give what was sent to the kernel; tell whether there was anything."""
        data = self._connection.data_to_send()
        if self._transport is None or self._transport.is_closing() or not data:
            return False
        self._transport.write(data)
        return True

    def _end(self) -> None:
        """Send the last bytes, and nothing after them."""
        self._write()
        self._closing = True
        if self._transport is not None and self._last_moment is None:
            self._transport.close()
            self._last_moment = asyncio.get_running_loop().call_later(CLOSE_LIMIT, self._transport.abort)

    def _serve(self) -> None:
        """Act on all messages that are complete."""
        self._awaits_turn = False
        if self._closing:
            return
        try:
            if self._received > MAX_BYTES_BEFORE_LOGIN and not self._connection.authenticated:
                raise ProtocolError(ErrorCode.BAD_FRAME, "too many bytes before the login")
            self._drain()
        except ProtocolError as error:
            self._handler.failed(self, error)
            self._connection.close(error.code, error.detail)
            self.close()
        except Exception as error:  # an error of ours ends this connection and no other
            self._handler.crashed(self, error)
            self._connection.close(ErrorCode.INTERNAL)
            self.close()

    def _drain(self) -> None:
        while not self._closing and (event := self._connection.next_event()) is not None:
            match event:
                case HandshakeCompleted(handshake_hash):
                    self.flush()
                    self._handler.handshake_done(self, handshake_hash)
                case Received(message, request_id):
                    self._handler.received(self, Envelope(message, request_id))
                case Replied(_, reply, request_id):
                    self._handler.received(self, Envelope(reply, request_id))
                case Datagram():
                    pass  # nothing is sent through the tunnel yet
        self.flush()
