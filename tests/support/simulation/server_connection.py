"""The server's end of a control connection over a simulated TCP stream."""

from __future__ import annotations

from typing import Any, Protocol

from tcproto.control import ControlConnection, HandshakeCompleted, Received, Replied
from tcproto.messages import Envelope, row_of
from tests.support.simulation.network import Stream


class ConnectionHandler(Protocol):
    """Gets what comes on a connection."""

    def handshake_done(self, connection: ServerConnection, handshake_hash: bytes) -> None:
        """Take the end of the handshake."""

    def received(self, connection: ServerConnection, envelope: Envelope) -> None:
        """Take a message."""

    def disconnected(self, connection: ServerConnection) -> None:
        """Take the end of the connection, at either end."""


class ServerConnection:
    """A control connection: hands what comes to its handler, and takes what the server sends.

    Raises the client's protocol errors: real clients make none.
    """

    def __init__(
        self, number: int, host: str, control: ControlConnection, handler: ConnectionHandler, down: Stream
    ) -> None:
        self.number = number
        self.host = host
        self._control = control
        self._handler = handler
        self.down = down
        self._closed = False

    def receive(self, data: bytes) -> None:
        """Take bytes from the client; no bytes are the end."""
        if self._closed:
            return
        if not data:
            self.close()
            return
        self._control.receive_data(data)
        while not self._closed and (event := self._control.next_event()) is not None:
            match event:
                case HandshakeCompleted(handshake_hash):
                    self.flush()
                    self._handler.handshake_done(self, handshake_hash)
                case Received(message, request_id):
                    self._handler.received(self, Envelope(message, request_id))
                case Replied(_, reply, request_id):
                    self._handler.received(self, Envelope(reply, request_id))
        self.flush()

    def send(self, message: Any, request_id: int) -> None:
        """Send a message: a request of the server, a reply to ``request_id``, or a notification if that is 0."""
        if row_of(type(message)).answer is not None:
            self._control.request(message)
        elif request_id:
            self._control.reply(request_id, message)
        else:
            self._control.send(message)

    def flush(self) -> None:
        """Send what is queued."""
        data = self._control.data_to_send()
        if data and not self._closed:
            self.down.send(data)

    def reset(self) -> None:
        """Close at once, and tell nobody but the other end."""
        self._closed = True
        self.down.close()

    def close(self) -> None:
        """Close after what is queued is sent."""
        if not self._closed:
            self.flush()
            self._closed = True
            self.down.close()
            self._handler.disconnected(self)
