"""What is known of the network around this machine: to whom the program can send, and why not to others."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import NamedTuple

from tcserver.media.bpf import netlink
from tcserver.media.bpf.netlink import Link, Message, Route

MAX_NEIGHBOURS = 8192
"""Neighbours with a known MAC address that are remembered. Those above go by the other way."""
MAC_SIZE = 6
MIN_MTU = 1280
"""Bytes that a device has to take: those of IPv6, which is more than any datagram of ours needs."""


class Refusal(StrEnum):
    """Why a datagram was not cloned for a receiver."""

    NUMBER = "number"
    """Too few receivers to be worth it, or more than the map of the program holds."""
    ADDRESS = "address"
    """Its address has a scope, or no program is allowed to send there."""
    ROUTE = "route"
    """The way there is none of this machine's own: a tunnel, a broadcast, or there is none."""
    DEVICE = "device"
    """The device is down, has no MAC addresses, or takes only short packets."""
    NEIGHBOUR = "neighbour"
    """The MAC address of the next hop is not known yet."""
    SIZE = "size"
    """The datagram is longer than any to a client."""
    WAITING = "waiting"
    """Earlier datagrams wait for room in the buffer of the socket."""
    QUEUE = "queue"
    """The kernel refused a clone: the queue of a device was full, or there was no memory."""
    SUSPENDED = "suspended"
    """The network has just changed, or the program did not pass its test."""


class Change(IntEnum):
    """How much a message of the kernel changes."""

    NOTHING = 0
    NEIGHBOURS = 1
    """A neighbour has appeared, or gone, or has another MAC address."""
    NETWORK = 2
    """Devices, addresses, routes or rules are others."""


class Hop(NamedTuple):
    """The first hop of a way: by which device, and the MAC addresses with which a frame begins."""

    device: int
    """0: the receiver is on this machine."""
    frame: bytes


class Network:
    """Devices and neighbours, as rtnetlink tells of them."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._neighbours: dict[tuple[int, bytes], bytes] = {}
        """MAC addresses, by device and address."""

    def clear(self) -> None:
        """Forget everything."""
        self._links.clear()
        self._neighbours.clear()

    def take(self, messages: Iterable[Message]) -> Change:
        """Take what the kernel tells; return the largest of the changes."""
        change = Change.NOTHING
        for kind, _, body in messages:
            if kind in (netlink.NEIGHBOUR, netlink.NO_NEIGHBOUR):
                change = max(change, self._take_neighbour(kind, body))
            elif kind in (netlink.LINK, netlink.NO_LINK):
                self._take_link(kind, body)
                change = Change.NETWORK
            elif kind not in (netlink.ERROR, netlink.DONE):
                change = Change.NETWORK
        return change

    def judge(self, route: Route, destination: bytes) -> Refusal | Hop:
        """Return the first hop of a clone on a route to an address, or why it cannot take it."""
        if not route.source or not route.plain:
            return Refusal.ROUTE
        if route.is_local:
            return Hop(0, b"")
        if route.kind != netlink.UNICAST:
            return Refusal.ROUTE
        link = self._links.get(route.device)
        if link is None or link.kind != netlink.ETHERNET or not link.flags & netlink.UP or link.mtu < MIN_MTU:
            return Refusal.DEVICE
        mac = self._neighbours.get((route.device, route.gateway or destination))
        return Refusal.NEIGHBOUR if mac is None else Hop(route.device, mac + link.mac)

    def _take_link(self, kind: int, body: bytes) -> None:
        link = netlink.parse_link(body)
        if kind == netlink.LINK:
            self._links[link.device] = link
        else:
            self._links.pop(link.device, None)

    def _take_neighbour(self, kind: int, body: bytes) -> Change:
        neighbour = netlink.parse_neighbour(body)
        if neighbour is None:
            return Change.NOTHING
        key = (neighbour.device, neighbour.address)
        before = self._neighbours.pop(key, None)
        now = neighbour.mac if kind == netlink.NEIGHBOUR and neighbour.state & netlink.VALID else b""
        if len(now) == MAC_SIZE and len(self._neighbours) < MAX_NEIGHBOURS:
            self._neighbours[key] = now
        return Change.NOTHING if self._neighbours.get(key) == before else Change.NEIGHBOURS
