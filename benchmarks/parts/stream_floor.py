"""What the kernel alone needs to write to many streams, as often as a server does: no TLS, no frames, no queue."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from functools import partial

from benchmarks.harness.processes import child, pin
from benchmarks.harness.stream_client import drain


def floor(streams: int, size: int, interval: float, seconds: float, rest: float) -> float:
    """Return the seconds of processor of a write of ``size`` bytes to one of so many TCP connections.

    All get one every ``interval`` seconds. A process beside reads what comes every ``rest`` seconds.
    """
    data = bytes(size)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=streams))
        near, far = [], []
        for _ in range(streams):
            far.append(stack.enter_context(socket.create_connection(listener.getsockname())))
            near.append(stack.enter_context(listener.accept()[0]))
            near[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for sock in far:
            sock.setblocking(False)
        reader = stack.enter_context(child(partial(drain, [sock.fileno() for sock in far], rest, time.sleep)))
        pin(reader, 1)
        pin(0, 0)
        due, end = time.monotonic(), time.monotonic() + seconds
        used, writes = 0.0, 0
        while due < end:
            began = time.thread_time()
            for sock in near:
                sock.sendall(data)
            used += time.thread_time() - began
            writes += streams
            due += interval
            time.sleep(max(0.0, due - time.monotonic()))
        pin(0, 1)
    return used / writes
