"""Probe of a server without a login: versions, fingerprint, round trips, the rate of the line, and which ways work."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from statistics import median

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

    @property
    def udp_works(self) -> bool:
        """Whether any pong came back."""
        return self.udp_received > 0

    @property
    def udp_loss(self) -> float:
        """Share of the round trips that were lost, 0 to 1."""
        return 1 - self.udp_received / self.udp_sent


class _Control:
    """A control connection on asyncio streams, with what a probe needs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._connection = ControlConnection.client(software="tcclient probe")

    async def handshake(self) -> HandshakeCompleted:
        event = await self._event()
        assert isinstance(event, HandshakeCompleted)
        return event

    async def request(self, message: object) -> object:
        self._connection.request(message)
        while not isinstance(event := await self._event(), Replied):
            pass
        return event.reply

    async def _event(self) -> object:
        async with asyncio.timeout(STEP_LIMIT):
            while True:
                self._writer.write(self._connection.data_to_send())
                await self._writer.drain()
                if (event := self._connection.next_event()) is not None:
                    return event
                data = await self._reader.read(4096)
                if not data:
                    raise ProtocolError(ErrorCode.BAD_HANDSHAKE, "the server closed the connection")
                self._connection.receive_data(data)


async def probe(link: Link) -> ProbeResult:
    """Probe a server; raises ``OSError``, ``TimeoutError`` or ``ProtocolError``."""
    async with asyncio.timeout(STEP_LIMIT):
        reader, writer = await asyncio.open_connection(link.host, link.port)
    try:
        control = _Control(reader, writer)
        hello = await control.handshake()
        trips = []
        for number in range(TCP_PINGS):
            start = time.monotonic()
            await control.request(Ping(number))
            trips.append(time.monotonic() - start)
        ticket = await control.request(Probe())
        address = writer.get_extra_info("peername")
        family = writer.get_extra_info("socket").family
        if isinstance(ticket, ProbeTicket):
            trips_by_udp, line = await _Udp(ticket).measure(family, address)
        else:
            assert isinstance(ticket, Error)
            raise ProtocolError(ticket.code, ticket.text)
    finally:
        writer.close()
    stream = await open_websocket(link.host, link.port, asyncio.Protocol(), _no_datagrams)
    if stream is not None:
        stream.abort()
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
        stream is not None,
    )


class _Udp:
    """The part of a probe that goes by UDP."""

    def __init__(self, ticket: ProbeTicket) -> None:
        self._ticket = ticket
        self._sent: dict[int, float] = {}
        self._trips: dict[int, float] = {}
        self._answers: dict[int, Answer] = {}
        self._wanted = 0
        self._complete = asyncio.Event()

    async def measure(self, family: int, address: tuple[object, ...]) -> tuple[list[float], Rates | None]:
        """Return the round trips, in seconds, of the pings that were answered, and the rates if there are any."""
        udp = UdpSocket(asyncio.get_running_loop(), self._receive, 0.0)
        first = range(min(UDP_PINGS, self._ticket.datagrams))
        train = range(len(first), min(len(first) + UDP_PINGS, self._ticket.datagrams))
        try:
            udp.open(family, address)
            for number in first:
                udp.send([self._ping(number, PROBE_PADDING)])
                await asyncio.sleep(PING_SPACING)
            await self._wait(len(first), UDP_PATIENCE)
            trips = list(self._trips.values())
            if trips:  # where nothing comes, a train says no more
                udp.send([self._ping(number, TRAIN_PADDING) for number in train])
                await self._wait(len(trips) + len(train), TRAIN_PATIENCE)
        finally:
            udp.close()
        answers = [self._answers[number] for number in train if number in self._answers]
        return trips, rates(answers, MAX_DATAGRAM)

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

    def _receive(self, batch: list[Datagram]) -> None:
        now = time.monotonic()
        for data, at in batch:
            pong = _pong(data, self._ticket)
            if pong is not None and pong.number in self._sent and pong.number not in self._trips:
                came = now if at is None else at
                self._trips[pong.number] = max(0.0, came - self._sent[pong.number])
                self._answers[pong.number] = Answer(pong.received_at, came)
        if len(self._trips) >= self._wanted:
            self._complete.set()


def _no_datagrams(batch: list[bytes]) -> None:
    """A probe sends nothing through the stream, so nothing comes."""


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
