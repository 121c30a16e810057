"""A UDP socket as a lane, with one system call for up to 1,024 receivers, whose headers were built beforehand."""

from __future__ import annotations

import ctypes
import errno
import socket
from collections.abc import Callable, Sequence
from typing import Literal

from tcserver.media.forwarding.receivers import LaneReceivers
from tcserver.media.lanes.train import MAX_TRAIN
from tcserver.media.udp.native import (
    DONT_WAIT,
    MMSGHDR_SIZE,
    SEGMENT_CONTROL_SIZE,
    SEGMENT_SIZE,
    SEGMENT_SIZE_OFFSET,
    SOCKADDR_SIZE,
    Iovec,
    load,
    message,
    pack_sockaddr,
    segment_control,
)
from tcserver.media.udp.offload import can_send_trains
from tcserver.media.udp.sendto import Full, PlainLane

SenderName = Literal["auto", "gso", "sendmmsg", "sendto"]
MAX_MESSAGES = 1024
"""Messages in one call (``UIO_MAXIOV`` of Linux)."""
_TRAIN_REFUSALS = frozenset((errno.EMSGSIZE, errno.EINVAL, errno.EIO, errno.EOPNOTSUPP))
"""What kernels answer where a train cannot go: path MTU below the datagrams, no checksum offload, IPsec."""


def make_lanes(
    name: SenderName, sockets: Sequence[socket.socket], on_full: Callable[[PlainLane], None]
) -> list[PlainLane]:
    """Return a lane for each socket, with the system calls that ``name`` says; see ``MediaSockets``, ``PlainLane``.

    ``auto`` takes the fastest that work here; raises ``OSError`` where those of another name do not.
    """
    trains = name in ("auto", "gso") and can_send_trains()
    if name == "gso" and not trains:
        raise OSError("the kernel does not send trains (UDP_SEGMENT)")
    if name != "sendto":
        try:
            sendmmsg = load("sendmmsg")
        except OSError:
            if name != "auto":
                raise
        else:
            return [VectorLane(sock, on_full, sendmmsg, trains) for sock in sockets]
    return [PlainLane(sock, on_full) for sock in sockets]


class _Vector:
    """Message headers for the receivers of a lane, and the socket addresses to which the headers point.

    There are headers for datagrams and headers for trains. They stand there twice, since the indices of receivers go
    round (see ``Lane.send``).
    """

    __slots__ = ("_names", "_plain", "_trains", "plain", "refusing", "trains")

    def __init__(self, names: Sequence[bytes], iov: int, control: int) -> None:
        self._names = ctypes.create_string_buffer(b"".join(name.ljust(SOCKADDR_SIZE, b"\0") for name in names))
        start = ctypes.addressof(self._names)
        places = [(start + SOCKADDR_SIZE * index, len(name)) for index, name in enumerate(names)]
        self._plain = ctypes.create_string_buffer(b"".join(message(*place, iov) for place in places) * 2)
        self.plain = ctypes.addressof(self._plain)
        self._trains = None
        self.trains = 0
        if control:
            self._trains = ctypes.create_string_buffer(
                b"".join(message(*place, iov, control, SEGMENT_CONTROL_SIZE) for place in places) * 2
            )
            self.trains = ctypes.addressof(self._trains)
        self.refusing: set[int] = set()
        """Indices of the receivers to which the kernel sends no trains."""


class VectorLane(PlainLane):
    """Sends with ``sendmmsg``. All vectors point to one buffer: a payload is copied once for all receivers.

    ``sendmmsg`` is the system call, see ``load``. With ``trains`` the kernel cuts trains apart (``UDP_SEGMENT``).
    """

    def __init__(
        self,
        sock: socket.socket,
        on_full: Callable[[PlainLane], None],
        sendmmsg: Callable[[int, int, int, int], int],
        trains: bool = False,
    ) -> None:
        super().__init__(sock, on_full, trains)
        self._sendmmsg = sendmmsg
        self._buffer = ctypes.create_string_buffer(MAX_TRAIN)
        self._view = memoryview(self._buffer).cast("B")
        self._loaded = b""
        self._iov = Iovec(ctypes.addressof(self._buffer), 0)
        self._iov_address = ctypes.addressof(self._iov)
        self._control = ctypes.create_string_buffer(segment_control(0), SEGMENT_CONTROL_SIZE)
        self._control_address = ctypes.addressof(self._control) if trains else 0

    def _send(self, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int) -> None:
        """Send now; raises ``Full``."""
        if len(receivers.addresses) == 1 and size >= len(payload):
            # Sets of one receiver are mostly made for one answer: headers for it would be built in vain.
            super()._send(payload, size, receivers, start, stop)
            return
        if self.marking is not None:
            self.marking.mark(size)
        vector = receivers.prepared
        if type(vector) is not _Vector:
            vector = self._prepare(receivers)
        if size < len(payload) and vector.refusing:
            self._send_around(vector, payload, size, receivers, start, stop)
        else:
            self._send_vector(vector, payload, size, receivers, start, stop)

    def _send_vector(
        self, vector: _Vector, payload: bytes, size: int, receivers: LaneReceivers, index: int, stop: int
    ) -> None:
        if payload is not self._loaded:
            self._load(payload, size)
        segments = -(-len(payload) // size) if size < len(payload) else 1
        messages = vector.trains if segments > 1 else vector.plain
        fd = self._socket.fileno()
        refused = -1
        while index < stop:
            count = self._sendmmsg(fd, messages + index * MMSGHDR_SIZE, min(stop - index, MAX_MESSAGES), DONT_WAIT)
            if count > 0:
                self.counts.sent += count * segments
                index += count
                continue
            # The error is that of the first message: earlier ones were sent, and the call returned their number.
            error = ctypes.get_errno()
            if error in (errno.EAGAIN, errno.EWOULDBLOCK):
                raise Full(index)
            if error == errno.EINTR or (error == errno.ECONNREFUSED and refused != index):
                # A refusal may be that of an earlier datagram, and reading it clears it: a second try.
                refused = index
                continue
            if segments > 1 and error in _TRAIN_REFUSALS:
                vector.refusing.add(index % len(receivers.addresses))
                self._send_singly(payload, size, receivers, index)
                self._load(payload, size)
            else:
                self._lose(error, segments)
            index += 1

    def _send_around(
        self, vector: _Vector, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int
    ) -> None:
        """Send a train to one receiver after the other; those that refuse trains get its datagrams one by one.

        So if the buffer of the socket becomes full, all receivers before that index have got theirs.
        """
        count = len(receivers.addresses)
        for index in range(start, stop):
            if index % count in vector.refusing:
                self._send_vector(vector, payload, size, receivers, start, index)
                self._send_singly(payload, size, receivers, index)
                start = index + 1
        self._send_vector(vector, payload, size, receivers, start, stop)

    def _send_singly(self, payload: bytes, size: int, receivers: LaneReceivers, index: int) -> None:
        self.counts.refused_trains += 1
        for at in range(0, len(payload), size):
            datagram = payload[at : at + size]
            self.send(datagram, len(datagram), receivers, index, index + 1)

    def _load(self, payload: bytes, size: int) -> None:
        """Put a payload where all vectors point to."""
        self._loaded = payload
        self._view[: len(payload)] = payload
        self._iov.length = len(payload)
        if size < len(payload):
            SEGMENT_SIZE.pack_into(self._control, SEGMENT_SIZE_OFFSET, size)

    def _prepare(self, receivers: LaneReceivers) -> _Vector:
        names = [pack_sockaddr(address, self._socket.family) for address in receivers.addresses]
        vector = receivers.prepared = _Vector(names, self._iov_address, self._control_address)
        return vector
