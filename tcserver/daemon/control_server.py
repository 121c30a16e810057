"""The control connections of a server: they are taken here, and speak with the conference."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from tcproto.control import ControlConnection
from tcproto.errors import ErrorCode, ProtocolError
from tcproto.messages import Envelope
from tcserver.conference import Conference, Effect, Where
from tcserver.daemon.addresses import named_in_errors
from tcserver.daemon.control_peer import READ_SIZE, ControlPeer
from tcserver.daemon.control_turns import ControlTurns
from tcserver.daemon.listening import Listener

SOFTWARE = "tcserver"
DRAIN_LIMIT = 2.0
"""Seconds for the last messages to leave."""


class ControlServer:
    """Listens, and passes on what its connections say; what follows from it goes to ``carry_out``.

    ``secret`` is the private key of the server, ``now`` the clock of the conference. ``on_error`` is told when the
    machine cannot give one more connection.
    """

    def __init__(
        self,
        conference: Conference,
        secret: bytes,
        carry_out: Callable[[list[Effect]], None],
        now: Callable[[], float],
        on_error: Callable[[OSError], None],
    ) -> None:
        self.peers: dict[int, ControlPeer] = {}
        """The connections, by number."""
        self.listeners: list[Listener] = []
        self._conference = conference
        self._secret = secret
        self._carry_out = carry_out
        self._now = now
        self._on_error = on_error
        self.turns = ControlTurns(lambda rest, run: asyncio.get_running_loop().call_later(rest, run), now)
        self._buffer = bytearray(READ_SIZE)
        self._written: set[ControlPeer] = set()
        """Those with messages that were not given to the kernel yet."""
        self._next_number = 1
        self._empty = asyncio.Event()
        """Set when the last connection is gone after the shutdown began."""

    def listen(
        self,
        hosts: Sequence[str],
        port: int,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        setting: str,
        dscp: bool = False,
    ) -> int:
        """Listen on numeric addresses; return the port, which is any free one for 0. Raises ``OSError``.

        ``make_protocol`` is ``make_peer``, or makes what looks at the first byte. ``setting`` is the one of the port.
        With ``dscp`` what the connections send is marked.
        """
        for host in hosts:
            listener = Listener(make_protocol, self._on_error)
            with named_in_errors(setting, "TCP", host, port):
                listener.open(host, port, dscp)
            self.listeners.append(listener)
            port = port or listener.port
        return port

    async def stop_listening(self) -> None:
        """Take no more connections; those that were taken go on."""
        for listener in self.listeners:
            await listener.close()
        self.listeners.clear()

    async def close(self) -> None:
        """Wait for the last messages to leave, and for all connections to end, which the conference has closed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_LIMIT):
                await self._all_gone()
        self.cut()
        await self._all_gone()

    def cut(self) -> None:
        """Break all connections, as a network does, without a word to their clients."""
        for peer in list(self.peers.values()):
            peer.abort()

    async def _all_gone(self) -> None:
        self._empty.clear()
        if self.peers:
            await self._empty.wait()

    # What the conference wants done

    def send(self, connection: int, message: object, request_id: int) -> None:
        """Send a message, which leaves with ``flush``."""
        if peer := self.peers.get(connection):
            peer.send(message, request_id)
            self._written.add(peer)

    def disconnect(self, connection: int) -> None:
        """Close a connection when what was sent is out."""
        if peer := self.peers.get(connection):
            peer.close()

    def flush(self) -> bool:
        """Give the messages of one connection to the kernel; False where no connection has any.

        The connection may be found too slow, which the conference is told.
        """
        if not self._written:
            return False
        self._written.pop().flush()
        return True

    # Told by the connections

    def connected(self, peer: ControlPeer) -> bool:
        """Take a new connection, unless the server is about to end."""
        if not self._conference.may_connect():
            return False
        self.peers[peer.number] = peer
        self._carry_out(self._conference.connected(peer.number, peer.address, self._now()))
        return True

    def handshake_done(self, peer: ControlPeer, handshake_hash: bytes) -> None:
        """Pass it on."""
        self._carry_out(self._conference.handshake_done(peer.number, handshake_hash, self._now()))

    def charge(self, peer: ControlPeer, size: int) -> float:
        """Pass it on."""
        wait, effects = self._conference.charge(peer.number, size, self._now())
        if effects:
            self._carry_out(effects)
        return wait

    def spent(self, peer: ControlPeer, microseconds: float) -> None:
        """Pass it on."""
        self._conference.spent(peer.number, microseconds)

    def received(self, peer: ControlPeer, envelope: Envelope) -> None:
        """Pass it on."""
        self._carry_out(self._conference.received(peer.number, envelope, self._now()))

    def failed(self, peer: ControlPeer, error: ProtocolError) -> None:
        """Pass on that a client broke the protocol."""
        self._carry_out(self._conference.failed(peer.number, error.code, self._now(), error.detail))

    def crashed(self, peer: ControlPeer, error: Exception) -> None:
        """Have an error of ours logged, and pass on what comes of it."""
        self._carry_out(self._conference.crashed(Where.FRAME, error, address=peer.address))
        self._carry_out(self._conference.failed(peer.number, ErrorCode.INTERNAL, self._now()))

    def fell_behind(self, peer: ControlPeer) -> None:
        """Pass on that a client is too slow."""
        self._carry_out(self._conference.failed(peer.number, ErrorCode.SLOW_CONSUMER, self._now()))

    def withdrawn(self, peer: ControlPeer) -> None:
        """Pass it on."""
        self._forget(peer)
        self._carry_out(self._conference.withdrawn(peer.number, self._now()))

    def disconnected(self, peer: ControlPeer) -> None:
        """Pass it on."""
        self._forget(peer)
        self._carry_out(self._conference.disconnected(peer.number, self._now(), left=peer.has_left))

    def _forget(self, peer: ControlPeer) -> None:
        self.peers.pop(peer.number, None)
        if not self.peers:
            self._empty.set()

    def make_peer(self, address: str = "") -> ControlPeer:
        """Return the protocol of a new control connection, from ``address`` or, "", from that of its transport."""
        number = self._next_number
        self._next_number += 1
        connection = ControlConnection.server(self._secret, software=SOFTWARE)
        return ControlPeer(number, connection, self, self.turns, self._buffer, address)
