"""The vector sender: one system call for up to 1,024 receivers, whose message headers were built beforehand."""

from __future__ import annotations

import ctypes
import errno
import socket
from collections.abc import Sequence

from tcproto.datagram import MAX_DATAGRAM
from tcserver.media.native import MMSGHDR_SIZE, SOCKADDR_SIZE, Iovec, load, message, pack_sockaddr
from tcserver.media.receivers import ReceiverSet
from tcserver.media.sender import Blocked
from tcserver.media.sendto import PlainSender

MAX_MESSAGES = 1024
"""Messages in one call (``UIO_MAXIOV`` of Linux)."""


class _Vector:
    """Message headers of a set of receivers, and the socket addresses that they point to."""

    __slots__ = ("_messages", "_names", "address")

    def __init__(self, names: Sequence[bytes], iov: int) -> None:
        self._names = ctypes.create_string_buffer(b"".join(name.ljust(SOCKADDR_SIZE, b"\0") for name in names))
        start = ctypes.addressof(self._names)
        self._messages = ctypes.create_string_buffer(
            b"".join(message(start + SOCKADDR_SIZE * slot, len(name), iov) for slot, name in enumerate(names))
        )
        self.address = ctypes.addressof(self._messages)


class VectorSender(PlainSender):
    """Sends with ``sendmmsg``. All vectors point to one buffer: a datagram is copied once, whoever gets it.

    Raises ``OSError`` where the platform does not have the call.
    """

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        super().__init__(sockets)
        self._sendmmsg = load("sendmmsg")
        self._buffer = ctypes.create_string_buffer(MAX_DATAGRAM)
        self._buffer_address = ctypes.addressof(self._buffer)
        self._iov = Iovec(self._buffer_address, 0)
        self._iov_address = ctypes.addressof(self._iov)

    def send_run(self, local: int, datagram: bytes, receivers: ReceiverSet, start: int, stop: int) -> None:
        """Send to the receivers of a run; raises ``Blocked``."""
        if stop - start == 1:
            super().send_run(local, datagram, receivers, start, stop)
            return
        vector = receivers.prepared
        if not isinstance(vector, _Vector):
            vector = receivers.prepared = self._vector(receivers)
        ctypes.memmove(self._buffer_address, datagram, len(datagram))
        self._iov.length = len(datagram)
        fd = self._sockets[local].fileno()
        slot, refused = start, -1
        while slot < stop:
            count = self._sendmmsg(
                fd, vector.address + slot * MMSGHDR_SIZE, min(stop - slot, MAX_MESSAGES), socket.MSG_DONTWAIT
            )
            if count > 0:
                self.sent += count
                slot += count
                continue
            # The error is that of the first message: earlier ones were sent, and the call returned their number.
            error = ctypes.get_errno()
            if error in (errno.EAGAIN, errno.EWOULDBLOCK):
                raise Blocked(slot)
            if error == errno.EINTR or (error == errno.ECONNREFUSED and refused != slot):
                # A refusal may be that of an earlier datagram, and reading it clears it: a second try.
                refused = slot
                continue
            self.lose(error)
            slot += 1

    def _vector(self, receivers: ReceiverSet) -> _Vector:
        names = [pack_sockaddr(address, self._sockets[address.local].family) for address in receivers.addresses]
        return _Vector(names, self._iov_address)
