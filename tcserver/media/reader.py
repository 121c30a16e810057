"""Readers: datagrams from a socket, many at a time."""

from __future__ import annotations

import ctypes
import socket
from typing import Protocol

from tcproto.datagram import MAX_DATAGRAM
from tcserver.media.native import LENGTH_OFFSET, MMSGHDR_SIZE, SOCKADDR_SIZE, Iovec, load, message, parse_sockaddr
from tcserver.plane import Address

BATCH = 64
"""Datagrams in one batch: more do not make one cheaper."""
BUFFER_SIZE = MAX_DATAGRAM + 1
"""Whatever is longer than a datagram may be is cut off here, and still too long."""
MAX_KNOWN_ADDRESSES = 4096
"""Addresses kept in parsed form; when there are more, all are forgotten."""


class Reader(Protocol):
    """Reads one non-blocking socket."""

    def read(self) -> list[tuple[bytes, Address]]:
        """Return at most ``BATCH`` datagrams, none where none wait."""
        ...


class PlainReader:
    """Reads with ``recvfrom_into``. Works everywhere."""

    def __init__(self, sock: socket.socket, local: int) -> None:
        self._socket = sock
        self._local = local
        self._buffer = bytearray(BUFFER_SIZE)

    def read(self) -> list[tuple[bytes, Address]]:
        """Return at most ``BATCH`` datagrams."""
        batch: list[tuple[bytes, Address]] = []
        for _ in range(BATCH):
            try:
                size, address = self._socket.recvfrom_into(self._buffer)
            except BlockingIOError:
                break
            except OSError:
                # An error of a datagram that was sent earlier; reading it clears it.
                continue
            batch.append((bytes(self._buffer[:size]), Address(self._local, address[0], address[1])))
        return batch


class VectorReader:
    """Reads with ``recvmmsg``; raises ``OSError`` where the platform does not have it."""

    def __init__(self, sock: socket.socket, local: int) -> None:
        self._recvmmsg = load("recvmmsg")
        self._socket = sock
        self._local = local
        self._known: dict[bytes, Address] = {}
        # The kernel writes the length of each name, always that of the socket's family, so it needs no reset.
        self._data = ctypes.create_string_buffer(BATCH * BUFFER_SIZE)
        self._names = ctypes.create_string_buffer(BATCH * SOCKADDR_SIZE)
        data, names = ctypes.addressof(self._data), ctypes.addressof(self._names)
        self._iovs = (Iovec * BATCH)(*(Iovec(data + i * BUFFER_SIZE, BUFFER_SIZE) for i in range(BATCH)))
        iovs = ctypes.addressof(self._iovs)
        messages = b"".join(
            message(names + i * SOCKADDR_SIZE, SOCKADDR_SIZE, iovs + i * ctypes.sizeof(Iovec)) for i in range(BATCH)
        )
        self._messages = ctypes.create_string_buffer(messages, len(messages))
        self._address = ctypes.addressof(self._messages)
        self._data_view = memoryview(self._data).cast("B")
        self._name_view = memoryview(self._names).cast("B")
        self._lengths = memoryview(self._messages).cast("B").cast("I")

    def read(self) -> list[tuple[bytes, Address]]:
        """Return at most ``BATCH`` datagrams."""
        count = self._recvmmsg(self._socket.fileno(), self._address, BATCH, socket.MSG_DONTWAIT, None)
        data, names, lengths = self._data_view, self._name_view, self._lengths
        batch = []
        for i in range(count):
            start = i * BUFFER_SIZE
            name = bytes(names[i * SOCKADDR_SIZE : (i + 1) * SOCKADDR_SIZE])
            length = lengths[(i * MMSGHDR_SIZE + LENGTH_OFFSET) // 4]
            batch.append((bytes(data[start : start + length]), self._known.get(name) or self._parse(name)))
        return batch

    def _parse(self, name: bytes) -> Address:
        if len(self._known) >= MAX_KNOWN_ADDRESSES:
            self._known.clear()
        address = self._known[name] = parse_sockaddr(name, self._local)
        return address
