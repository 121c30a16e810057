"""A wiretap on every room datagram, and ways to open what it has."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from tcclient.core.seat import Seat
from tcproto.datagram import (
    RELAY_TIME_SIZE,
    Item,
    ItemType,
    Kind,
    open_datagram,
    pack_header,
    pack_items,
    pack_relay_time,
    parse_header,
    parse_items,
    seal,
)
from tcproto.errors import CryptoFailure
from tcproto.messages import Envelope, encode, row_of
from tcproto.packet import open_packet
from tcproto.packet import parse_header as parse_packet
from tests.support.key_ring import keys_in
from tests.support.simulation.server_connection import ServerConnection
from tests.support.simulation.world import World

_FORWARD = {ItemType.PACKET: 2, ItemType.HELD_PACKET: 4}


class Tapped(NamedTuple):
    """A room datagram on the wire."""

    at: float
    data: bytes


class Wiretap:
    """Keeps every room datagram that the server sends, once."""

    def __init__(self, world: World) -> None:
        self.datagrams: list[Tapped] = []
        self._world = world
        self._seen: set[bytes] = set()
        self._send = world.server.send
        world.server.send = self._tap  # type: ignore[method-assign]

    def between(self, start: float, end: float = float("inf")) -> list[Tapped]:
        """Return what was sent in a stretch of time."""
        return [tapped for tapped in self.datagrams if start <= tapped.at < end]

    def _tap(self, address, datagram: bytes) -> None:  # type: ignore[no-untyped-def]
        if parse_header(datagram).kind == Kind.ROOM and datagram not in self._seen:
            self._seen.add(datagram)
            self.datagrams.append(Tapped(self._world.now, datagram))
        self._send(address, datagram)


def room_plaintext(seat: Seat, datagram: bytes) -> bytes | None:
    """Return what a seat's room keys make of a datagram, at any age and without replay windows.

    None if no key opens it.
    """
    header = parse_header(datagram)
    sealer = seat.downlink.opener.sealers.get(header.id)
    held = sealer.epochs.get(header.epoch) if sealer else None
    if held is None:
        return None
    try:
        return open_datagram(datagram, held.key)
    except CryptoFailure:
        return None


def packets(plaintext: bytes) -> list[bytes]:
    """The packets in a room datagram."""
    return [
        item.value[_FORWARD[ItemType(item.type)] :]
        for item in parse_items(plaintext, RELAY_TIME_SIZE)
        if item.type in _FORWARD
    ]


def opens_packet(seat: Seat, packet: bytes) -> bool:
    """Return whether a sender key of a seat opens a packet, at any age and reach, and without windows."""
    generation = parse_packet(packet).generation
    for member in seat.member_keys.values():
        assert member.ring is not None
        for key in [key for key in keys_in(member.ring) if key.generation <= generation]:
            for stream in seat.room.streams.values():
                derived = key.ratcheted(generation).publication_key(seat.room.room.life, *stream.publication)
                with contextlib.suppress(CryptoFailure, ValueError):
                    open_packet(packet, derived)
                    return True
    return False


def forge_room(seat: Seat, counter: int, packet: bytes = b"", forward: int = 0, relay_time: int = 0) -> bytes:
    """Return a room datagram as a member can make it, since it knows the room key."""
    ((ident, sealer),) = seat.downlink.opener.sealers.items()
    epoch = max(sealer.epochs, key=lambda known: known == sealer.newest_used)
    items = [Item(ItemType.PACKET, forward.to_bytes(2, "big") + packet)] if packet else []
    plaintext = pack_relay_time(relay_time) + pack_items(items)
    return seal(pack_header(Kind.ROOM, epoch, ident, counter), plaintext, sealer.epochs[epoch].key)


class ControlTap:
    """Keeps every control message that the server reads or writes, as bytes: all that its memory could reveal."""

    def __init__(self, world: World) -> None:
        self.read: list[Envelope] = []
        self._told: list[tuple[float, int, object]] = []
        self._received = world.server.received
        world.server.received = self._tap  # type: ignore[method-assign]
        world.server.told = self._told

    def written(self, kind: type) -> list[tuple[float, int, object]]:
        """Return what the server wrote of one kind: time, connection and message."""
        return [entry for entry in self._told if isinstance(entry[2], kind)]

    def holds(self, secret: bytes) -> bool:
        """Return whether these bytes were in any message."""
        messages = [(envelope.message, envelope.request_id) for envelope in self.read]
        messages += [(message, 0) for _, _, message in self._told]
        return any(secret in encode(message, request or _request_id(message)) for message, request in messages)

    def _tap(self, connection: ServerConnection, envelope: Envelope) -> None:
        self.read.append(envelope)
        self._received(connection, envelope)


def _request_id(message: object) -> int:
    return int(row_of(type(message)).numbered)
