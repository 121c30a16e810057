"""Reads the datagrams of a UDP socket, and tells when they came: by the kernel's stamps, where it makes them."""

from __future__ import annotations

import socket
import sys
import time
from struct import Struct

Datagram = tuple[bytes, float | None]
"""A datagram, and the monotonic second at which it came to this machine; None where the kernel does not tell."""
RECEIVE_SIZE = 2048
"""More than any datagram of the protocol. What fills it is too long, and is dropped later."""
MAX_BATCH = 128
"""Datagrams that are read at a time, so that other tasks get their turn."""
CONTROL_SIZE = 64
"""Bytes for the control messages of a datagram: more than a stamp takes."""
STEP = 0.001
"""Seconds by which the clocks come apart from one look to the next, from which the wall clock was set: perhaps between
a stamp and its reading. Where time is only made quicker or slower, both clocks are."""
_SO_TIMESTAMPNS = 35
"""Of Linux, which the socket module does not have: stamps by the wall clock, as ``timespec``."""
_TIMESPEC = Struct("@ll")


class ArrivalClock:
    """Turns stamps, which are by the wall clock, into monotonic seconds.

    A datagram came before it was read, and after the socket was last found empty. What is read after a step of the wall
    clock counts as come when it was read: a stamp that is too early would make the way look quicker than it is, and all
    that comes later late.
    """

    def __init__(self, wall: float, now: float) -> None:
        self._offset = now - wall
        self._empty_at = now

    def arrivals(self, stamps: list[float | None], wall: float, now: float) -> list[float]:
        """Return when datagrams with these stamps came, ``now`` where there is none.

        The clocks were read after the datagrams, ``wall`` first: who is interrupted between them sees a step.
        """
        offset = now - wall
        is_steady = abs(offset - self._offset) < STEP
        self._offset = offset
        return [
            now if stamp is None or not is_steady else min(max(stamp + offset, self._empty_at), now) for stamp in stamps
        ]

    def found_empty(self, at: float) -> None:
        """All has been read that had come by then."""
        self._empty_at = at


class DatagramReader:
    """Reads a socket that does not block. Elsewhere than on Linux it does not tell when datagrams came."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._clock: ArrivalClock | None = None
        if sys.platform == "linux":
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._clock = ArrivalClock(time.time(), time.monotonic())

    def read(self) -> tuple[list[Datagram], int]:
        """Return what has come, at most ``MAX_BATCH``, and how many errors.

        An error is one of ICMP, of an earlier send, such as a closed port. A missing pong says the same.
        """
        sock, clock = self._socket, self._clock
        found: list[bytes] = []
        stamps: list[float | None] = []
        began, is_empty, failures = time.monotonic(), False, 0
        try:
            while len(found) < MAX_BATCH:
                if clock is None:
                    found.append(sock.recv(RECEIVE_SIZE))
                else:
                    data, control, _, _ = sock.recvmsg(RECEIVE_SIZE, CONTROL_SIZE)
                    found.append(data)
                    stamps.append(_stamp(control))
        except (BlockingIOError, InterruptedError):
            is_empty = True
        except OSError:
            failures = 1
        if clock is None:
            return [(data, None) for data in found], failures
        arrivals = clock.arrivals(stamps, time.time(), time.monotonic())
        if is_empty:
            clock.found_empty(began)
        return list(zip(found, arrivals, strict=True)), failures


def _stamp(control: list[tuple[int, int, bytes]]) -> float | None:
    """Return the stamp among control messages, in seconds since 1970."""
    for level, kind, value in control:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(value)
            return float(seconds + nanoseconds * 1e-9)
    return None
