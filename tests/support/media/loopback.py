"""Shared parts of the tests of senders, readers and sockets: marks for features of a kernel, and helpers."""

import asyncio
import errno
import socket
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from tcserver.media.interface import Address
from tcserver.media.lanes.lane import LaneCounts, total
from tcserver.media.lanes.sender import Sender
from tcserver.media.udp.offload import can_receive_trains, can_send_trains
from tcserver.media.udp.reader import VectorReader
from tcserver.media.udp.sendmmsg import SenderName, make_lanes
from tcserver.media.udp.sendto import PlainLane

linux = pytest.mark.skipif(sys.platform != "linux", reason="sendmmsg and recvmmsg are Linux's")
trains_out = pytest.mark.skipif(not can_send_trains(), reason="the kernel does not send trains (UDP_SEGMENT)")
trains_in = pytest.mark.skipif(not can_receive_trains(), reason="the kernel does not receive trains (UDP_GRO)")
NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
"""What a kernel without IPv6 answers, or one without an address of it."""
TrainReader = partial(VectorReader, trains=True)


def address_of(sock: socket.socket, lane: int = 0) -> Address:
    return Address(lane, *sock.getsockname()[:2])


def received(sock: socket.socket) -> list[bytes]:
    """Return the datagrams that wait. On the loopback interface all that were sent are there."""
    datagrams = []
    while True:
        try:
            datagrams.append(sock.recv(65536))
        except BlockingIOError:
            return datagrams


class LoopbackSender(Sender):
    """A sender on sockets, by the system calls of a name. It remembers which lanes waited for room."""

    def __init__(self, name: SenderName, sockets: Sequence[socket.socket]) -> None:
        self.full: list[PlainLane] = []
        self.lanes = make_lanes(name, sockets, self.full.append)
        super().__init__(self.lanes)

    @property
    def counts(self) -> LaneCounts:
        return total(self.lanes)


class CongestedSocket:
    """Takes so many datagrams until its buffer is full. All other calls go to ``sock``."""

    def __init__(self, room: int, sock: socket.socket | None = None) -> None:
        self.room = room
        self.out: list[tuple[bytes, int]] = []
        self.flowing = asyncio.Event()
        self._socket = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def sendto(self, datagram: bytes, address: tuple[str, int]) -> int:
        if not self.room:
            raise BlockingIOError
        self.room -= 1
        self.out.append((datagram, address[1]))
        self.flowing.set()
        return len(datagram)
