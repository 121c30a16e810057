"""Captures UDP on the loopback interface: sizes of what really crossed it."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from struct import unpack_from
from types import TracebackType
from typing import NamedTuple, Self

ETH_P_IP = 0x0800
_ETHERNET = 14
_UDP = 17
_RECEIVE_BYTES = 16 << 20
"""Of the capturing socket: a second of a large conference, should the thread be late."""
_SNAP = 64
"""Bytes kept of each frame: all headers and the first byte of the payload."""


class Datagram(NamedTuple):
    """What is counted of a datagram."""

    upward: bool
    """Whether it goes to the server."""
    kind: int
    """Low 4 bits of its first byte: see ``tcproto.datagram.Kind``."""
    size: int
    """Bytes of UDP payload."""


class LoopbackCapture:
    """Counts the datagrams from and to one port while it is entered; raises ``PermissionError`` without CAP_NET_RAW.

    The port may be set later: until then, nothing is counted.
    """

    def __init__(self) -> None:
        self.port: int | None = None
        self.counts: Counter[Datagram] = Counter()
        self._open = False

    def __enter__(self) -> Self:
        # of one protocol only: with all of them (ETH_P_ALL) loopback would show each datagram twice
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        self._socket.bind(("lo", ETH_P_IP))
        self._socket.settimeout(0.2)
        self._open = True
        self._thread = threading.Thread(target=self._run, name="capture")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        self._thread.join()
        self._socket.close()

    def count(self, frame: bytes) -> None:
        """Count a frame if it holds a datagram from or to the port."""
        ip = _ETHERNET
        if frame[ip] >> 4 != 4 or frame[ip + 9] != _UDP:
            return
        udp = ip + 4 * (frame[ip] & 15)
        source, target, length = unpack_from(">HHH", frame, udp)
        size = length - 8
        if size > 0 and self.port in {source, target}:
            self.counts[Datagram(target == self.port, frame[udp + 8] & 15, size)] += 1

    def _run(self) -> None:
        while self._open:
            try:
                frame = self._socket.recv(_SNAP)
            except TimeoutError:
                continue
            if self.port is not None:
                self.count(frame)
