"""The client's UDP socket on an event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

RECEIVE_SIZE = 2048
"""More than any datagram of the protocol: what fills it is too long and is dropped further in."""
MAX_BATCH = 128
"""Datagrams read in one go, so that other tasks get their turn."""
BUFFER_BYTES = 1 << 20
"""Asked for in both directions: half a second of a large conference, should the loop be late."""


class UdpSocket:
    """A connected UDP socket: hands over what has arrived in batches, and sends without waiting.

    With ``interval`` > 0 (seconds) the socket is looked at no more often than that: a receiver that is in no hurry
    wakes up less and lets datagrams collect in the kernel. What the kernel does not take is counted and dropped, as
    the network would.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, receive: Callable[[list[bytes]], None], interval: float
    ) -> None:
        self.send_failures = 0
        self._loop = loop
        self._receive = receive
        self._interval = interval
        self._socket: socket.socket | None = None
        self._later: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[None] | None = None

    def open(self, family: int, address: tuple[object, ...]) -> None:
        """Connect to the server's address; raises ``OSError``."""
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
            sock.connect(address)
            if self._interval:
                self._later = self._loop.call_later(self._interval, self._look)
            else:
                self._add_reader(sock)
        except BaseException:
            sock.close()
            raise
        self._socket = sock

    def send(self, datagrams: list[bytes]) -> None:
        """Send datagrams; one that the kernel refuses does not keep the next from being tried."""
        if self._socket is None:
            return
        for data in datagrams:
            try:
                self._socket.send(data)
            except OSError:
                self.send_failures += 1

    def close(self) -> None:
        """Close the socket; nothing is received any more."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._socket is not None:
            if self._reading is not None:
                self._reading.cancel()
            elif not self._interval:
                self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _add_reader(self, sock: socket.socket) -> None:
        try:
            self._loop.add_reader(sock.fileno(), self._readable)
        except NotImplementedError:  # the proactor loop of Windows
            self._reading = self._loop.create_task(self._read(sock))

    async def _read(self, sock: socket.socket) -> None:
        while self._socket is sock:
            try:
                data = await self._loop.sock_recv(sock, RECEIVE_SIZE)
            except OSError:
                self.send_failures += 1
                continue
            self._receive([data])

    def _look(self) -> None:
        """Read what has collected, and look again later."""
        while self._socket is not None and self._readable() == MAX_BATCH:
            pass
        if self._socket is not None:
            self._later = self._loop.call_later(self._interval, self._look)

    def _readable(self) -> int:
        """Read and hand over one batch; return how many datagrams it has."""
        sock = self._socket
        assert sock is not None
        batch: list[bytes] = []
        receive = sock.recv
        try:
            while len(batch) < MAX_BATCH:
                batch.append(receive(RECEIVE_SIZE))
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            # An ICMP error of an earlier send, such as a closed port: it says nothing that a missing pong does not.
            self.send_failures += 1
        if batch:
            self._receive(batch)
        return len(batch)
