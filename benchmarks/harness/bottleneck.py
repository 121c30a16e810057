"""One narrow link in virtual time, which flows share, each with a rate control of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import NamedTuple, Protocol

REPORT_INTERVAL = 0.1
"""Seconds between two reports of arrivals to a sender."""
LARGEST, SMALLEST = 1000, 160
"""Bytes of a packet; a flow sends one each 20 ms as long as they fit."""
SPACING = 0.02
TCP_SEGMENT = 1500
"""Bytes of a full TCP segment on the line."""
QUEUE = 0.3
"""Seconds that the queue holds, then it drops what comes (RFC 8867, section 4.1)."""

STALLED_EACH = 4.0
"""Seconds from one stall to the next."""


class Packet(NamedTuple):
    """What a sender learns of a packet."""

    sent: float
    arrived: float | None
    size: int
    """Bytes on the line."""


class Controller(Protocol):
    """The rate control of a sender."""

    @property
    def bitrate(self) -> float:
        """Bits per second to send."""

    @property
    def window(self) -> float:
        """Bytes that may be on the way without a report."""

    def report(self, now: float, packets: Sequence[Packet]) -> None:
        """Take a report of what has arrived, in the order in which it was sent."""


class Link(NamedTuple):
    """The narrow link."""

    capacity: Sequence[tuple[float, float]]
    """Bits per second from each time on, the first from 0."""
    queue: float = QUEUE
    jitter: float = 0.0
    """Seconds: each packet is delayed by |N(0, jitter)|, twice that at most, and overtakes none (RFC 8867, 3.2)."""
    loss: float = 0.0
    """Share that is lost behind the queue."""
    stall: float = 0.0
    """Seconds for which the link holds all that comes, each four seconds."""
    burst: float = 0.0
    """Bytes of the bucket of a policer that stands in the place of the queue; 0: there is none."""

    def at(self, time: float) -> float:
        """Return the capacity at a time."""
        return next(rate for start, rate in reversed(self.capacity) if time >= start)


@dataclass
class Flow:
    """A sender, and what its packets met with. One without a controller is a long TCP flow."""

    controller: Controller | None
    delay: float = 0.05
    """Seconds of each way."""
    start: float = 0.0
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """Time and size of what arrived."""
    waits: list[tuple[float, float, bool]] = field(default_factory=list)
    """Time of sending, seconds in the queue, whether it arrived, of each packet."""
    rates: list[tuple[float, float]] = field(default_factory=list)
    """The rate after each report."""

    def rate(self, start: float, end: float) -> float:
        """Return the bits per second that arrived in a span of time."""
        return sum(size for at, size in self.arrivals if start <= at < end) * 8 / (end - start)


class _Tcp:
    """The window of a long TCP flow (RFC 5681), in segments."""

    def __init__(self) -> None:
        self.window = 10.0
        self.in_flight = 0
        self._threshold = float("inf")
        self._recovered_at = 0.0

    def acknowledged(self) -> None:
        self.in_flight -= 1
        self.window += 1 if self.window < self._threshold else 1 / self.window

    def lost(self, sent: float, now: float) -> None:
        self.in_flight -= 1
        if sent >= self._recovered_at:  # once for all that was on the way
            self._recovered_at = now
            self.window = self._threshold = max(2.0, self.window / 2)


class _Run:
    def __init__(self, link: Link, flows: Sequence[Flow], seed: int) -> None:
        self._link = link
        self._random = Random(seed)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._free_at = 0.0
        self._tokens, self._filled_at = link.burst, 0.0
        for flow in flows:
            if flow.controller is None:
                self._tcp(flow)
            else:
                self._media(flow, flow.controller)

    def until(self, end: float) -> None:
        events = self._events
        while events and events[0][0] < end:
            now, _, act = heappop(events)
            act(now)

    def _at(self, time: float, act: Callable[[float], None]) -> None:
        heappush(self._events, (time, next(self._order), act))

    def _media(self, flow: Flow, controller: Controller) -> None:
        pending: list[tuple[float, Packet]] = []
        in_flight = 0
        last = 0.0

        def send(now: float) -> None:
            nonlocal last, in_flight
            size = int(max(SMALLEST, min(LARGEST, controller.bitrate * SPACING / 8)))
            if in_flight + size <= controller.window:
                in_flight += size
                known, arrived = self._through(flow, now, size, last)
                last = max(last, known)
                pending.append((known, Packet(now, arrived, size)))
            self._at(now + size * 8 / controller.bitrate, send)

        def report(now: float) -> None:
            nonlocal pending
            packets = [packet for known, packet in pending if known <= now]
            pending = [entry for entry in pending if entry[0] > now]
            if packets:
                self._at(now + flow.delay, lambda then: take(then, packets))
            self._at(now + REPORT_INTERVAL, report)

        def take(now: float, packets: Sequence[Packet]) -> None:
            nonlocal in_flight
            in_flight -= sum(packet.size for packet in packets)
            controller.report(now, packets)
            flow.rates.append((now, controller.bitrate))

        self._at(flow.start, send)
        self._at(flow.start + REPORT_INTERVAL, report)

    def _tcp(self, flow: Flow) -> None:
        tcp = _Tcp()
        last = 0.0

        def send(now: float) -> None:
            nonlocal last
            while tcp.in_flight < int(tcp.window):
                tcp.in_flight += 1
                known, arrived = self._through(flow, now, TCP_SEGMENT, last)
                last = max(last, known)
                if arrived is None:
                    self._at(known + flow.delay, lambda then: lost(then, now))
                else:
                    self._at(known + flow.delay, acknowledge)

        def acknowledge(now: float) -> None:
            tcp.acknowledged()
            send(now)

        def lost(now: float, sent: float) -> None:
            tcp.lost(sent, now)
            send(now)

        self._at(flow.start, send)

    def _through(self, flow: Flow, now: float, size: int, last: float) -> tuple[float, float | None]:
        """Send a packet over the link; return when its receiver knows of it, and when it arrived."""
        link = self._link
        capacity = link.at(now)
        if link.burst:
            self._tokens = min(link.burst, self._tokens + (now - self._filled_at) * capacity / 8)
            self._filled_at = now
            wait, passes = 0.0, self._tokens >= size
            self._tokens -= size if passes else 0
            leaves = now
        else:
            wait = max(0.0, self._free_at - now)
            passes = wait <= link.queue
            leaves = now + wait + (size * 8 / capacity if passes else 0)
            if passes:
                self._free_at = leaves
        jitter = min(abs(self._random.gauss(0, link.jitter)), 2 * link.jitter) if link.jitter else 0.0
        if link.stall and leaves % STALLED_EACH < link.stall:
            leaves += link.stall - leaves % STALLED_EACH
        known = max(last, leaves + flow.delay + jitter)
        passes = passes and not (link.loss and self._random.random() < link.loss)
        flow.waits.append((now, wait, passes))
        if passes:
            flow.arrivals.append((known, size))
        return known, known if passes else None


def run_link(link: Link, flows: Sequence[Flow], seconds: float, seed: int = 1) -> None:
    """Let flows share a link for a while. What became of them is in each flow."""
    _Run(link, flows, seed).until(seconds)
