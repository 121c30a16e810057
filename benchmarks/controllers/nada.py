"""NADA as in RFC 8698, with the parameters of its section 4.2, and a bound of the signal."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import exp

from benchmarks.harness.bottleneck import REPORT_INTERVAL, Packet

PRIORITY, KAPPA, ETA, TAU = 1.0, 0.5, 2.0, 0.5
REFERENCE = 0.01
"""XREF, in seconds."""
WARP_FROM, WARP, WARP_AFTER = 0.05, 0.5, 7
"""QTH in seconds, LAMBDA, MULTILOSS."""
LOSS_DELAY, LOSS_REFERENCE, LOSS_ALPHA = 0.01, 0.01, 0.1
"""DLOSS in seconds, PLRREF, ALPHA."""
MOST_SIGNAL = 0.5
"""Seconds. Without a bound a loss of half of the packets counts as 25 s, and its end has ten times more sent."""
QUEUE_EPSILON, LOG_WINDOW, FILTER_DELAY, QUEUE_BOUND, MOST_GROWTH = 0.01, 0.5, 0.12, 0.05, 0.5
LEAST = 30e3
FILTER = 15
"""Packets over which the least delay is taken."""


class Nada:
    """See the module's text."""

    window = float("inf")

    def __init__(self, start: float, most: float) -> None:
        self.bitrate = start
        self._most = most
        self._base = float("inf")
        self._loss = 0.0
        self._interval: float | None = None
        """Packets from one loss to the next, smoothed."""
        self._since_loss = 0
        self._received: deque[tuple[float, int]] = deque()
        self._log: deque[tuple[float, float, bool]] = deque()
        """Time, longest wait and whether anything was lost, of the last reports."""
        self._signal = 0.0
        self._reported_at: float | None = None
        self._round_trip = 0.0

    def report(self, now: float, packets: Sequence[Packet]) -> None:
        """Take a report."""
        step = REPORT_INTERVAL if self._reported_at is None else now - self._reported_at
        self._reported_at = now
        delays = []
        for packet in packets:
            self._since_loss += 1
            if packet.arrived is None:
                known = self._interval
                self._interval = self._since_loss if known is None else 0.9 * known + 0.1 * self._since_loss
                self._since_loss = 0
                continue
            delays.append(packet.arrived - packet.sent)
            self._received.append((packet.arrived, packet.size))
        if not delays:
            return
        self._base = min(self._base, *delays)
        self._round_trip = now - packets[-1].sent
        lost = 1 - len(delays) / len(packets)
        self._loss += LOSS_ALPHA * (lost - self._loss)
        self._log.append((now, max(delays) - self._base, lost > 0))
        while self._log[0][0] < now - LOG_WINDOW:
            self._log.popleft()
        wait = min(delays[-FILTER:]) - self._base
        signal = self._warped(wait) + LOSS_DELAY * (self._loss / LOSS_REFERENCE) ** 2
        before, self._signal = self._signal, min(MOST_SIGNAL, signal)
        if all(longest < QUEUE_EPSILON and not lossy for _, longest, lossy in self._log):
            growth = min(MOST_GROWTH, QUEUE_BOUND / (self._round_trip + REPORT_INTERVAL + FILTER_DELAY))
            rate = max(self.bitrate, (1 + growth) * self._receiving_rate())
        else:
            offset = self._signal - PRIORITY * REFERENCE * self._most / self.bitrate
            change = KAPPA * step / TAU * offset / TAU + KAPPA * ETA * (self._signal - before) / TAU
            rate = self.bitrate * (1 - change)
        self.bitrate = min(self._most, max(LEAST, rate))

    def _warped(self, wait: float) -> float:
        """Return the wait; less if it is long and something was lost of late, since others go by loss then."""
        recent = self._interval is not None and self._since_loss < WARP_AFTER * self._interval
        return WARP_FROM * exp(-WARP * (wait - WARP_FROM) / WARP_FROM) if recent and wait > WARP_FROM else wait

    def _receiving_rate(self) -> float:
        received = self._received
        while received[0][0] < received[-1][0] - LOG_WINDOW:
            received.popleft()
        return 8 * sum(size for _, size in received) / LOG_WINDOW
