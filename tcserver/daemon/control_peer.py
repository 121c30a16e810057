"""The shell of a control connection: an asyncio protocol around ``ControlConnection``."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol, cast

from tcproto.control import ControlConnection, HandshakeCompleted, Received, Replied
from tcproto.errors import ErrorCode, ProtocolError
from tcproto.framing import MAX_FRAME
from tcproto.messages import Envelope, row_of
from tcserver.daemon.control_turns import ControlTurns

MAX_BYTES_BEFORE_LOGIN = 16_384
"""Bytes that a client may send before its login. A handshake and three attempts to log in take a fifth of it."""
MAX_WRITE_BUFFER = 1 << 20
"""Bytes that may wait for a slow receiver, several snapshots of the largest room. Beyond it the connection ends."""
CLOSE_LIMIT = 2.0
"""Seconds for the last bytes to leave. A receiver that reads nothing must not keep its connection open.

A receiver that was too slow has the same time to read what waits, and the reason for the end behind it.
"""
MAX_HELD = MAX_FRAME
"""Bytes of a connection that may wait for their turn. Beyond it nothing more is read from the socket."""
READ_SIZE = 16_384
"""Bytes taken from the kernel at once."""


class ControlHandler(Protocol):
    """Receives the events of the connections, in order."""

    def connected(self, peer: ControlPeer) -> bool:
        """Take a new connection; False refuses it."""

    def handshake_done(self, peer: ControlPeer, handshake_hash: bytes) -> None:
        """The Noise handshake is done."""

    def charge(self, peer: ControlPeer, size: int) -> float:
        """Charge the next frame, of ``size`` bytes; return the seconds that it has to wait, 0 to read it now.

        The frame has not been decrypted yet. The handler may close the connection instead.
        """

    def spent(self, peer: ControlPeer, microseconds: float) -> None:
        """Take the processor time that the frame charged last has used."""

    def received(self, peer: ControlPeer, envelope: Envelope) -> None:
        """A message came."""

    def failed(self, peer: ControlPeer, error: ProtocolError) -> None:
        """The peer broke the protocol. The connection is closed after this call."""

    def crashed(self, peer: ControlPeer, error: Exception) -> None:
        """The handling of a message raised an error. The connection is closed after this call."""

    def fell_behind(self, peer: ControlPeer) -> None:
        """The peer reads too slowly. It has been told so, and the connection is being closed."""

    def withdrawn(self, peer: ControlPeer) -> None:
        """The connection is one of another protocol; nothing was read from it. Nothing is called for it any more."""

    def disconnected(self, peer: ControlPeer) -> None:
        """The connection has ended. Called exactly once for each connection that was not refused or withdrawn."""


class ControlPeer(asyncio.BufferedProtocol):
    """One client's control connection, from ``address``; "" is that of the socket.

    The event loop reads into ``buffer``, which may be that of all connections: the bytes are taken out at once.
    """

    def __init__(
        self,
        number: int,
        connection: ControlConnection,
        handler: ControlHandler,
        turns: ControlTurns,
        buffer: bytearray,
        address: str = "",
    ) -> None:
        self.number = number
        self.address = address
        self._connection = connection
        self._handler = handler
        self._turns = turns
        self._buffer = buffer
        self._transport: asyncio.Transport | None = None
        self._welcome = False
        self._received = 0
        self._closing = False
        self._last_moment: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        """Set while the account of the client has used up its budget, and nothing is read."""
        self._reads = True
        self._eof = False
        self.has_left = False
        """Whether the client ended the connection as one that leaves."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and ask the handler whether this address may connect."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass
        peer = transport.get_extra_info("peername")
        self.address = self.address or (peer[0] if peer else "")
        transport.set_write_buffer_limits(high=MAX_WRITE_BUFFER)
        self._welcome = self._handler.connected(self)
        if not self._welcome:
            self._closing = True
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the handler."""
        self._forget()
        if self._welcome:
            self._handler.disconnected(self)

    def withdraw(self) -> None:
        """Give the transport up, before anything was read: it is of another protocol."""
        self._forget()
        if self._welcome:
            self._handler.withdrawn(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes. A frame that they complete waits for its turn."""
        if self._closing:
            return
        self._received += nbytes
        self._connection.receive_data(bytes(memoryview(self._buffer)[:nbytes]))
        if self._connection.next_size or self._is_too_long:
            self._turns.want(self)
            if self._connection.buffered >= MAX_HELD:
                self._set_reading(False)

    def leave(self) -> None:
        """Note that the client leaves, though without a message."""
        self.has_left = True

    def eof_received(self) -> bool:
        """Close when the client does, after the handling of what it has sent before."""
        self._eof = True
        return bool(self._connection.next_size) and not self._closing

    @property
    def is_stranger(self) -> bool:
        """Whether the client has not logged in."""
        return not self._connection.authenticated

    def take_turn(self) -> bool:
        """Handle the next frame unless it has to wait; tell whether another one follows."""
        if self._closing or self._rest is not None:
            return False
        try:
            if self._is_too_long:
                raise ProtocolError(ErrorCode.BAD_FRAME, "too many bytes before the login")
            size = self._connection.next_size
            wait = self._handler.charge(self, size) if size else 0.0
            if wait:
                self._set_reading(False)
                self._rest = asyncio.get_running_loop().call_later(wait, self._end_rest)
            elif size and not self._closing:
                began = time.thread_time()
                self._handle_event()
                self._handler.spent(self, (time.thread_time() - began) * 1e6)
        except ProtocolError as error:
            self._handler.failed(self, error)
            self._connection.close(error.code, error.detail)
            self.close()
        except Exception as error:  # an error of ours ends this connection and no other
            self._handler.crashed(self, error)
            self._connection.close(ErrorCode.INTERNAL)
            self.close()
        if self._closing or self._rest is not None:
            return False
        if self._connection.next_size:
            return True
        if self._eof:
            self.close()
        else:
            self._set_reading(True)
        return False

    def send(self, message: Any, request_id: int) -> None:
        """Send a request of the server, the reply to ``request_id``, or a notification (``request_id`` 0)."""
        if self._closing:
            return
        if row_of(type(message)).answer is not None:
            self._connection.request(message)
        elif request_id:
            self._connection.reply(request_id, message)
        else:
            self._connection.send(message)

    def flush(self) -> None:
        """Pass what was sent to the kernel. Close the connection of a receiver that is too slow."""
        transport = self._transport
        if not self._write() or transport is None:
            return
        if transport.get_write_buffer_size() > MAX_WRITE_BUFFER and not self._closing:
            self._connection.close(ErrorCode.SLOW_CONSUMER)
            self._end()
            self._handler.fell_behind(self)

    def close(self) -> None:
        """Close the connection after what was sent."""
        self.flush()
        self._end()

    def abort(self) -> None:
        """Close the connection at once."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def _forget(self) -> None:
        self._closing = True
        for timer in (self._last_moment, self._rest):
            if timer is not None:
                timer.cancel()
        self._turns.forget(self)

    def _write(self) -> bool:
        """Pass what was sent to the kernel; tell whether there was anything."""
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

    @property
    def _is_too_long(self) -> bool:
        return self._received > MAX_BYTES_BEFORE_LOGIN and not self._connection.authenticated

    def _end_rest(self) -> None:
        self._rest = None
        self._turns.want(self)

    def _set_reading(self, reads: bool) -> None:
        if reads is self._reads or self._transport is None or self._transport.is_closing():
            return
        self._reads = reads
        if reads:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _handle_event(self) -> None:
        match self._connection.next_event():
            case HandshakeCompleted(handshake_hash):
                self.flush()
                self._handler.handshake_done(self, handshake_hash)
            case Received(message, request_id):
                self._handler.received(self, Envelope(message, request_id))
            case Replied(_, reply, request_id):
                self._handler.received(self, Envelope(reply, request_id))
        self.flush()
