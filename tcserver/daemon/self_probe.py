"""Asks a server whether it works, as a client does before its login: over TCP, and by a datagram to its media."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass

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
from tcproto.messages import Error, Probe, ProbeTicket
from tcproto.path import PingItem
from tcproto.serial import clock_us

STEP_LIMIT = 5.0
"""Seconds for the answers over TCP."""
PINGS = 3
"""Datagrams that are sent, one after the other, until one is answered: the network may lose one."""
PONG_PATIENCE = 1.0
"""Seconds to wait for each answer."""
_PADDING = 40
"""Bytes that make a ping longer than its pong. Before a login a server sends no more than it got."""


@dataclass(frozen=True)
class Sign:
    """How a server answered. Times are in seconds."""

    fingerprint: bytes
    tcp: float
    """From the connection to the last answer: a handshake and a request."""
    udp: float | None
    """Round trip of a datagram through the media of the server; None if none was answered."""


class NoSign(Exception):
    """No server that works answers; the text says why."""


async def probe_server(host: str, port: int) -> Sign:
    """Ask the server at an address or a host name. Raises ``NoSign`` if it does not answer over TCP as it should."""
    start = time.monotonic()
    try:
        async with asyncio.timeout(STEP_LIMIT):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                found, ticket = await _ticket(reader, writer)
                took = time.monotonic() - start
                address = writer.get_extra_info("peername")
            finally:
                writer.close()
        return Sign(found, took, await _ping(ticket, address))
    except TimeoutError:
        raise NoSign("no answer") from None
    except ProtocolError as error:
        raise NoSign(f"no server that works: {error}") from None
    except OSError as error:
        # Errors of the resolver have numbers of their own, and texts.
        number = error.errno or 0
        raise NoSign(os.strerror(number) if number > 0 else error.strerror or str(error)) from None


async def _ticket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[bytes, ProbeTicket]:
    """Return the fingerprint of the server, and a ticket for datagrams."""
    connection = ControlConnection.client(software="tcserver health")
    found = b""
    while True:
        writer.write(connection.data_to_send())
        match connection.next_event():
            case HandshakeCompleted(remote_static=key):
                found = fingerprint(key)
                connection.request(Probe())
            case Replied(reply=ProbeTicket() as ticket):
                return found, ticket
            case Replied(reply=Error() as error):
                raise ProtocolError(error.code, error.text)
            case None:
                data = await reader.read(4096)
                if not data:
                    raise ProtocolError(ErrorCode.BAD_HANDSHAKE, "the server closed the connection")
                connection.receive_data(data)


async def _ping(ticket: ProbeTicket, address: tuple[str, int]) -> float | None:
    """Return the round trip of a datagram, None if none is answered."""
    loop = asyncio.get_running_loop()
    pongs: asyncio.Queue[float] = asyncio.Queue()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Pongs(ticket, pongs), remote_addr=address[:2])
    try:
        for counter in range(PINGS):
            sent = time.monotonic()
            ping = Item(ItemType.PING, PingItem(counter, clock_us(sent)).pack())
            items = pack_items([ping, Item(ItemType.PADDING, bytes(_PADDING))])
            transport.sendto(seal(pack_header(Kind.UP, 0, ticket.media_id, counter), items, ticket.key))
            try:
                async with asyncio.timeout(PONG_PATIENCE):
                    return await pongs.get() - sent
            except TimeoutError:
                continue
    finally:
        transport.close()
    return None


class _Pongs(asyncio.DatagramProtocol):
    """Puts the time of each pong under a ticket into a queue, and drops all else."""

    def __init__(self, ticket: ProbeTicket, pongs: asyncio.Queue[float]) -> None:
        self._ticket = ticket
        self._pongs = pongs

    def datagram_received(self, data: bytes, addr: object) -> None:
        try:
            items = parse_items(open_datagram(data, self._ticket.key))
            header = parse_header(data)
        except (CryptoFailure, ValueError):
            return
        is_pong = any(item.type == ItemType.PONG for item in items)
        if is_pong and header.kind == Kind.DOWN and header.id == self._ticket.media_id:
            self._pongs.put_nowait(time.monotonic())

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there; that is as good as no answer."""
