"""Messages of rtnetlink: questions for routes, devices, neighbours and queues, and what the kernel answers and tells.

Structures and numbers are those of ``linux/netlink.h``, ``rtnetlink.h``, ``if_link.h`` and ``neighbour.h``.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

LINK, NO_LINK, ASK_LINKS = 16, 17, 18
ROUTE, ASK_ROUTE = 24, 26
NEIGHBOUR, NO_NEIGHBOUR, ASK_NEIGHBOURS = 28, 29, 30
QUEUE, ASK_QUEUES = 36, 38
ERROR, DONE = 2, 3
GROUPS = sum(1 << number - 1 for number in (1, 3, 5, 7, 8, 9, 11, 19, 32))
"""Devices, neighbours, then addresses, routes and rules of IPv4 and of IPv6, and next hops."""
LOCAL, UNICAST = 2, 1
"""Types of routes."""
ETHERNET = 1
"""Type of devices with MAC addresses (``ARPHRD_ETHER``)."""
UP = 0x1
"""Flag of devices."""
VALID = 0x80 | 0x40 | 0x02 | 0x10 | 0x04 | 0x08
"""States of neighbours whose MAC address is known (``NUD_VALID``)."""
_REQUEST, _ACKNOWLEDGE, _DUMP = 0x1, 0x4, 0x300
_HEADER = struct.Struct("@IHHII")
_ATTRIBUTE = struct.Struct("@HH")
_ROUTE = struct.Struct("@BBBBBBBBI")
_LINK = struct.Struct("@BBHiII")
_NEIGHBOUR = struct.Struct("@BBHiHBB")
_QUEUE = struct.Struct("@BBHiIII")
_QUEUE_COUNTS = struct.Struct("@III")
"""Packets and bytes that wait, then packets that were dropped."""
_ATTRIBUTE_TYPE = 0x3FFF
"""The two bits above tell how an attribute is nested."""
_DESTINATION, _SOURCE, _OUTPUT, _GATEWAY, _PREFERRED_SOURCE, _MULTIPATH = 1, 2, 4, 5, 7, 9
_VIA, _ENCAPSULATION, _PROTOCOL, _SOURCE_PORT, _DESTINATION_PORT = 18, 22, 27, 28, 29
_LINK_MAC, _LINK_MTU, _LINK_STATS = 1, 4, 23
_LINK_DROPPED = slice(48, 56)
"""Where packets that were dropped on arrival stand in ``struct rtnl_link_stats64``."""
_NEIGHBOUR_ADDRESS, _NEIGHBOUR_MAC = 1, 2
_STATS, _STATS_OF_QUEUE = 7, 3
_ROOT = 0xFFFFFFFF
"""Parent of the queue of a whole device (``TC_H_ROOT``)."""
_PROXY = 0x08
"""Flag of entries for addresses that this machine answers for, which are no neighbours."""


class Message(NamedTuple):
    """One message: its type, the number of the question, and what it says."""

    kind: int
    sequence: int
    body: bytes


class Link(NamedTuple):
    """A device."""

    device: int
    kind: int
    flags: int
    mtu: int
    """Bytes of an IP packet at most."""
    mac: bytes
    dropped: int
    """Packets that arrived, and for which it had no room, since it was made."""


class Neighbour(NamedTuple):
    """An address on the network of a device."""

    device: int
    address: bytes
    state: int
    mac: bytes


class Route(NamedTuple):
    """The way to one address."""

    kind: int
    device: int
    source: bytes
    """The address that packets are sent from."""
    gateway: bytes
    """Address of the next hop, of the same family; empty: the destination itself."""
    plain: bool
    """Whether that is all: no tunnel, no gateway of the other family."""

    @property
    def is_local(self) -> bool:
        """Whether the address is one of this machine."""
        return self.kind == LOCAL


def ask_route(sequence: int, destination: bytes, port: int, source: bytes, source_port: int) -> bytes:
    """Return the question for the route of a UDP datagram; an empty ``source``: the socket is bound to none."""
    family = socket.AF_INET if len(destination) == 4 else socket.AF_INET6
    bits = 8 * len(destination)
    body = _ROUTE.pack(family, bits, 8 * len(source), 0, 0, 0, 0, 0, 0) + _attribute(_DESTINATION, destination)
    if source:
        body += _attribute(_SOURCE, source)
    body += _attribute(_PROTOCOL, bytes((socket.IPPROTO_UDP,)))
    body += _attribute(_SOURCE_PORT, source_port.to_bytes(2, "big"))
    body += _attribute(_DESTINATION_PORT, port.to_bytes(2, "big"))
    return _request(ASK_ROUTE, 0, sequence, body)


def ask_all(kind: int, sequence: int) -> bytes:
    """Return the question for all devices, neighbours or queues; ``kind`` is ``ASK_LINKS`` or another of these."""
    size = {ASK_LINKS: _LINK, ASK_NEIGHBOURS: _NEIGHBOUR, ASK_QUEUES: _QUEUE}[kind].size
    return _request(kind, _DUMP, sequence, bytes(size))


def ask_link(sequence: int, device: int) -> bytes:
    """Return the question for one device; the answer ends with an ``ERROR``, which may say that all is well."""
    return _request(ASK_LINKS, _ACKNOWLEDGE, sequence, _LINK.pack(0, 0, 0, device, 0, 0))


def split(data: bytes) -> Iterator[Message]:
    """Yield the messages of a datagram of the kernel."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, sequence, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        yield Message(kind, sequence, data[at + _HEADER.size : at + length])
        at += _aligned(length)


def parse_link(body: bytes) -> Link:
    """Return the device that a ``LINK`` or ``NO_LINK`` message is about."""
    _, _, kind, index, flags, _ = _LINK.unpack_from(body)
    found = _attributes(body, _LINK.size)
    mtu = int.from_bytes(found.get(_LINK_MTU, b""), "little")
    dropped = int.from_bytes(found.get(_LINK_STATS, b"")[_LINK_DROPPED], "little")
    return Link(index, kind, flags, mtu, found.get(_LINK_MAC, b""), dropped)


def parse_neighbour(body: bytes) -> Neighbour | None:
    """Return the neighbour that a ``NEIGHBOUR`` or ``NO_NEIGHBOUR`` message is about; None: it is about none of IP."""
    family, _, _, device, state, flags, _ = _NEIGHBOUR.unpack_from(body)
    found = _attributes(body, _NEIGHBOUR.size)
    address = found.get(_NEIGHBOUR_ADDRESS, b"")
    if family not in (socket.AF_INET, socket.AF_INET6) or flags & _PROXY or not address:
        return None
    return Neighbour(device, address, state, found.get(_NEIGHBOUR_MAC, b""))


def parse_dropped(body: bytes) -> int:
    """Return the packets that a queue has dropped, from a ``QUEUE`` message; those of parts of a queue count as 0."""
    _, _, _, _, _, parent, _ = _QUEUE.unpack_from(body)
    counts = _attributes(_attributes(body, _QUEUE.size).get(_STATS, b""), 0).get(_STATS_OF_QUEUE, b"")
    if parent != _ROOT or len(counts) < _QUEUE_COUNTS.size:
        return 0
    _, _, dropped = _QUEUE_COUNTS.unpack_from(counts)
    return int(dropped)


def parse_route(body: bytes) -> Route:
    """Return the route of an answer to ``ask_route``."""
    *_, kind, _ = _ROUTE.unpack_from(body)
    found = _attributes(body, _ROUTE.size)
    device = int.from_bytes(found.get(_OUTPUT, b""), "little")
    plain = not found.keys() & {_VIA, _ENCAPSULATION, _MULTIPATH}
    return Route(kind, device, found.get(_PREFERRED_SOURCE, b""), found.get(_GATEWAY, b""), plain)


def _request(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, sequence, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value.ljust(_aligned(len(value)), b"\0")


def _attributes(body: bytes, at: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _ATTRIBUTE_TYPE] = body[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3
