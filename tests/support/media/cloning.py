"""A sender with lanes that have the kernel clone, and clients that it sends to."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from tcserver.media import ReceiverSet
from tcserver.media.bpf.fan_out import FanOut
from tcserver.media.interface import Address
from tcserver.media.lanes.lane import LaneCounts, total
from tcserver.media.lanes.sender import Sender
from tcserver.media.udp.binding import bind
from tcserver.media.udp.cloning import Cloning
from tcserver.media.udp.cloning_lane import make_cloning_lanes
from tcserver.media.udp.sendto import PlainLane
from tests.support.processes.world import until

COUNT = 12
"""Clients that a datagram is sent to."""
ANY = [("0.0.0.0", 0), ("::", 0)]


class CloningSender(Sender):
    """A sender on sockets of these addresses."""

    def __init__(self, fan_out: FanOut, addresses: list[tuple[str, int]]) -> None:
        self.fan_out = fan_out
        self.full: list[PlainLane] = []
        self.sockets = bind(addresses, 1 << 22)
        self.cloning = Cloning(fan_out, asyncio.get_running_loop())
        self.lanes = make_cloning_lanes(self.cloning, self.sockets, self.full.append)
        super().__init__(self.lanes)

    @property
    def counts(self) -> LaneCounts:
        return total(self.lanes)

    def close(self) -> None:
        self.cloning.close()
        self.cloning.close()
        for sock in self.sockets:
            sock.close()

    async def active(self) -> None:
        await until(lambda: self.cloning.active, "clones again")


@asynccontextmanager
async def opened(addresses: list[tuple[str, int]] = ANY) -> AsyncIterator[CloningSender]:
    """Yield a sender whose lanes clone."""
    fan_out = FanOut.open()
    try:
        sender = CloningSender(fan_out, addresses)
        try:
            yield sender
        finally:
            sender.close()
    finally:
        fan_out.close()


@pytest.fixture
def clients() -> Iterator[Callable[[str, int], list[socket.socket]]]:
    """What opens so many sockets on an address."""
    made: list[socket.socket] = []

    def make(host: str, count: int) -> list[socket.socket]:
        sockets = bind([(host, 0)] * count, 1 << 22)
        made.extend(sockets)
        return sockets

    yield make
    for sock in made:
        sock.close()


def set_of(sockets: list[socket.socket], lane: int, mapped: bool = False) -> ReceiverSet:
    """Return the receivers that these sockets are, on a lane; ``mapped``: with addresses of IPv4 in those of IPv6."""
    prefix = "::ffff:" if mapped else ""
    return ReceiverSet(
        (number, Address(lane, prefix + sock.getsockname()[0], sock.getsockname()[1]))
        for number, sock in enumerate(sockets)
    )
