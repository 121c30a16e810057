"""A loopback port whose TCP connections go on to a server over a slow line, as the kernel's buffers make it one."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from mmap import mmap

from benchmarks.harness.processes import child

BUFFER = 4096
"""Bytes that the far end asks the kernel to hold, which holds twice as many, with what it counts in: as a modem."""
STEP = 0.01
READ = 65_536


class Throttle:
    """Tells a line, which is a process of its own, from when on it is slow."""

    def __init__(self) -> None:
        self._flag = mmap(-1, 1)

    @property
    def is_on(self) -> bool:
        """Whether it is slow."""
        return self._flag[0] != 0

    def turn_on(self) -> None:
        """Let the line be slow from now on."""
        self._flag[0] = 1


@contextmanager
def slow_line(
    target: tuple[str, int], bits_per_second: float, throttle: Throttle | None = None
) -> Iterator[tuple[str, int]]:
    """Carry connections to ``target``; what comes back from there is read at a limited rate. Gives its address.

    Each connection has the rate for itself. With a ``throttle`` there is no limit before that is on.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, child(partial(_accept, listener, target, bits_per_second / 8, throttle)):
        yield listener.getsockname()[:2]


def _accept(listener: socket.socket, target: tuple[str, int], rate: float, throttle: Throttle | None) -> None:
    while True:
        near, _ = listener.accept()
        threading.Thread(target=_carry, args=(near, target, rate, throttle), daemon=True).start()


def _carry(near: socket.socket, target: tuple[str, int], rate: float, throttle: Throttle | None) -> None:
    with near, socket.socket() as far:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        far.connect(target)
        while throttle is not None and not throttle.is_on:
            ready, _, _ = select.select([near, far], [], [], STEP)
            if not all(_pass(sock, far if sock is near else near, READ) for sock in ready):
                return
        credit, last = 0.0, time.monotonic()
        while True:
            now = time.monotonic()
            credit, last = credit + rate * (now - last), now
            ready, _, _ = select.select([near, far] if credit >= 1 else [near], [], [], STEP)
            if credit >= 1 and far not in ready:
                # An idle line saves nothing. One that is not keeps its rate, however busy the machine.
                credit = min(credit, rate * 2 * STEP)
            if near in ready and not _pass(near, far, READ):
                return
            if far in ready:
                size = _pass(far, near, int(credit))
                if not size:
                    return
                credit -= size
                time.sleep(STEP)


def _pass(source: socket.socket, sink: socket.socket, most: int) -> int:
    """Pass some bytes on; return how many, 0 where the connection has ended."""
    try:
        data = source.recv(most)
        sink.sendall(data)
    except OSError:
        return 0
    return len(data)
