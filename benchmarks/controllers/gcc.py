"""Google Congestion Control: draft-ietf-rmcat-gcc-02 by delay, and the maximum likelihood of libwebrtc (v2) by loss.

It sends no probes, as all others here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import ceil, log, sqrt

from benchmarks.harness.bottleneck import REPORT_INTERVAL, Packet

GROUP = 0.005
"""Seconds of sending that make a group of packets."""
TREND_GROUPS, TREND_SMOOTHING, TREND_GAIN, MOST_DELTAS = 20, 0.9, 4.0, 60
THRESHOLD, LEAST_THRESHOLD, MOST_THRESHOLD = 12.5, 6.0, 600.0
THRESHOLD_UP, THRESHOLD_DOWN, THRESHOLD_SKIP = 0.0087, 0.039, 15.0
OVERUSE = 10.0
"""ms."""
BETA, GROWTH, LEAST_GROWTH = 0.85, 1.08, 4e3
ACKED_WINDOW = 0.5
LOSS_OBSERVATION, LOSS_WINDOW, LOSS_WEIGHT = 0.25, 15, 0.9
CANDIDATES = (1.02, 1.0, 0.95)
INHERENT_GRID = 8
INHERENT_LEAST, INHERENT_OFFSET, INHERENT_BALANCE = 1e-3, 0.05, 100e3
BIAS = 1e-3
LEAST = 30e3


class _Trend:
    """Whether delays rise, from the groups of packets."""

    def __init__(self) -> None:
        self.state = 0
        """1: overuse, -1: underuse."""
        self._group: list[float] | None = None
        """First and last time of sending, and last arrival."""
        self._before: list[float] | None = None
        self._points: deque[tuple[float, float]] = deque(maxlen=TREND_GROUPS)
        self._accumulated = self._smoothed = self._slope = 0.0
        self._deltas = 0
        self._threshold = THRESHOLD
        self._over_for = -1.0
        self._over_count = 0
        self._updated_at: float | None = None

    def arrived(self, sent: float, arrived: float) -> None:
        group = self._group
        if group is not None and sent - group[0] <= GROUP:
            group[1], group[2] = sent, max(arrived, group[2])
            return
        if group is not None and self._before is not None:
            departures = 1e3 * (group[1] - self._before[1])
            self._update(1e3 * (group[2] - self._before[2]) - departures, departures, 1e3 * group[2])
        self._before, self._group = group, [sent, sent, arrived]

    def _update(self, difference: float, departures: float, at: float) -> None:
        self._deltas += 1
        self._accumulated += difference
        self._smoothed = TREND_SMOOTHING * self._smoothed + (1 - TREND_SMOOTHING) * self._accumulated
        self._points.append((at, self._smoothed))
        before = self._slope
        if len(self._points) == TREND_GROUPS:
            self._slope = _slope(self._points)
        modified = min(self._deltas, MOST_DELTAS) * self._slope * TREND_GAIN
        if modified > self._threshold:
            self._over_for = departures / 2 if self._over_for < 0 else self._over_for + departures
            self._over_count += 1
            if self._over_for > OVERUSE and self._over_count > 1 and self._slope >= before:
                self._over_for, self._over_count, self.state = 0.0, 0, 1
        else:
            self._over_for, self._over_count = -1.0, 0
            self.state = -1 if modified < -self._threshold else 0
        self._adapt(abs(modified), at)

    def _adapt(self, modified: float, at: float) -> None:
        passed = 0.0 if self._updated_at is None else min(at - self._updated_at, 100.0)
        self._updated_at = at
        if modified <= self._threshold + THRESHOLD_SKIP:
            gain = THRESHOLD_DOWN if modified < self._threshold else THRESHOLD_UP
            changed = self._threshold + gain * (modified - self._threshold) * passed
            self._threshold = min(MOST_THRESHOLD, max(LEAST_THRESHOLD, changed))


class _LossBased:
    """The bandwidth that explains best what was lost: a share that the link always loses, and what is too much."""

    def __init__(self) -> None:
        self.bandwidth: float | None = None
        self._observations: deque[tuple[int, int, float]] = deque(maxlen=LOSS_WINDOW)
        """Packets, lost ones and bits per second sent."""
        self._packets: list[Packet] = []

    def report(self, packets: Sequence[Packet], delay_based: float, acked: float) -> None:
        self._packets += packets
        span = self._packets[-1].sent - self._packets[0].sent
        if span < LOSS_OBSERVATION:
            return
        lost = sum(packet.arrived is None for packet in self._packets)
        bits = 8 * sum(packet.size for packet in self._packets)
        self._observations.appendleft((len(self._packets), lost, bits / span))
        self._packets = []
        current = delay_based if self.bandwidth is None else self.bandwidth
        tried = {factor * current for factor in CANDIDATES} | {max(acked, LEAST), delay_based}
        best = max(tried, key=self._value)
        share = sum(lost for _, lost, _ in self._observations) / sum(count for count, _, _ in self._observations)
        if share > INHERENT_OFFSET:
            best = min(best, INHERENT_BALANCE / (share - INHERENT_OFFSET))
        self.bandwidth = min(best, delay_based) if best < current or acked > 0.65 * current else current

    def _value(self, bandwidth: float) -> float:
        most = min(1.0, INHERENT_OFFSET + INHERENT_BALANCE / bandwidth)
        shares = (INHERENT_LEAST + (most - INHERENT_LEAST) * i / INHERENT_GRID for i in range(INHERENT_GRID + 1))
        return max(self._likelihood(bandwidth, share) for share in shares)

    def _likelihood(self, bandwidth: float, inherent: float) -> float:
        found, weight = 0.0, 1.0
        for packets, lost, rate in self._observations:
            share = inherent + (1 - inherent) * (rate - bandwidth) / rate if rate > bandwidth else inherent
            share = min(1 - 1e-6, max(1e-6, share))
            found += weight * (lost * log(share) + (packets - lost) * log(1 - share) + BIAS * log(bandwidth) * packets)
            weight *= LOSS_WEIGHT
        return found


class Gcc:
    """See the module's text."""

    window = float("inf")

    def __init__(self, start: float, most: float) -> None:
        self.bitrate = self._delay_based = start
        self._most = most
        self._trend = _Trend()
        self._loss = _LossBased()
        self._acked: deque[tuple[float, int]] = deque()
        self._is_held = False
        self._capacity: float | None = None
        """Bits per second that arrived in overuse, smoothed, and its relative variance."""
        self._variance = 0.4
        self._reported_at: float | None = None

    def report(self, now: float, packets: Sequence[Packet]) -> None:
        """Take a report."""
        arrived = sorted((packet.arrived, packet) for packet in packets if packet.arrived is not None)
        for at, packet in arrived:
            self._trend.arrived(packet.sent, at)
            self._acked.append((at, packet.size))
        if len(self._acked) < 3:
            return
        while self._acked[0][0] < self._acked[-1][0] - ACKED_WINDOW:
            self._acked.popleft()
        span = max(0.05, self._acked[-1][0] - self._acked[0][0])
        acked = 8 * sum(size for _, size in list(self._acked)[1:]) / span
        step = REPORT_INTERVAL if self._reported_at is None else now - self._reported_at
        self._reported_at = now
        self._by_delay(acked, step, now - packets[-1].sent)
        self._delay_based = min(self._most, max(LEAST, self._delay_based))
        self._loss.report(packets, self._delay_based, acked)
        self.bitrate = self._delay_based if self._loss.bandwidth is None else self._loss.bandwidth
        self.bitrate = min(self._delay_based, max(LEAST, self.bitrate))

    def _by_delay(self, acked: float, step: float, round_trip: float) -> None:
        if self._trend.state > 0:
            if self._capacity is not None and acked < self._capacity - self._spread():
                self._capacity = None
            self._learn(acked)
            self._delay_based = min(self._delay_based, BETA * acked)
            self._trend.state = 0
            self._is_held = True
        elif self._trend.state < 0:
            self._is_held = True
        elif self._is_held:
            self._is_held = False
        else:
            if self._capacity is not None and acked > self._capacity + self._spread():
                self._capacity = None
            if self._capacity is None:
                grown = max(self._delay_based * GROWTH ** min(step, 1.0), self._delay_based + 1e3 * step)
            else:
                frame = self._delay_based / 30
                packet = frame / ceil(frame / 9600)
                grown = self._delay_based + max(LEAST_GROWTH, packet / (2 * (round_trip + 0.1))) * step
            self._delay_based = max(self._delay_based, min(grown, 1.5 * acked + 10e3))

    def _spread(self) -> float:
        return 3 * sqrt(self._variance * (self._capacity or 0.0) * 1e3)

    def _learn(self, acked: float) -> None:
        known = acked if self._capacity is None else self._capacity
        self._capacity = 0.95 * known + 0.05 * acked
        relative = (acked - known) ** 2 / max(known, 1.0) / 1e3
        self._variance = min(2.5, max(0.4, 0.95 * self._variance + 0.05 * relative))


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the line with the least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    squares = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / squares if squares else 0.0
