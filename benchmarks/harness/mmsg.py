"""Many datagrams in one system call, prepared beforehand: what loads and drains faster than any server forwards."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Mapping, Sequence

from benchmarks.harness.report import BenchmarkError, Missing

SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
MESSAGE_SIZE = 64
MSG_WAITFORONE = 0x10000
_MESSAGE = struct.Struct("@PIPNPNi0PI0P")
_SEGMENT = struct.Struct("@NiiH6x")
_GRO_SPACE = 24
_BUFFER = 65_536


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _load() -> tuple[ctypes._NamedFuncPointer, ctypes._NamedFuncPointer]:
    if _MESSAGE.size != MESSAGE_SIZE:
        raise Missing("needs Linux on a machine of 64 bits")
    try:
        library = ctypes.CDLL(None, use_errno=True)
        send, receive = library.sendmmsg, library.recvmmsg
    except (AttributeError, OSError, TypeError):
        raise Missing("needs sendmmsg and recvmmsg, which only Linux has") from None
    send.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
    receive.argtypes = [*send.argtypes, ctypes.c_void_p]
    return send, receive


def pack_address(address: tuple[str, int]) -> bytes:
    """Return the socket address of IPv4."""
    return struct.pack("=HH4s8x", socket.AF_INET, socket.htons(address[1]), socket.inet_aton(address[0]))


class DatagramBatch:
    """Messages from one socket to one address, ready to be sent any part at a time.

    With ``train`` each message is that many datagrams of one size (UDP_SEGMENT).
    """

    def __init__(
        self, sock: socket.socket, target: tuple[str, int], datagrams: Sequence[bytes], train: int = 1
    ) -> None:
        self._send, _ = _load()
        self._fd = sock.fileno()
        self.per_message = train
        payloads = [b"".join(datagrams[at : at + train]) for at in range(0, len(datagrams), train)]
        self.size = len(payloads)
        """Messages."""
        size = len(datagrams[0])
        self._name = ctypes.create_string_buffer(pack_address(target), 16)
        self._control = ctypes.create_string_buffer(_SEGMENT.pack(18, SOL_UDP, UDP_SEGMENT, size), _SEGMENT.size)
        control = (ctypes.addressof(self._control), _SEGMENT.size) if train > 1 else (0, 0)
        self._data = ctypes.create_string_buffer(b"".join(payloads))
        self._iovs = (_Iovec * self.size)()
        at, iovs, messages = ctypes.addressof(self._data), ctypes.addressof(self._iovs), []
        for i, payload in enumerate(payloads):
            self._iovs[i] = _Iovec(at, len(payload))
            at += len(payload)
            messages.append(_MESSAGE.pack(ctypes.addressof(self._name), 16, iovs + 16 * i, 1, *control, 0, 0))
        self._messages = ctypes.create_string_buffer(b"".join(messages))
        self._address = ctypes.addressof(self._messages)

    def fire(self, start: int, stop: int) -> int:
        """Send the messages from ``start`` to before ``stop``; return where that ended."""
        while start < stop:
            count = self._send(self._fd, self._address + start * MESSAGE_SIZE, stop - start, 0)
            if count <= 0:
                raise BenchmarkError(f"cannot send: error {ctypes.get_errno()}")
            start += count
        return start


class Sink:
    """Takes what waits at sockets, without looking at it."""

    BATCH = 256

    def __init__(self) -> None:
        _, self._receive = _load()
        self._byte = ctypes.create_string_buffer(1)
        self._iov = _Iovec(ctypes.addressof(self._byte), 1)
        message = _MESSAGE.pack(0, 0, ctypes.addressof(self._iov), 1, 0, 0, 0, 0)
        self._messages = ctypes.create_string_buffer(message * self.BATCH)
        self._address = ctypes.addressof(self._messages)

    def drain(self, fd: int) -> int:
        """Return how many datagrams waited."""
        total = 0
        while True:
            count = self._receive(fd, self._address, self.BATCH, socket.MSG_DONTWAIT, None)
            if count > 0:
                total += count
            if count < self.BATCH:
                return total


class Relay:
    """The floor: what the kernel alone needs to bring datagrams from one socket to many, with no protocol around it.

    ``rooms`` has for each id in the header (bytes 2 to 5) the addresses that get the datagram. With ``trains`` what
    came together and is of one size leaves as trains, and comes as such.
    """

    BATCH = 48

    def __init__(self, sock: socket.socket, rooms: Mapping[bytes, Sequence[tuple[str, int]]], trains: bool) -> None:
        self._send, self._receive = _load()
        self._fd = sock.fileno()
        self._trains = trains
        if trains:
            sock.setsockopt(SOL_UDP, UDP_GRO, 1)
        self._out = ctypes.create_string_buffer(_BUFFER)
        self._iov = _Iovec(ctypes.addressof(self._out), 0)
        self._segment = ctypes.create_string_buffer(_SEGMENT.pack(18, SOL_UDP, UDP_SEGMENT, 0), _SEGMENT.size)
        self._keep: list[object] = []
        vectors: dict[int, tuple[int, int, int]] = {}
        self._rooms = {}
        for ident, addresses in rooms.items():
            if id(addresses) not in vectors:
                vectors[id(addresses)] = self._vectors(addresses)
            self._rooms[ident] = vectors[id(addresses)]
        # Not a power of two apart, or all buffers would share a few lines of the cache.
        self._stride = _BUFFER + 4160
        self._in = ctypes.create_string_buffer(self.BATCH * self._stride)
        self._controls = ctypes.create_string_buffer(self.BATCH * _GRO_SPACE)
        self._iovs = (_Iovec * self.BATCH)(
            *(_Iovec(ctypes.addressof(self._in) + i * self._stride, _BUFFER) for i in range(self.BATCH))
        )
        self._fresh = b"".join(
            _MESSAGE.pack(
                0,
                0,
                ctypes.addressof(self._iovs) + 16 * i,
                1,
                ctypes.addressof(self._controls) + i * _GRO_SPACE,
                _GRO_SPACE if trains else 0,
                0,
                0,
            )
            for i in range(self.BATCH)
        )
        self._messages = ctypes.create_string_buffer(self._fresh, len(self._fresh))

    def run(self) -> None:
        """Relay for ever."""
        address, view = ctypes.addressof(self._messages), memoryview(self._in).cast("B")
        table = memoryview(self._messages).cast("B").cast("I")
        lengths, controls = table[56 // 4 :: 16], table[40 // 4 :: 16]
        sizes = memoryview(self._controls).cast("B").cast("i")[16 // 4 :: _GRO_SPACE // 4]
        start = ctypes.addressof(self._in)
        while True:
            count = self._receive(self._fd, address, self.BATCH, MSG_WAITFORONE, None)
            waiting: dict[tuple[int, int, int], list[tuple[int, int, int]]] = {}
            for i in range(count):
                at, length = i * self._stride, lengths[i]
                vectors = self._rooms.get(bytes(view[at + 2 : at + 6]))
                if vectors is None:
                    continue
                size = sizes[i] if controls[i] else length
                if self._trains:
                    waiting.setdefault(vectors, []).append((start + at, length, size))
                else:
                    self._deliver(vectors, start + at, length, length)
            for vectors, messages in waiting.items():
                self._deliver_trains(vectors, messages)
            if self._trains:
                ctypes.memmove(address, self._fresh, count * MESSAGE_SIZE)

    def _deliver_trains(self, vectors: tuple[int, int, int], messages: list[tuple[int, int, int]]) -> None:
        first, length, size = messages[0]
        if len(messages) == 1:
            self._deliver(vectors, first, length, size)
            return
        out, filled = ctypes.addressof(self._out), 0
        for at, length, other in messages:
            if filled and (other != size or filled % size or filled + length > 48 * size or filled + length > 65_507):
                self._deliver(vectors, out, filled, size)
                filled = 0
            size = other
            ctypes.memmove(out + filled, at, length)
            filled += length
        self._deliver(vectors, out, filled, size)

    def _deliver(self, vectors: tuple[int, int, int], at: int, length: int, size: int) -> None:
        plain, trains, stop = vectors
        self._iov.base, self._iov.length = at, length
        messages = plain
        if size < length:
            struct.pack_into("@H", self._segment, 16, size)
            messages = trains
        done = 0
        while done < stop:
            count = self._send(self._fd, messages + done * MESSAGE_SIZE, stop - done, 0)
            if count <= 0:
                raise BenchmarkError(f"the relay cannot send: error {ctypes.get_errno()}")
            done += count

    def _vectors(self, addresses: Sequence[tuple[str, int]]) -> tuple[int, int, int]:
        names = ctypes.create_string_buffer(b"".join(map(pack_address, addresses)))
        name, iov = ctypes.addressof(names), ctypes.addressof(self._iov)
        segment = ctypes.addressof(self._segment)
        plain, trains = (
            ctypes.create_string_buffer(
                b"".join(_MESSAGE.pack(name + 16 * i, 16, iov, 1, *control, 0, 0) for i in range(len(addresses)))
            )
            for control in ((0, 0), (segment, _SEGMENT.size))
        )
        self._keep += [names, plain, trains]
        return ctypes.addressof(plain), ctypes.addressof(trains), len(addresses)
