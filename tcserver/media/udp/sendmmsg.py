"""The vector sender: one system call for up to 1,024 receivers, whose message headers were built beforehand."""

from __future__ import annotations

import ctypes
import errno
import socket
from collections.abc import Iterable, Sequence

from tcserver.media.forwarding.receivers import ReceiverSet, Transmission
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
from tcserver.media.udp.sender import Blocked, Run, runs
from tcserver.media.udp.sendto import PlainSender
from tcserver.media.udp.train import MAX_TRAIN, Train, couple

MAX_MESSAGES = 1024
"""Messages in one call (``UIO_MAXIOV`` of Linux)."""
_TRAIN_REFUSALS = frozenset((errno.EMSGSIZE, errno.EINVAL, errno.EIO, errno.EOPNOTSUPP))
"""What kernels answer where a train cannot go: path MTU below the datagrams, no checksum offload, IPsec."""


class _Vector:
    """Message headers of a set of receivers, for datagrams and for trains, and the socket addresses they point to.

    The headers of a set that uses one socket stand there twice (``rounds``), as `Run` wants it.
    """

    __slots__ = ("_names", "_plain", "_trains", "plain", "refusing", "trains")

    def __init__(self, names: Sequence[bytes], iov: int, control: int, rounds: int) -> None:
        self._names = ctypes.create_string_buffer(b"".join(name.ljust(SOCKADDR_SIZE, b"\0") for name in names))
        start = ctypes.addressof(self._names)
        places = [(start + SOCKADDR_SIZE * slot, len(name)) for slot, name in enumerate(names)]
        self._plain = ctypes.create_string_buffer(b"".join(message(*place, iov) for place in places) * rounds)
        self.plain = ctypes.addressof(self._plain)
        self._trains = None
        self.trains = 0
        if control:
            self._trains = ctypes.create_string_buffer(
                b"".join(message(*place, iov, control, SEGMENT_CONTROL_SIZE) for place in places) * rounds
            )
            self.trains = ctypes.addressof(self._trains)
        self.refusing: set[int] = set()
        """Slots to which the kernel sends no trains."""


class VectorSender(PlainSender):
    """Sends with ``sendmmsg``. All vectors point to one buffer: a payload is copied once, whoever gets it.

    With ``trains``, what is sent together goes as trains (see `couple`). Raises ``OSError`` where the platform does not
    have the call.
    """

    def __init__(self, sockets: Sequence[socket.socket], trains: bool = False) -> None:
        super().__init__(sockets)
        self.trains = trains
        """Whether datagrams leave in trains."""
        self._sendmmsg = load("sendmmsg")
        self._buffer = ctypes.create_string_buffer(MAX_TRAIN)
        self._view = memoryview(self._buffer).cast("B")
        self._loaded = b""
        self._iov = Iovec(ctypes.addressof(self._buffer), 0)
        self._iov_address = ctypes.addressof(self._iov)
        self._control = ctypes.create_string_buffer(segment_control(0), SEGMENT_CONTROL_SIZE)
        self._control_address = ctypes.addressof(self._control) if trains else 0

    def send(self, transmissions: Sequence[Transmission]) -> None:
        """Send each datagram to each receiver but the one that is left out."""
        if len(transmissions) == 1:
            self._send_alone(*transmissions[0])
            return
        if not self.trains:
            super().send(transmissions)
            return
        for train in couple(transmissions):
            if len(train.datagrams) == 1:
                self._send_all(train.datagrams[0], train.size, train.receivers, train.skips)
            else:
                self._send_train(train)

    def send_run(self, local: int, run: Run) -> None:
        """Send to the receivers of a run; raises ``Blocked``."""
        if len(run.receivers.addresses) == 1 and run.size >= len(run.payload):
            super().send_run(local, run)
        else:
            self._send(local, *run)

    def _send(self, local: int, payload: bytes, size: int, receivers: ReceiverSet, slot: int, stop: int) -> None:
        vector = receivers.prepared
        if type(vector) is not _Vector:
            vector = self._vector(receivers)
        if payload is not self._loaded:
            self._load(payload, size)
        segments = -(-len(payload) // size) if size < len(payload) else 1
        messages = vector.trains if segments > 1 else vector.plain
        fd = self._sockets[local].fileno()
        refused = -1
        while slot < stop:
            count = self._sendmmsg(fd, messages + slot * MMSGHDR_SIZE, min(stop - slot, MAX_MESSAGES), DONT_WAIT)
            if count > 0:
                self.sent += count * segments
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
            if segments > 1 and error in _TRAIN_REFUSALS:
                refusing = slot % len(receivers.addresses)
                vector.refusing.add(refusing)
                self._send_singly([payload[at : at + size] for at in range(0, len(payload), size)], receivers, refusing)
                self._load(payload, size)
            else:
                self.lose(error, segments)
            slot += 1

    def _send_alone(self, datagram: bytes, receivers: ReceiverSet, skip: int) -> None:
        """Do the same with less for a datagram that goes alone, where nothing waits."""
        count = len(receivers.addresses)
        if len(receivers.groups) != 1 or count == 1 or (self.has_backlogs and self.waiting):
            super().send((Transmission(datagram, receivers, skip),))
            return
        start, stop = (skip + 1, skip + count) if skip >= 0 else (0, count)
        local = receivers.addresses[0].local
        try:
            self._send(local, datagram, len(datagram), receivers, start, stop)
        except Blocked as blocked:
            self.postpone(local, Run(datagram, len(datagram), receivers, blocked.slot, stop))

    def _load(self, payload: bytes, size: int) -> None:
        """Put a payload where all vectors point to."""
        self._loaded = payload
        self._view[: len(payload)] = payload
        self._iov.length = len(payload)
        if size < len(payload):
            SEGMENT_SIZE.pack_into(self._control, SEGMENT_SIZE_OFFSET, size)

    def _send_train(self, train: Train) -> None:
        """Send a train to those who published none of it, and each publisher what is not its own."""
        receivers = train.receivers
        vector = receivers.prepared
        refusing = vector.refusing if isinstance(vector, _Vector) else ()
        skips = sorted({*train.skips, *refusing})
        self._send_all(b"".join(train.datagrams), train.size, receivers, skips)
        for slot in skips:
            others = [datagram for datagram, skip in zip(train.datagrams, train.skips, strict=True) if skip != slot]
            if slot < 0 or not others:
                continue
            if slot in refusing:
                self._send_singly(others, receivers, slot)
            else:
                self.dispatch(Run(b"".join(others), len(others[0]), receivers, slot, slot + 1))

    def _send_all(self, payload: bytes, size: int, receivers: ReceiverSet, skips: Sequence[int]) -> None:
        for start, stop in runs(receivers, skips):
            self.dispatch(Run(payload, size, receivers, start, stop))

    def _send_singly(self, datagrams: Iterable[bytes], receivers: ReceiverSet, slot: int) -> None:
        self.refused_trains += 1
        for datagram in datagrams:
            self.dispatch(Run(datagram, len(datagram), receivers, slot, slot + 1))

    def _vector(self, receivers: ReceiverSet) -> _Vector:
        names = [pack_sockaddr(address, self._sockets[address.local].family) for address in receivers.addresses]
        rounds = 2 if len(receivers.groups) == 1 else 1
        vector = receivers.prepared = _Vector(names, self._iov_address, self._control_address, rounds)
        return vector
