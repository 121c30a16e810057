"""The client's UDP socket on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Callable
from struct import pack

from tcclient.transport.reader import MAX_BATCH, RECEIVE_SIZE, Datagram, DatagramReader
from tcproto.datagram import DSCP_LARGE, DSCP_SMALL, LARGE

BUFFER_BYTES = 1 << 20
"""Bytes of both socket buffers: half a second of a large conference, in case the loop is late."""
MAX_TRAIN = 48
"""Datagrams of a train. A kernel takes 64, and an IP packet has room for 54 of the largest."""
_SOL_UDP, _UDP_SEGMENT, _IP_MTU_DISCOVER = 17, 103, 10
"""Constants of Linux that the socket module does not have."""
_NO_TRAINS = frozenset((errno.EINVAL, errno.EMSGSIZE, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP))
"""Errors of a kernel that cannot cut trains apart: an old kernel, a small MTU, or no checksum offload."""
_MOVED = frozenset((errno.EADDRNOTAVAIL, errno.EINVAL, errno.ENETDOWN, errno.ENETUNREACH, errno.ENODEV))
"""Errors of a socket whose own address, or the way from there, is gone: the machine is in another network now."""


class UdpSocket:
    """A connected UDP socket. It delivers datagrams in batches, with their times, and sends without waiting.

    A connected socket keeps the address that the machine had. ``renew`` gives it the present one, and so does the first
    datagram after one that had no way from the old address.

    With ``interval`` > 0 (seconds) the socket is read no more often than that. A receiver that may be late wakes up
    less, and datagrams collect in the kernel. Datagrams that the kernel refuses are counted and dropped, as a network
    would do.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, receive: Callable[[list[Datagram]], None], interval: float
    ) -> None:
        self.send_failures = 0
        self.trains = sys.platform == "linux"
        """Whether datagrams of one size that are sent together leave as one message (UDP_SEGMENT)."""
        self._loop = loop
        self._receive = receive
        self._interval = interval
        self._socket: socket.socket | None = None
        self._reader: DatagramReader | None = None
        """Of the socket."""
        self._peer: tuple[int, tuple[object, ...]] | None = None
        """Family and address of the server, while the socket is in use."""
        self._dscp = -1
        """The service class of what is sent."""
        self._moved = False
        """Whether the address of the socket is gone."""
        self._later: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[None] | None = None

    def open(self, family: int, address: tuple[object, ...]) -> None:
        """Connect to the server's address, unless that was done; raises ``OSError``."""
        if self._socket is not None and self._peer == (family, address):
            return
        self._shut()
        self._peer, self._moved, self._dscp = (family, address), False, -1
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
            if sys.platform == "linux":
                # Routers may cut what is too long for a way: the default of Linux forbids it.
                sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, 0)
            self._reader = DatagramReader(sock)
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
        """Send datagrams. If the kernel refuses one, the next is tried all the same."""
        if self._moved:
            self.renew()
        sock = self._socket
        if sock is None:
            return
        for train in trains(datagrams) if self.trains else ([data] for data in datagrams):
            self._mark(sock, DSCP_LARGE if len(train[0]) > LARGE else DSCP_SMALL)
            if len(train) > 1 and self._send_train(sock, train):
                continue
            for data in train:
                try:
                    sock.send(data)
                except OSError as error:
                    self._failed(error)

    def renew(self) -> None:
        """Connect again, from the address that the machine has now; without a network, the next ``send`` tries again.

        What has come and was not read is lost.
        """
        if self._peer is None:
            return
        family, address = self._peer
        self._shut()
        try:
            self.open(family, address)
        except OSError as error:
            self._failed(error)
            self._moved = True

    def close(self) -> None:
        """Close the socket. Nothing is received any more."""
        self._peer, self._moved = None, False
        self._shut()

    def _shut(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._socket is not None:
            if self._reading is not None:
                self._reading.cancel()
            elif not self._interval:
                self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = self._reading = None

    def _mark(self, sock: socket.socket, dscp: int) -> None:
        """Mark what is sent next, so that a network that knows the classes serves sound first."""
        if dscp != self._dscp:
            self._dscp = dscp
            with contextlib.suppress(OSError):  # a kernel that does not set them, or an IPv6 socket of Windows
                if sock.family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
                else:
                    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)

    def _failed(self, error: OSError) -> None:
        self.send_failures += 1
        self._moved |= error.errno in _MOVED

    def _send_train(self, sock: socket.socket, train: list[bytes]) -> bool:
        """Send a train; False where the kernel cannot, and nothing was sent."""
        try:
            sock.sendmsg(train, [(_SOL_UDP, _UDP_SEGMENT, pack("@H", len(train[0])))])
        except OSError as error:
            if error.errno in _NO_TRAINS:
                self.trains = False
                return False
            self.send_failures += len(train) - 1
            self._failed(error)
        return True

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
            self._receive([(data, None)])

    def _look(self) -> None:
        """Read what has collected, and set the timer for the next look, unless another socket has set it."""
        self._later = None
        while self._socket is not None and self._readable() == MAX_BATCH:
            pass
        if self._socket is not None and self._later is None:
            self._later = self._loop.call_later(self._interval, self._look)

    def _readable(self) -> int:
        """Read and hand over one batch; return how many datagrams it has."""
        assert self._reader is not None
        batch, failures = self._reader.read()
        self.send_failures += failures
        if batch:
            self._receive(batch)
        return len(batch)


def trains(datagrams: list[bytes]) -> list[list[bytes]]:
    """Cut datagrams into trains of one size. Only the last datagram of a train may be shorter."""
    found: list[list[bytes]] = []
    size = 0
    for data in datagrams:
        if size and len(data) <= size and len(found[-1]) < MAX_TRAIN:
            found[-1].append(data)
            if len(data) < size:
                size = 0
        else:
            found.append([data])
            size = len(data)
    return found
