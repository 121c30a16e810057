"""A load on a server at given times, and what became of each datagram: delivery, processor, latency of some receivers.

Latency is from just before the system call that sends to the kernel's time of arrival at the receiver's socket: no
receiver is woken for it. Both are of this machine's wall clock.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.harness import kernel_timestamps
from benchmarks.harness.load import LATE, LATENESS, POLL, draining, settle
from benchmarks.harness.media_client import PROOF_LIMIT, MediaClient
from benchmarks.harness.mmsg import DatagramBatch
from benchmarks.harness.processes import PROCESSORS, pin_server, usage
from benchmarks.harness.report import BenchmarkError
from benchmarks.harness.server import Server
from tcproto.datagram import Item, ItemType


class Part(NamedTuple):
    """What one sender sends: its messages, each of some packets, and when, in seconds from the start."""

    seat: MediaClient
    packets: Sequence[bytes]
    train: int
    times: Sequence[float]
    item: ItemType = ItemType.PACKET
    """What they are, where they are no packets: nobody else gets them."""


class Outcome(NamedTuple):
    """What became of a load."""

    sent: int
    """Datagrams."""
    delivered: float
    """Share of those that should arrive, over all receivers."""
    seconds: float
    cpu: float
    """Share of a core that the server took."""
    each: tuple[float, ...]
    """The same of each process: the server, then its workers."""
    waited: float
    """Share of the time that the process which waited most could have run, had others not."""
    late: float
    """Share of messages that the generator sent too late."""
    latencies: list[list[float]]
    """Seconds, by watched receiver, in any order."""
    arrived: int = 0
    """Datagrams at all receivers."""


def evenly(rate: float, seconds: float, offset: float = 0.0) -> list[float]:
    """Return times at a rate, the first at ``offset`` periods."""
    return [(n + offset) / rate for n in range(int(seconds * rate))]


def by_chance(rate: float, seconds: float, rng: random.Random) -> list[float]:
    """Return times of a Poisson process, as of many independent senders."""
    times, now = [], rng.expovariate(rate)
    while now < seconds:
        times.append(now)
        now += rng.expovariate(rate)
    return times


def order(
    sender: MediaClient, packet: bytes, receivers: Sequence[MediaClient], target: tuple[str, int]
) -> list[MediaClient]:
    """Return the receivers in the order in which a datagram reaches them; raises ``BenchmarkError``."""
    for seat in receivers:
        kernel_timestamps.note_times(seat.socket)
    sender.socket.sendto(sender.up(Item(ItemType.PACKET, packet)), target)
    arrivals: dict[int, int] = {}
    limit = time.monotonic() + PROOF_LIMIT
    while len(arrivals) < len(receivers):
        if time.monotonic() > limit:
            raise BenchmarkError(f"a datagram reached {len(arrivals)} of {len(receivers)} receivers")
        time.sleep(POLL)
        arrivals |= {
            stamp.socket: stamp.at
            for i, seat in enumerate(receivers)
            for stamp in kernel_timestamps.take(i, seat.socket)
            if seat.forwarded(stamp.data) == packet
        }
    return [receivers[i] for i in sorted(arrivals, key=arrivals.__getitem__)]


def carry_out(
    server: Server,
    parts: Sequence[Part],
    everybody: Sequence[MediaClient],
    watched: Sequence[MediaClient],
    before_opening: Callable[[], None] = lambda: None,
) -> Outcome:
    """Send all parts, each to everybody but its sender; raises ``BenchmarkError``.

    ``before_opening`` is called before what came is opened, so that those watched can take keys.
    """
    batches, plan = _batches(server, parts)
    if not plan:
        raise BenchmarkError("too short for a single datagram")
    others = [seat for seat in everybody if seat not in watched]
    for seat in watched:
        kernel_timestamps.note_times(seat.socket)
    pid = server.process.pid
    pin_server(pid)
    with tempfile.TemporaryFile(buffering=0) as file:

        def take() -> None:
            for i, seat in enumerate(watched):
                os.write(file.fileno(), b"".join(map(kernel_timestamps.pack, kernel_timestamps.take(i, seat.socket))))

        with draining(others, take) as counts:

            def progress() -> int:
                return sum(counts) + os.fstat(file.fileno()).st_size

            settle(progress)  # what came before is taken
            file.truncate(0)
            file.seek(0)
            before, start = sum(counts), usage(pid)
            began = time.monotonic()
            sent_at, late = _send(batches, plan)
            seconds = time.monotonic() - began
            settle(progress)
            used = usage(pid).since(start)
            arrived = sum(counts) - before
        file.seek(0)
        taken = list(kernel_timestamps.unpack(file.read()))
    times = {
        packet: sent_at[which, at // part.train]
        for which, part in enumerate(parts)
        for at, packet in enumerate(part.packets)
    }
    before_opening()
    latencies: list[list[float]] = [[] for _ in watched]
    for stamp in taken:
        packet = watched[stamp.socket].forwarded(stamp.data)
        if packet in times:
            latencies[stamp.socket].append((stamp.at - times[packet]) / 1e9)
    sent = sum(len(part.packets) for part in parts if part.item is ItemType.PACKET)
    expected = sent * (len(everybody) - 1)
    arrived += len(taken)
    share = arrived / expected
    each = tuple(cpu / seconds for cpu in used.cpu)
    return Outcome(sent, share, seconds, sum(each), each, max(used.waited) / seconds, late, latencies, arrived)


def remark(outcome: Outcome) -> str:
    """Return why a figure is not to be trusted, or nothing."""
    if outcome.late > LATE:
        return "the load came late"
    if outcome.waited <= LATE:
        return ""
    if len(outcome.each) > PROCESSORS:
        return f"the load shares the workers' processors: one waited {outcome.waited:.0%} of the time"
    return "the machine was busy otherwise"


Plan = list[tuple[float, int, int]]
"""When, which batch, which of its messages; in order."""


def _batches(server: Server, parts: Sequence[Part]) -> tuple[list[DatagramBatch], Plan]:
    plan = sorted((at, which, message) for which, part in enumerate(parts) for message, at in enumerate(part.times))
    datagrams: list[list[bytes]] = [[] for _ in parts]
    # In the order of sending: what a seat sends in two parts must not fall out of the server's replay window.
    for _, which, message in plan:
        seat, packets, train, _, item = parts[which]
        datagrams[which] += [seat.up(Item(item, packet)) for packet in packets[message * train : (message + 1) * train]]
    batches = [
        DatagramBatch(part.seat.socket, server.address, sealed, part.train)
        for part, sealed in zip(parts, datagrams, strict=True)
    ]
    return batches, plan


def _send(batches: Sequence[DatagramBatch], plan: Plan) -> tuple[dict[tuple[int, int], int], float]:
    """Return the time of each message, in ns of the wall clock, and the share of late ones."""
    sent_at, late = {}, 0
    start = time.monotonic()
    for due, which, message in plan:
        wait = start + due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        elif wait < -LATENESS:
            late += 1
        sent_at[which, message] = time.time_ns()
        batches[which].fire(message, message + 1)
    return sent_at, late / max(1, len(plan))


def quantile(values: Sequence[float], share: float) -> float:
    """Return a value that this share of them keeps; raises ``BenchmarkError`` without any."""
    if not values:
        raise BenchmarkError("nothing arrived at a watched receiver")
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
