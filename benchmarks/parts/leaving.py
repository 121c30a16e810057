"""What one datagram to many costs the sender, receive path of the loopback device included, with warm caches.

Single calls are measured, and the lower quartile of many counts. So other work on the machine changes little.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing

from benchmarks.harness.mmsg import Sink
from benchmarks.harness.report import BenchmarkError, Table
from tcserver.media import ReceiverSet, Transmission
from tcserver.media.bpf.fan_out import FanOut
from tcserver.media.interface import Address
from tcserver.media.lanes.sender import Sender
from tcserver.media.udp.binding import bind
from tcserver.media.udp.cloning import Cloning
from tcserver.media.udp.cloning_lane import make_cloning_lanes
from tcserver.media.udp.sendmmsg import make_lanes
from tcserver.media.udp.sendto import PlainLane

SIZE = 140
"""Bytes of a datagram of audio."""
TURNS, CALLS = 200, 10
"""Turns of both senders, and calls of each in a turn. After a turn receivers are emptied."""
BUFFER_BYTES = 1 << 20


def table(counts: Sequence[int]) -> Table:
    """Measure with so many receivers; return the table. Raises ``BenchmarkError``, ``OSError``."""
    rows = [(count, *asyncio.run(_measure(count))) for count in counts]
    title = f"Sending a datagram of {SIZE} bytes, us for each receiver (lower quartile of {TURNS * CALLS} calls)"
    return Table(title, ("receivers", "copies by the kernel", "sendmmsg", "ratio"), rows)


async def _measure(count: int) -> tuple[float, float, float]:
    with ExitStack() as stack:
        fan_out = stack.enter_context(closing(FanOut.open()))
        cloning = stack.enter_context(closing(Cloning(fan_out, asyncio.get_running_loop())))
        receivers = [stack.enter_context(sock) for sock in bind([("127.0.0.1", 0)] * count, BUFFER_BYTES)]
        first, second = (stack.enter_context(sock) for sock in bind([("127.0.0.1", 0)] * 2, BUFFER_BYTES))
        senders = [Sender(make_cloning_lanes(cloning, [first], _full)), Sender(make_lanes("auto", [second], _full))]
        addresses = [(number, Address(0, *sock.getsockname())) for number, sock in enumerate(receivers)]
        pairs = [(sender, ReceiverSet(addresses), list[float]()) for sender in senders]
        sink, arrived = Sink(), 0
        for _ in range(TURNS):
            for sender, to, times in pairs:
                for _ in range(CALLS):
                    transmissions = [Transmission(os.urandom(SIZE), to)]
                    start = time.perf_counter()
                    sender.send(transmissions)
                    times.append(time.perf_counter() - start)
            arrived += sum(sink.drain(sock.fileno()) for sock in receivers)
        if arrived != 2 * TURNS * CALLS * count:
            raise BenchmarkError(f"{arrived:,} of {2 * TURNS * CALLS * count:,} datagrams arrived")
        cloned, plain = (statistics.quantiles(times, n=4)[0] * 1e6 / count for *_, times in pairs)
        return cloned, plain, cloned / plain


def _full(lane: PlainLane) -> None:
    raise BenchmarkError("the buffer of a socket is full")
