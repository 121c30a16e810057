"""The shell of a session: its control connections, plain or in a WebSocket, one UDP socket, one timer."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, cast

from tcclient.core.control import control_connection
from tcclient.core.events import Closed, Detached, Event, PathChanged
from tcclient.core.media.packet import MediaPacket
from tcclient.core.path.proof import PathState, Way
from tcclient.core.session import Session
from tcclient.errors import ConnectError, closed_error, lost_error
from tcclient.transport.loop import shut_down
from tcclient.transport.reader import Datagram
from tcclient.transport.replies import Replies, Span, Wanted
from tcclient.transport.turns import Turns
from tcclient.transport.udp import UdpSocket
from tcclient.transport.websocket import WebSocket, open_websocket
from tcproto.account import derive_account_key
from tcproto.errors import Action
from tcproto.identity import SigningKey
from tcproto.link import Link
from tcproto.packet import Header

PathChoice = Literal["auto", "udp", "stream"]
"""Which ways datagrams may take: both, as it turns out; UDP alone; the stream alone."""
WAYS: dict[PathChoice, tuple[Way, ...]] = {
    "auto": (Way.UDP, Way.STREAM),
    "udp": (Way.UDP,),
    "stream": (Way.STREAM,),
}
CONNECT_LIMIT = 10.0
"""Seconds for the control connection to be made."""
FAREWELL_LIMIT = 1.0
"""Seconds for the last bytes to leave when a connection is closed."""
CLOCK_TICK = 0.001
"""Seconds by which a timer of uvloop may be early, whose clock counts whole milliseconds."""


class Connection:
    """Carries bytes and datagrams between the network and a session, and delivers its events and media.

    After each input, in this order: the session's bytes and datagrams are sent, its events are delivered, its media
    are delivered, and the timer is set.
    """

    def __init__(
        self,
        session: Session,
        on_event: Callable[[Event], None],
        on_media: Callable[[list[MediaPacket[Header]]], None],
        receive_interval: float,
        path: PathChoice = "auto",
    ) -> None:
        self.session = session
        self.closed: Closed | None = None
        self._lost: Detached | None = None
        """Why the present connection was lost, of a seat that goes on."""
        self.given_up = False
        """Whether the seat has ended for good."""
        self._on_event = on_event
        self._on_media = on_media
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._wire: _Wire | None = None
        """What the control connection is on at present."""
        self._stream: WebSocket | None = None
        """Its transport, if that carries datagrams too."""
        self._udp = UdpSocket(self._loop, self._datagrams_came, receive_interval)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._turns = Turns(self._loop)
        self._replies = Replies()
        self._pumping = False

    async def open(self, link: Link) -> None:
        """Connect; raises ``ConnectError``.

        A connection that may need the stream is in a WebSocket from the start. Without one on the other side it is
        plain, and datagrams have UDP alone.
        """
        where = link.address
        self._wire = wire = _Wire(self)
        try:
            async with asyncio.timeout(CONNECT_LIMIT):
                transport = await self._connect(link, wire)
            wire.opened = True
            sock = transport.get_extra_info("socket")
            if Way.UDP in self.session.ways:
                self._udp.open(sock.family, transport.get_extra_info("peername"))
        except TimeoutError:
            raise ConnectError(f"{where}: no answer within {CONNECT_LIMIT:.0f} s", action=Action.RECONNECT) from None
        except OSError as error:
            raise ConnectError(f"{where}: {error.strerror or error}") from error

    def begin_again(self) -> None:
        """Give up the connection, and let the session begin again on the next, which ``open`` makes.

        The socket of datagrams stays, if there is one, since these may go on all the time.
        """
        self.session.receive_eof()
        self.pump()
        if self._wire is not None:
            self._wire.abort()
        self._stream, self.closed, self._lost, self._replies = None, None, None, self._replies.next()
        self.session.reconnect(control_connection(os.urandom), time.monotonic())

    async def _connect(self, link: Link, wire: _Wire) -> asyncio.Transport | WebSocket:
        """Open the control connection, and tell the session the ways of datagrams on it."""
        self.session.ways = WAYS[self._path]
        if Way.STREAM in self.session.ways:
            self._stream = await open_websocket(link.host, link.port, wire, wire.datagrams_came)
            if self._stream is not None:
                return self._stream
            if self._path == "stream":
                raise ConnectError(f"{link.address}: the server has no stream path (its web.enabled is false)")
            self.session.ways = WAYS["udp"]
        transport, _ = await self._loop.create_connection(lambda: wire, link.host, link.port)
        return transport

    def expect(self, wanted: Wanted, span: Span = Span.SEAT) -> asyncio.Future[Event]:
        """Return the future of the next event that is wanted; see ``Replies``. To be called before it can come."""
        return self._replies.expect(wanted, span)

    def seat_lost(self, error: Exception) -> None:
        """Fail the requests that wait for a reply in the seat: nobody knows what became of them."""
        self._replies.fail(error)

    def give_up(self, closed: Closed) -> None:
        """Fail all requests that wait for a reply: the seat has ended, though the connection may still be open."""
        self.given_up = True
        self._replies.deliver(closed)

    async def derive_key(self, password: str, salt: bytes, memory_bytes: int, passes: int) -> SigningKey:
        """Derive the account key in a thread, because it takes 0.1 s and more."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="login")
        try:
            return await self._loop.run_in_executor(pool, derive_account_key, password, salt, memory_bytes, passes)
        finally:
            await shut_down(pool)

    def pump(self) -> None:
        """Send and deliver all that the session has. Called after each of its verbs."""
        if self._pumping:
            return
        self._pumping = True
        try:
            self._send()
            while (event := self.session.next_event()) is not None:
                self._deliver(event)
                self._send()
            if media := self.session.media_received():
                self._on_media(media)
                self._send()
        finally:
            self._pumping = False
        self._rearm()

    def hint_network_changed(self) -> None:
        """Look at once whether connection and path still work, from the address that the machine has now."""
        self._udp.renew()
        self.session.hint_network_changed(time.monotonic())
        self.pump()

    async def close(self) -> None:
        """Say goodbye and close everything."""
        self.session.close()
        self.pump()
        self._udp.close()
        self._turns.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._wire is not None:
            await self._wire.close()

    # Called by the wire

    def connection_made(self) -> None:
        """Send the first handshake message."""
        self.pump()

    def data_received(self, wire: _Wire, data: bytes) -> None:
        """Feed the session."""
        if wire is self._wire:
            self.session.receive_control(data, time.monotonic())
            self.pump()

    def connection_lost(self, wire: _Wire) -> None:
        """Tell the session."""
        if wire is self._wire:
            self.session.receive_eof()
            self.pump()

    def stream_datagrams_came(self, wire: _Wire, batch: list[bytes]) -> None:
        """Feed the session with datagrams that came in the WebSocket."""
        if wire is self._wire:
            self._datagrams_came([(data, None) for data in batch], Way.STREAM)

    # The media path and time

    def _datagrams_came(self, batch: list[Datagram], way: Way = Way.UDP) -> None:
        now = time.monotonic()
        is_late = batch[0][1] is None and self._turns.are_late(now)
        for data, at in batch:
            waited = now - at if at is not None else None if is_late else 0.0
            self.session.receive_datagram(data, now, way, waited)
        self.pump()

    def _send(self) -> None:
        if self._wire is not None and self._wire.made and (data := self.session.control_to_send()):
            self._wire.write(data)
        now = time.monotonic()
        datagrams = self.session.datagrams_to_send(now)
        if datagrams:
            self._udp.send(datagrams)
        if self._stream is not None and (
            datagrams := self.session.stream_datagrams_to_send(self._stream.unsent(), now)
        ):
            self._stream.send_datagrams(datagrams)

    def _rearm(self) -> None:
        """Set the timer, unless one comes in time: a timer that comes too early is set again.

        So that none does without need, it waits a tick of the clock longer.
        """
        deadline = self.session.next_deadline()
        if deadline is None or (self._timer is not None and self._timer_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - time.monotonic()) + CLOCK_TICK, self._due)

    def _due(self) -> None:
        self._timer = None
        self.session.handle_timeout(time.monotonic())
        self.pump()

    # Events

    def _deliver(self, event: Event) -> None:
        if isinstance(event, Closed):
            self.closed = event
        elif isinstance(event, Detached):
            self._lost = event
            if self._wire is not None:
                self._wire.abort()
        elif isinstance(event, PathChanged) and (event.state is PathState.LOST or event.way is Way.STREAM):
            self._udp.renew()  # the machine may be in another network
        self._on_event(event)
        self._replies.deliver(event)

    def check_open(self) -> None:
        """Raise ``RoomClosed`` if the session has ended, or this connection was lost."""
        if self.closed is not None:
            raise closed_error(self.closed)
        if self._lost is not None:
            raise lost_error(self._lost)


class _Wire(asyncio.Protocol):
    """The transport of one control connection; what comes late, on one that was given up, is not mixed up."""

    def __init__(self, owner: Connection) -> None:
        self.opened = False
        """Whether the connection was made. If it was not, the loop need not call ``connection_lost``."""
        self._owner = owner
        self.transport: asyncio.Transport | None = None
        """None until the connection is made."""
        self._gone = asyncio.Event()

    @property
    def made(self) -> bool:
        """Whether there is a transport. What is said before that has to wait, such as the first handshake message."""
        return self.transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass
        self._owner.connection_made()

    def data_received(self, data: bytes) -> None:
        """Hand bytes of the control connection on."""
        self._owner.data_received(self, data)

    def datagrams_came(self, batch: list[bytes]) -> None:
        """Hand datagrams of the stream on."""
        self._owner.stream_datagrams_came(self, batch)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner."""
        self._gone.set()
        self._owner.connection_lost(self)

    def write(self, data: bytes) -> None:
        """Send bytes of the control connection, unless it is closing."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    async def close(self) -> None:
        """Close when what was written has left, or after ``FAREWELL_LIMIT``."""
        if self.transport is None:
            return
        try:
            if self.opened:
                self.transport.close()
                async with asyncio.timeout(FAREWELL_LIMIT):
                    await self._gone.wait()
        except TimeoutError:
            pass
        finally:
            self.transport.abort()
        await asyncio.sleep(0)  # for the loop to close the socket
