"""Readers: datagrams from a socket, many at a time."""

from __future__ import annotations

import ctypes
import socket
from typing import Literal, Protocol

from tcproto.datagram import MAX_DATAGRAM
from tcserver.media.interface import Address
from tcserver.media.udp.native import (
    CONTROL_LENGTH_OFFSET,
    DONT_WAIT,
    GRO_CONTROL_SIZE,
    GRO_SIZE_OFFSET,
    LENGTH_OFFSET,
    MMSGHDR_SIZE,
    SOCKADDR_SIZE,
    SOL_UDP,
    UDP_GRO,
    Iovec,
    load,
    message,
    parse_sockaddr,
)
from tcserver.media.udp.offload import can_receive_trains

ReceiverName = Literal["auto", "gro", "recvmmsg", "recvfrom"]
BATCH = 48
"""Messages in one batch: as many as fill a train, if each is a single datagram."""
BUFFER_SIZE = MAX_DATAGRAM + 1
"""A datagram that is longer than allowed is cut off here, and is still too long then."""
TRAIN_BUFFER_SIZE = 65_536 + 4_160
"""Holds any message. Not a power of two, or the beginnings of all buffers would share a few lines of the cache."""
MAX_KNOWN_ADDRESSES = 4096
"""Addresses kept in parsed form; when there are more, all are forgotten."""


class Reader(Protocol):
    """Reads one non-blocking socket."""

    drained: bool
    """Whether the last batch was all that waited."""

    def read(self) -> list[tuple[bytes, Address]]:
        """Return the datagrams of at most ``BATCH`` messages; an empty list if none wait."""
        ...


def make_reader(name: ReceiverName, sock: socket.socket, lane: int, size: int, known: dict[bytes, Address]) -> Reader:
    """Return a reader of a socket with the system calls that ``name`` says; the other parameters: see ``VectorReader``.

    ``auto`` takes the fastest that work here; raises ``OSError`` where those of another name do not.
    """
    trains = name in ("auto", "gro") and can_receive_trains()
    if name == "gro" and not trains:
        raise OSError("the kernel does not receive trains (UDP_GRO)")
    if name != "recvfrom":
        try:
            return VectorReader(sock, lane, trains, size, known)
        except OSError:
            if name != "auto":
                raise
    return PlainReader(sock, lane, size)


class PlainReader:
    """Reads with ``recvfrom_into``, and cuts off what is longer than ``size`` bytes. Works everywhere."""

    def __init__(self, sock: socket.socket, lane: int, size: int = BUFFER_SIZE) -> None:
        self.drained = True
        self._socket = sock
        self._lane = lane
        self._buffer = bytearray(size)

    def read(self) -> list[tuple[bytes, Address]]:
        """Return at most ``BATCH`` datagrams."""
        batch: list[tuple[bytes, Address]] = []
        self.drained = False
        for _ in range(BATCH):
            try:
                size, address = self._socket.recvfrom_into(self._buffer)
            except BlockingIOError:
                self.drained = True
                break
            except OSError:
                # The error is of a datagram that was sent earlier. Reading it clears it.
                continue
            batch.append((bytes(self._buffer[:size]), Address(self._lane, address[0], address[1])))
        return batch


class VectorReader:
    """Reads with ``recvmmsg``, and cuts off what is longer than ``size`` bytes.

    Raises ``OSError`` where the platform does not have the call.

    With ``trains`` the kernel hands over datagrams that came in a row as one message, which is cut apart here. Raises
    ``OSError`` where it does not do that. An address is the same object each time, also in all readers that share
    ``known``.
    """

    def __init__(
        self,
        sock: socket.socket,
        lane: int,
        trains: bool = False,
        size: int = BUFFER_SIZE,
        known: dict[bytes, Address] | None = None,
    ) -> None:
        self.drained = True
        self._recvmmsg = load("recvmmsg")
        if trains:
            sock.setsockopt(SOL_UDP, UDP_GRO, 1)
        self._socket = sock
        self._lane = lane
        self._known = {} if known is None else known
        self._most = size
        size = TRAIN_BUFFER_SIZE if trains else size
        control_size = GRO_CONTROL_SIZE if trains else 0
        self._data = ctypes.create_string_buffer(BATCH * size)
        self._names = ctypes.create_string_buffer(BATCH * SOCKADDR_SIZE)
        self._controls = ctypes.create_string_buffer(BATCH * GRO_CONTROL_SIZE)
        data, names, controls = map(ctypes.addressof, (self._data, self._names, self._controls))
        self._iovs = (Iovec * BATCH)(*(Iovec(data + i * size, size) for i in range(BATCH)))
        iovs = ctypes.addressof(self._iovs)
        self._control_size = control_size
        messages = b"".join(
            message(
                names + i * SOCKADDR_SIZE,
                SOCKADDR_SIZE,
                iovs + i * ctypes.sizeof(Iovec),
                controls + i * GRO_CONTROL_SIZE,
                control_size,
            )
            for i in range(BATCH)
        )
        self._messages = ctypes.create_string_buffer(messages, len(messages))
        self._address = ctypes.addressof(self._messages)
        data_view, name_view = memoryview(self._data).cast("B"), memoryview(self._names).cast("B")
        # Slices are made once: each costs as much as the copy of a datagram.
        self._data_cells = [data_view[at : at + size] for at in range(0, BATCH * size, size)]
        self._name_cells = [name_view[at : at + SOCKADDR_SIZE] for at in range(0, BATCH * SOCKADDR_SIZE, SOCKADDR_SIZE)]
        table = memoryview(self._messages).cast("B")
        # Columns of the tables that the kernel writes.
        self._lengths = table.cast("I")[LENGTH_OFFSET // 4 :: MMSGHDR_SIZE // 4]
        self._control_lengths = table.cast("P")[CONTROL_LENGTH_OFFSET // 8 :: MMSGHDR_SIZE // 8]
        self._sizes = memoryview(self._controls).cast("B").cast("i")[GRO_SIZE_OFFSET // 4 :: GRO_CONTROL_SIZE // 4]

    def read(self) -> list[tuple[bytes, Address]]:
        """Return the datagrams of at most ``BATCH`` messages."""
        batch: list[tuple[bytes, Address]] = []
        count = self._recvmmsg(self._socket.fileno(), self._address, BATCH, DONT_WAIT, None)
        self.drained = count < BATCH
        if count <= 0:
            return batch
        names, cells, known = self._name_cells, self._data_cells, self._known
        lengths, control_lengths, control_size = self._lengths, self._control_lengths, self._control_size
        for i in range(count):
            length, size = lengths[i], 0
            name = names[i].tobytes()
            address = known.get(name) or self._parse(name)
            if control_size:
                if control_lengths[i]:
                    size = self._sizes[i]
                # Here the kernel wrote how much it has used. For the next call it has to be how much it may use.
                control_lengths[i] = control_size
            if 0 < size < length:
                data = cells[i][:length]
                batch += [(data[at : at + size].tobytes(), address) for at in range(0, length, size)]
            else:
                batch.append((cells[i][: min(length, self._most)].tobytes(), address))
        return batch

    def _parse(self, name: bytes) -> Address:
        if len(self._known) >= MAX_KNOWN_ADDRESSES:
            self._known.clear()
        address = self._known[name] = parse_sockaddr(name, self._lane)
        return address
