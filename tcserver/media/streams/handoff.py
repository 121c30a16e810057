"""The handoff of datagrams between the process that has the streams and a media worker, by a pair of Unix sockets.

Both ends are the same program, and nobody else has the sockets. To the worker goes the number of a stream (4 bytes,
big-endian), then datagrams, each behind its length (2 bytes). From it comes how many streams there are (2 bytes), the
size of a datagram (2), the numbers of the streams (4 each), and a payload as ``Lane.send`` gets it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from struct import Struct

from tcproto.datagram import MAX_DATAGRAM
from tcserver.media.forwarding.drops import Counters
from tcserver.media.forwarding.receivers import LaneReceivers
from tcserver.media.lanes.lane import Lane
from tcserver.media.lanes.train import MAX_TRAIN
from tcserver.media.plane.stats import LATENCY_BOUNDS, MediaStats, count
from tcserver.media.streams.streams import Streamed, Streams
from tcserver.media.udp.steering import WORKER_OFFSET
from tcserver.monitoring.histogram import Histogram

BUFFER_BYTES = 1 << 20
"""Bytes asked of the kernel for each socket: what does not fit is dropped. It grants up to ``wmem_max``."""
MAX_BATCH = 48
"""Datagrams in one message to a worker."""
READ_BUDGET = 0.002
"""Seconds of one turn of the loop for one worker, as for a socket of UDP."""
MAX_STREAMS = 4096
"""Streams in one message of a worker: more than a room seats."""
MAX_MESSAGE = MAX_TRAIN + 4 * MAX_STREAMS + 4
"""Bytes of a message."""
_NUMBER = Struct(">I")
_LENGTH = Struct(">H")
_HEAD = Struct(">HH")


def receive_up(sock: socket.socket) -> tuple[int, list[bytes]] | None:
    """Return number and datagrams of the next message to a worker; None: there is none."""
    message = _receive(sock)
    if not message:
        return None
    (number,) = _NUMBER.unpack_from(message)
    datagrams, at = [], _NUMBER.size
    while at < len(message):
        (size,) = _LENGTH.unpack_from(message, at)
        at += _LENGTH.size
        datagrams.append(message[at : at + size])
        at += size
    return number, datagrams


class HandoffLane(Lane):
    """Sends from a media worker to streams: one message for all of them. What the socket does not take is lost.

    Nothing counts as sent here: the process that has the streams counts what leaves.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(trains=True)
        self._socket = sock

    @property
    def waiting(self) -> int:
        """Nothing waits."""
        return 0

    def send(self, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int) -> None:
        """Send a payload; as ``Lane.send``."""
        numbers = receivers.prepared
        if not isinstance(numbers, list):
            numbers = receivers.prepared = [_NUMBER.pack(address.port) for address in receivers.addresses] * 2
        for at in range(start, stop, MAX_STREAMS):
            some = numbers[at : min(stop, at + MAX_STREAMS)]
            message = _HEAD.pack(len(some), size) + b"".join(some) + payload
            _send(self._socket, message, len(some) * -(-len(payload) // size), self.counts.errors)


class Handoff:
    """The end of the process that has the streams, towards ``workers`` media workers."""

    def __init__(self, streams: Streams, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._streams = streams
        self._clock = clock
        self._sockets: list[socket.socket | None] = [None] * workers
        self._lost: Counter[str] = Counter()
        """Datagrams that a worker did not take, by the name of the error."""
        streams.connect(self._carry)

    def open(self, worker: int) -> socket.socket:
        """Return the end for a worker that starts. Raises ``OSError``."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (ours, theirs):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self._sockets[worker] = ours
        asyncio.get_running_loop().add_reader(ours, self._take, worker, ours)
        return theirs

    def close(self, worker: int) -> None:
        """Close the end towards a worker; may be called again."""
        sock = self._sockets[worker]
        if sock is not None:
            self._sockets[worker] = None
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()

    def stats(self) -> MediaStats:
        """Return what left by the streams, as of a media plane that has no rooms."""
        lane = self._streams.lane
        return MediaStats(
            counters=Counters(),
            kernel_sent=lane.counts.sent,
            errors=lane.counts.errors + self._lost,
            gave_way=lane.counts.gave_way,
            refused_trains=0,
            cloned=0,
            not_cloned={},
            device_drops=0,
            waiting=lane.waiting,
            latency=Histogram(LATENCY_BOUNDS),
            rtt=Histogram(()),
            uplink_delay=Histogram(()),
            sockets=(),
            counts=count(()),
            seats=(),
        )

    def _carry(self, streamed: Streamed) -> None:
        """Hand datagrams of streams to the workers that serve their seats, as the kernel does with those of UDP."""
        for number, datagrams in streamed:
            self._carry_one(number, datagrams)

    def _carry_one(self, number: int, datagrams: Sequence[bytes]) -> None:
        by_worker: dict[int, list[bytes]] = {}
        for datagram in datagrams:
            if WORKER_OFFSET < len(datagram) <= MAX_DATAGRAM:
                by_worker.setdefault(datagram[WORKER_OFFSET] % len(self._sockets), []).append(datagram)
        head = _NUMBER.pack(number)
        for worker, some in by_worker.items():
            sock = self._sockets[worker]
            if sock is None:  # its process is being replaced
                continue
            for at in range(0, len(some), MAX_BATCH):
                batch = some[at : at + MAX_BATCH]
                body = b"".join(_LENGTH.pack(len(datagram)) + datagram for datagram in batch)
                _send(sock, head + body, len(batch), self._lost)

    def _take(self, worker: int, sock: socket.socket) -> None:
        """Take what a worker has for streams, for a bounded time. What is left is taken in the next turn."""
        end = self._clock() + READ_BUDGET
        while self._clock() < end and (message := _receive(sock)):
            streams, size = _HEAD.unpack_from(message)
            start = _HEAD.size + _NUMBER.size * streams
            numbers = tuple(number for (number,) in _NUMBER.iter_unpack(message[_HEAD.size : start]))
            self._streams.lane.deliver(message[start:], size, numbers, (worker, numbers))


def _receive(sock: socket.socket) -> bytes:
    """Return the next message; nothing where there is none, or the other end is gone."""
    try:
        return sock.recv(MAX_MESSAGE)
    except (BlockingIOError, ConnectionError):
        return b""


def _send(sock: socket.socket, message: bytes, datagrams: int, lost: Counter[str]) -> None:
    """Send a message, or count the datagrams in it as lost."""
    try:
        sock.send(message)
    except OSError as error:
        lost[errno.errorcode.get(error.errno or 0, str(error.errno))] += datagrams
