"""What the tests of senders, readers and sockets share: marks for what a kernel has, and helpers for its sockets."""

import asyncio
import socket
import sys
from functools import partial

import pytest

from tcserver.media.interface import Address
from tcserver.media.udp.offload import can_receive_trains, can_send_trains
from tcserver.media.udp.reader import VectorReader
from tcserver.media.udp.sender import Blocked, Run, Sender
from tcserver.media.udp.sendmmsg import VectorSender

linux = pytest.mark.skipif(sys.platform != "linux", reason="sendmmsg and recvmmsg are Linux's")
trains_out = pytest.mark.skipif(not can_send_trains(), reason="the kernel does not send trains (UDP_SEGMENT)")
trains_in = pytest.mark.skipif(not can_receive_trains(), reason="the kernel does not receive trains (UDP_GRO)")
TrainSender = partial(VectorSender, trains=True)
TrainReader = partial(VectorReader, trains=True)


def address_of(sock: socket.socket, local: int = 0) -> Address:
    return Address(local, *sock.getsockname()[:2])


def received(sock: socket.socket) -> list[bytes]:
    """Return what waits; on the loopback interface all that was sent does."""
    datagrams = []
    while True:
        try:
            datagrams.append(sock.recv(65536))
        except BlockingIOError:
            return datagrams


class Congested(Sender):
    """Takes so many datagrams until its buffer is full."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.out: list[tuple[bytes, int]] = []
        self.flowing = asyncio.Event()

    def send_run(self, local: int, run: Run) -> None:
        for slot in range(run.start, run.stop):
            if not self.room:
                raise Blocked(slot)
            self.room -= 1
            self.out.append((run.payload, run.receivers.addresses[slot].port))
            self.flowing.set()
