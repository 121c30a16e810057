"""What is known of the network around this machine: to whom the program can send, and why not to others."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum

from tcserver.media.bpf import netlink
from tcserver.media.bpf.netlink import Link, Message, Route

MAX_NEIGHBOURS = 8192
"""Neighbours with a known MAC address that are remembered. Those above go by the other way."""
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
    SUSPENDED = "suspended"
    """The network has just changed, or the program did not pass its test."""


class Change(IntEnum):
    """How much a message of the kernel changes."""

    NOTHING = 0
    NEIGHBOURS = 1
    """A neighbour has appeared, or gone."""
    NETWORK = 2
    """Devices, addresses, routes or rules are others."""


class Network:
    """Devices and neighbours, as rtnetlink tells of them."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._neighbours: set[tuple[int, bytes]] = set()
        """Device and address of those whose MAC address is known."""

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

    def judge(self, route: Route, destination: bytes) -> Refusal | None:
        """Return why a clone cannot take a route to an address; None: it can."""
        if not route.source or not route.plain:
            return Refusal.ROUTE
        if route.is_local:
            return None
        if route.kind != netlink.UNICAST:
            return Refusal.ROUTE
        link = self._links.get(route.device)
        if link is None or link.kind != netlink.ETHERNET or not link.flags & netlink.UP or link.mtu < MIN_MTU:
            return Refusal.DEVICE
        if (route.device, route.gateway or destination) not in self._neighbours:
            return Refusal.NEIGHBOUR
        return None

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
        known = key in self._neighbours
        if kind == netlink.NEIGHBOUR and neighbour.state & netlink.VALID:
            if known or len(self._neighbours) >= MAX_NEIGHBOURS:
                return Change.NOTHING
            self._neighbours.add(key)
        elif known:
            self._neighbours.remove(key)
        else:
            return Change.NOTHING
        return Change.NEIGHBOURS
