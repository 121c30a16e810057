"""Probe of a server without a login: versions, fingerprint, round trips, the rate of the line, and which ways work."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import cast

from tcclient.core.path.train import Answer, Rates, rates
from tcclient.transport.reader import Datagram
from tcclient.transport.udp import UdpSocket
from tcclient.transport.websocket import open_websocket
from tcproto.control import ControlConnection, HandshakeCompleted, Replied
from tcproto.datagram import (
    MAX_DATAGRAM,
    MIN_DATAGRAM,
    Item,
    ItemType,
    Kind,
    open_datagram,
    pack_header,
    pack_items,
    parse_header,
    parse_items,
    seal,
)
from tcproto.errors import CryptoFailure, ErrorCode, ProtocolError
from tcproto.identity import fingerprint
from tcproto.link import Link
from tcproto.messages import Error, Ping, Probe, ProbeTicket
from tcproto.path import PingItem, PongItem, parse_pong
from tcproto.serial import clock_us

TCP_PINGS = 3
UDP_PINGS = 10
"""UDP pings with gaps between them, half of what a ticket allows. As many more, the train, leave at once."""
PING_SPACING = 0.1
"""Seconds between UDP pings. Ten pings take a second and can show a loss of 10 %."""
UDP_PATIENCE = 1.0
"""Seconds to wait for the last pong."""
TRAIN_PATIENCE = 3.0
"""The same for the train: its 12 kB take 1.5 s at 64 kbit/s."""
STEP_LIMIT = 10.0
"""Seconds for each answer over TCP."""
PROBE_PADDING = 40
"""Bytes that make a ping longer than its pong. Before a login a server sends no more than it got."""
TRAIN_PADDING = MAX_DATAGRAM - MIN_DATAGRAM - 10
"""Bytes that make a ping a datagram of the greatest size: a ping is an item of 9 bytes, the padding has a head of 1."""


@dataclass(frozen=True)
class ProbeResult:
    """Result of a probe. Times are in milliseconds."""

    host: str
    port: int
    address: str
    versions: tuple[int, ...]
    software: str
    fingerprint: bytes
    tcp_rtt_ms: float
    udp_sent: int
    udp_received: int
    """Of the pings that left one by one."""
    udp_rtt_ms: float | None
    up_rate: float | None
    """Bits per second that the line carries by UDP; None where no two datagrams of the greatest size came back."""
    down_rate: float | None
    """The same; at least this where it equals ``up_rate``."""
    stream_works: bool
    """Whether datagrams could travel in the TCP connection."""
    stream_rtt_ms: float | None = None
    """Round trip of datagrams there; None where none came back."""
    stream_up_rate: float | None = None
    """Bits per second that it carries; None where no two datagrams of the greatest size came back."""
    stream_down_rate: float | None = None
    """The same; at least this where it equals ``stream_up_rate``."""

    @property
    def udp_works(self) -> bool:
        """Whether any pong came back."""
        return self.udp_received > 0

    @property
    def udp_loss(self) -> float:
        """Share of the round trips that were lost, 0 to 1."""
        return 1 - self.udp_received / self.udp_sent


class _Control(asyncio.Protocol):
    """A control connection on a transport, plain or in a WebSocket, with what a probe needs."""

    def __init__(self) -> None:
        self._connection = ControlConnection.client(software="tcclient probe")
        self._transport: asyncio.Transport | None = None
        self._ended: Exception | None = None
        self._news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._connection.receive_data(data)
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = exc or ProtocolError(ErrorCode.BAD_HANDSHAKE, "the server closed the connection")
        self._news.set()

    async def handshake(self) -> HandshakeCompleted:
        event = await self._event()
        assert isinstance(event, HandshakeCompleted)
        return event

    async def request(self, message: object) -> object:
        self._connection.request(message)
        while not isinstance(event := await self._event(), Replied):
            pass
        return event.reply

    async def ticket(self) -> ProbeTicket:
        reply = await self.request(Probe())
        if isinstance(reply, Error):
            raise ProtocolError(reply.code, reply.text)
        assert isinstance(reply, ProbeTicket)
        return reply

    async def _event(self) -> object:
        assert self._transport is not None
        async with asyncio.timeout(STEP_LIMIT):
            while True:
                if data := self._connection.data_to_send():
                    self._transport.write(data)
                if (event := self._connection.next_event()) is not None:
                    return event
                if self._ended is not None:
                    raise self._ended
                self._news.clear()
                await self._news.wait()


async def probe(link: Link) -> ProbeResult:
    """Probe a server; raises ``OSError``, ``TimeoutError`` or ``ProtocolError``."""
    control = _Control()
    async with asyncio.timeout(STEP_LIMIT):
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: control, link.host, link.port)
    try:
        hello = await control.handshake()
        trips = []
        for number in range(TCP_PINGS):
            start = time.monotonic()
            await control.request(Ping(number))
            trips.append(time.monotonic() - start)
        pings = _Pings(await control.ticket())
        address = transport.get_extra_info("peername")
        udp = UdpSocket(asyncio.get_running_loop(), pings.receive, 0.0)
        try:
            udp.open(transport.get_extra_info("socket").family, address)
            trips_by_udp, line = await pings.measure(udp.send)
        finally:
            udp.close()
    finally:
        transport.close()
    stream_works, trips_by_stream, stream = await _probe_stream(link)
    return ProbeResult(
        link.host,
        link.port,
        address[0],
        tuple(hello.hello.versions),
        hello.hello.software,
        fingerprint(hello.remote_static),
        median(trips) * 1000,
        UDP_PINGS,
        len(trips_by_udp),
        median(trips_by_udp) * 1000 if trips_by_udp else None,
        None if line is None else line.up,
        None if line is None else line.down,
        stream_works,
        median(trips_by_stream) * 1000 if trips_by_stream else None,
        None if stream is None else stream.up,
        None if stream is None else stream.down,
    )


async def _probe_stream(link: Link) -> tuple[bool, list[float], Rates | None]:
    """Return whether the server has a stream path, the round trips on it, in seconds, and its rates if there are any.

    A server that gives no second ticket leaves that unknown.
    """
    control, batches = _Control(), list[Callable[[list[Datagram]], None]]()

    def came(datagrams: list[bytes]) -> None:
        for receive in batches:
            receive([(datagram, None) for datagram in datagrams])

    stream = await open_websocket(link.host, link.port, control, came)
    if stream is None:
        return False, [], None
    try:
        await control.handshake()
        pings = _Pings(await control.ticket())
        batches.append(pings.receive)
        return True, *(await pings.measure(stream.send_datagrams))
    except (ProtocolError, OSError):
        return True, [], None
    finally:
        stream.close()


class _Pings:
    """Pings under a ticket, and their pongs: some one by one, then a train."""

    def __init__(self, ticket: ProbeTicket) -> None:
        self._ticket = ticket
        self._sent: dict[int, float] = {}
        self._trips: dict[int, float] = {}
        self._answers: dict[int, Answer] = {}
        self._wanted = 0
        self._complete = asyncio.Event()

    async def measure(self, send: Callable[[list[bytes]], object]) -> tuple[list[float], Rates | None]:
        """Return the round trips, in seconds, of the pings that were answered, and the rates if there are any."""
        first = range(min(UDP_PINGS, self._ticket.datagrams))
        train = range(len(first), min(len(first) + UDP_PINGS, self._ticket.datagrams))
        for number in first:
            send([self._ping(number, PROBE_PADDING)])
            await asyncio.sleep(PING_SPACING)
        await self._wait(len(first), UDP_PATIENCE)
        trips = list(self._trips.values())
        if trips:  # where nothing comes, a train says no more
            send([self._ping(number, TRAIN_PADDING) for number in train])
            await self._wait(len(trips) + len(train), TRAIN_PATIENCE)
        answers = [self._answers[number] for number in train if number in self._answers]
        return trips, rates(answers, MAX_DATAGRAM)

    def receive(self, batch: list[Datagram]) -> None:
        """Take datagrams, each with the time at which it came, if the system has told."""
        now = time.monotonic()
        for data, at in batch:
            pong = _pong(data, self._ticket)
            if pong is not None and pong.number in self._sent and pong.number not in self._trips:
                came = now if at is None else at
                self._trips[pong.number] = max(0.0, came - self._sent[pong.number])
                self._answers[pong.number] = Answer(pong.received_at, came)
        if len(self._trips) >= self._wanted:
            self._complete.set()

    def _ping(self, number: int, padding: int) -> bytes:
        self._sent[number] = time.monotonic()
        return _ping(number, padding, self._ticket)

    async def _wait(self, wanted: int, patience: float) -> None:
        """Wait for so many pongs. What is missing counts as lost."""
        self._wanted = wanted
        if len(self._trips) < wanted:
            self._complete.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._complete.wait()


def _ping(number: int, padding: int, ticket: ProbeTicket) -> bytes:
    items = [
        Item(ItemType.PING, PingItem(number, clock_us(time.monotonic())).pack()),
        Item(ItemType.PADDING, bytes(padding)),
    ]
    return seal(pack_header(Kind.UP, 0, ticket.media_id, number), pack_items(items), ticket.key)


def _pong(data: bytes, ticket: ProbeTicket) -> PongItem | None:
    """Return the pong in a datagram, if there is one."""
    try:
        plaintext = open_datagram(data, ticket.key)
        header = parse_header(data)
        if header.kind != Kind.DOWN or header.id != ticket.media_id:
            return None
        for item in parse_items(plaintext):
            if item.type == ItemType.PONG:
                return parse_pong(item.value)
    except (CryptoFailure, ValueError):
        pass
    return None
