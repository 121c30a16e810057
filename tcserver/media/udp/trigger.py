"""The socket of triggers of one family: what it sends is cloned to many receivers."""

from __future__ import annotations

import os
import socket
import struct

from tcserver.media.bpf.maps import Maps, Placed
from tcserver.media.bpf.program import CLONED, TRIGGER_PORT, UNSUITABLE
from tcserver.media.udp.binding import bind
from tcserver.media.udp.marking import Marking
from tcserver.media.udp.native import SEGMENT_SIZE, SOL_UDP, UDP_SEGMENT

BUFFER_BYTES = 1 << 20
"""Bytes asked of the kernel. One trigger is on its way at a time, and gone when the call returns."""
_SO_COOKIE = 57


class NotCloned(Exception):
    """Nobody has got a clone of a trigger; says why."""


class TriggerSocket:
    """Sends triggers to ``target``, and tells what became of them. Raises ``OSError`` where it cannot be made.

    It is connected, so that the kernel need not look for the way each time. Where a clone comes from is said in the
    entry of its receiver, not by this socket.
    """

    def __init__(self, maps: Maps, source: str, target: str) -> None:
        (self.socket,) = bind([(source, 0)], BUFFER_BYTES)
        self.socket.connect((target, TRIGGER_PORT))
        self._maps = maps
        self._marking = Marking(self.socket)
        (self._cookie,) = struct.unpack("@Q", self.socket.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8))

    def close(self) -> None:
        """Close it; may be called again."""
        self.socket.close()

    def mark(self, size: int) -> None:
        """Mark clones of ``size`` bytes from now on."""
        self._marking.mark(size)

    def clone(self, payload: bytes, size: int, placed: Placed, first: int, count: int) -> tuple[int, int]:
        """Have a payload cloned, a train of datagrams of ``size`` bytes if it is longer, for ``count`` receivers.

        ``first`` is the index of the first of them; indices go round. Return how many clones were made, and the answer
        to the last. Raises ``NotCloned``.
        """
        maps = self._maps
        maps.arm(self._cookie, maps.put(placed), first, placed.count, count)
        try:
            if size < len(payload):
                self.socket.sendmsg([payload], [(SOL_UDP, UDP_SEGMENT, SEGMENT_SIZE.pack(size))])
            else:
                self.socket.send(payload)
        except OSError as error:
            maps.disarm()
            raise NotCloned(os.strerror(error.errno or 0)) from None
        cloned, answer, outcome = maps.written()
        if outcome == CLONED:
            return cloned, answer
        maps.disarm()
        self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # or the next one would be told of this one's fate
        if outcome == UNSUITABLE:
            raise NotCloned("the loopback device computes no checksums (ethtool -K lo tx on)")
        raise NotCloned("the program is not at the loopback device any more")
