"""When datagrams reach a socket, by the kernel's clock: nobody has to be woken up for it; Linux only."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

SO_TIMESTAMPNS = 35
"""Of ``asm-generic/socket.h``, which the ``socket`` module leaves out."""
_TIME = struct.Struct("@qq")
_RECORD = struct.Struct("=HQH")
_MAX_DATAGRAM = 2048
_CONTROL_BYTES = 256


class Stamp(NamedTuple):
    """An arrival."""

    socket: int
    """Index of the socket."""
    at: int
    """ns of the wall clock (``time.time_ns``)."""
    data: bytes


def note_times(sock: socket.socket) -> None:
    """Have the kernel note when datagrams arrive."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def take(index: int, sock: socket.socket) -> Iterator[Stamp]:
    """Take what waits at a socket; what arrived before the kernel took times is thrown away."""
    while True:
        try:
            data, controls, _, _ = sock.recvmsg(_MAX_DATAGRAM, _CONTROL_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        for level, kind, value in controls:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = _TIME.unpack(value)
                yield Stamp(index, seconds * 1_000_000_000 + nanoseconds, data)


def pack(stamp: Stamp) -> bytes:
    """Return a record for ``unpack``."""
    return _RECORD.pack(stamp.socket, stamp.at, len(stamp.data)) + stamp.data


def unpack(records: bytes) -> Iterator[Stamp]:
    """Go through records in a row."""
    at = 0
    while at < len(records):
        index, moment, length = _RECORD.unpack_from(records, at)
        at += _RECORD.size + length
        yield Stamp(index, moment, records[at - length : at])
