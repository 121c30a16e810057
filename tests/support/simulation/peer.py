"""The server's end of a control connection over a simulated TCP stream."""

from __future__ import annotations

from typing import Any, Protocol

from tcproto.control import ControlConnection, HandshakeCompleted, Received, Replied
from tcproto.messages import Envelope, row_of
from tests.support.simulation.network import Stream


class PeerHandler(Protocol):
    """What is told of that which comes on a connection."""

    def handshake_done(self, peer: Peer, handshake_hash: bytes) -> None:
        """The handshake is over."""

    def received(self, peer: Peer, envelope: Envelope) -> None:
        """A message came."""

    def disconnected(self, peer: Peer) -> None:
        """The connection is closed, at either end."""


class Peer:
    """A control connection, which tells its handler what comes on it and takes what the server sends.

    A protocol error of the client's is raised: real clients make none.
    """

    def __init__(self, number: int, host: str, control: ControlConnection, handler: PeerHandler, down: Stream) -> None:
        self.number = number
        self.host = host
        self._control = control
        self._handler = handler
        self._down = down
        self._closed = False

    def receive(self, data: bytes) -> None:
        """Bytes from the client; none at all is the end."""
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
        """Send a message: a request of the server's, a reply to ``request_id``, or a notification if that is 0."""
        if row_of(type(message)).answer is not None:
            self._control.request(message)
        elif request_id:
            self._control.reply(request_id, message)
        else:
            self._control.send(message)

    def flush(self) -> None:
        """Let what was sent leave."""
        data = self._control.data_to_send()
        if data and not self._closed:
            self._down.send(data)

    def close(self) -> None:
        """Close when what was sent is out."""
        if not self._closed:
            self.flush()
            self._closed = True
            self._down.close()
            self._handler.disconnected(self)
