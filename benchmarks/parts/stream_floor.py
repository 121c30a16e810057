"""What the kernel needs to write to many streams as often as a server does, alone and with TLS: no frames, no queue."""

from __future__ import annotations

import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from benchmarks.harness.processes import child, pin
from benchmarks.harness.stream_client import drain, trusting
from tcserver.web.certificates.keeper import SelfSigned
from tcserver.web.tls import TlsLayer


def floor(streams: int, size: int, interval: float, seconds: float, rest: float, *, tls: bool = False) -> float:
    """Return the seconds of processor of a write of ``size`` bytes to one of so many TCP connections.

    All get one every ``interval`` seconds, sealed by the ``tls`` of each. A process beside reads what comes every
    ``rest`` seconds.
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
        seals = _seals(streams) if tls else [bytes] * streams
        ways = list(zip(near, seals, strict=True))
        reader = stack.enter_context(child(partial(drain, [sock.fileno() for sock in far], rest, time.sleep)))
        pin(reader, 1)
        pin(0, 0)
        due, end = time.monotonic(), time.monotonic() + seconds
        used, writes = 0.0, 0
        while due < end:
            began = time.thread_time()
            for sock, seal in ways:
                sock.sendall(seal(data))
            used += time.thread_time() - began
            writes += streams
            due += interval
            time.sleep(max(0.0, due - time.monotonic()))
        pin(0, 1)
    return used / writes


def _seals(streams: int) -> list[Callable[[bytes], bytes]]:
    """Return what seals for each of so many streams, as a server does after the handshake."""
    with tempfile.TemporaryDirectory(prefix="tcbench-") as folder:
        context = SelfSigned(Path(folder) / "web.pem", ["localhost"]).load(time.time())[0]
    outgoing, trust = ssl.MemoryBIO(), trusting()
    layers = [TlsLayer(context, outgoing) for _ in range(streams)]
    for layer in layers:
        incoming, answers = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trust.wrap_bio(incoming, answers)
        while not layer.is_ready:
            with suppress(ssl.SSLWantReadError):
                client.do_handshake()
            layer.receive_data(answers.read(), 0.0)
            incoming.write(layer.data_to_send())
    return [layer.seal for layer in layers]
