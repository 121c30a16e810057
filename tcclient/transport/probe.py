"""Probe of a server without a login: versions, fingerprint, round trips, and whether UDP works."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from statistics import median

from tcclient.transport.udp import UdpSocket
from tcproto.control import ControlConnection, HandshakeCompleted, Replied
from tcproto.datagram import (
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
from tcproto.path import PingItem, parse_pong
from tcproto.serial import clock_us

TCP_PINGS = 3
UDP_PINGS = 10
"""UDP pings of a probe, half of what a ticket allows."""
PING_SPACING = 0.1
"""Seconds between UDP pings. Ten pings take a second and can show a loss of 10 %."""
UDP_PATIENCE = 1.0
"""Seconds to wait for the last pong."""
STEP_LIMIT = 10.0
"""Seconds for each answer over TCP."""
PROBE_PADDING = 40
"""Bytes that make a ping longer than its pong. Before a login a server sends no more than it got."""


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
    udp_rtt_ms: float | None

    @property
    def udp_works(self) -> bool:
        """Whether any pong came back."""
        return self.udp_received > 0


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
            udp_trips = await _udp_trips(family, address, ticket)
        else:
            assert isinstance(ticket, Error)
            raise ProtocolError(ticket.code, ticket.text)
    finally:
        writer.close()
    return ProbeResult(
        link.host,
        link.port,
        address[0],
        tuple(hello.hello.versions),
        hello.hello.software,
        fingerprint(hello.remote_static),
        median(trips) * 1000,
        UDP_PINGS,
        len(udp_trips),
        median(udp_trips) * 1000 if udp_trips else None,
    )


async def _udp_trips(family: int, address: tuple[object, ...], ticket: ProbeTicket) -> list[float]:
    """Return the round trips, in seconds, of the pings that were answered."""
    sent: dict[int, float] = {}
    trips: dict[int, float] = {}
    complete = asyncio.Event()

    def receive(batch: list[bytes]) -> None:
        now = time.monotonic()
        for data in batch:
            number = _pong(data, ticket)
            if number in sent:
                trips.setdefault(number, now - sent[number])
        if len(trips) == UDP_PINGS:
            complete.set()

    udp = UdpSocket(asyncio.get_running_loop(), receive, 0.0)
    try:
        udp.open(family, address)
        for number in range(min(UDP_PINGS, ticket.datagrams)):
            sent[number] = time.monotonic()
            udp.send([_ping(number, ticket)])
            await asyncio.sleep(PING_SPACING)
        async with asyncio.timeout(UDP_PATIENCE):
            await complete.wait()
    except TimeoutError:
        pass  # what is missing counts as lost
    finally:
        udp.close()
    return list(trips.values())


def _ping(number: int, ticket: ProbeTicket) -> bytes:
    items = [
        Item(ItemType.PING, PingItem(number, clock_us(time.monotonic())).pack()),
        Item(ItemType.PADDING, bytes(PROBE_PADDING)),
    ]
    return seal(pack_header(Kind.UP, 0, ticket.media_id, number), pack_items(items), ticket.key)


def _pong(data: bytes, ticket: ProbeTicket) -> int:
    """Return the number of the ping that a datagram answers, or -1."""
    try:
        plaintext = open_datagram(data, ticket.key)
        header = parse_header(data)
        if header.kind != Kind.DOWN or header.id != ticket.media_id:
            return -1
        for item in parse_items(plaintext):
            if item.type == ItemType.PONG:
                return parse_pong(item.value).number
    except (CryptoFailure, ValueError):
        pass
    return -1
