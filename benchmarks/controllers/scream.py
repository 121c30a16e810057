"""SCReAM v2 without ECN: draft-johansson-ccwg-rfc8298bis, with the values that it recommends."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from benchmarks.harness.bottleneck import Packet

LOW_TARGET, HIGH_TARGET = 0.06, 0.4
"""Seconds of queue that are aimed at: alone, and at most beside others."""
LEAST_WINDOW, SEGMENT = 3000, 1000
"""Bytes."""
LOSS_BETA, HEADROOM, CAUTION, GROWTH = 0.7, 1.5, 100, 0.02
VIRTUAL_ROUND_TRIP = 0.025
ATTACK, DEVIATION_GAIN, DEVIATION_NORM, LEAST_SCALE = 0.25, 1 / 64, 0.025, 0.1
LEAST_OVERHEAD, MOST_OVERHEAD = 1.5, 3.0
BASE_SPAN = 60
LEAST = 30e3


class Scream:
    """See the module's text. ``bitrate`` is the target rate, and ``window`` what may be on the way."""

    def __init__(self, start: float, most: float) -> None:
        self.bitrate = start
        self._most = most
        self._round_trip = 0.1
        self._reference = max(LEAST_WINDOW, start * self._round_trip / 8)
        self._inflection = 1.0
        self._bases: deque[tuple[int, float]] = deque()
        """The least delay of each second."""
        self._average = self._deviation = 0.0
        self._history: deque[float] = deque(maxlen=200)
        self._target = LOW_TARGET
        self._lossy = 0.0
        """Share of reports with loss, smoothed."""
        self._in_flight = deque([0.0], maxlen=20)
        """Bytes that were on the way at the last reports."""
        self._congested_at = self._reacted_at = self._inflected_at = float("-inf")

    @property
    def window(self) -> float:
        """Bytes that may be on the way."""
        threshold = self._threshold()
        calm = max(0.0, (threshold - self._deviation) / threshold)
        return self._reference * (LEAST_OVERHEAD + (MOST_OVERHEAD - LEAST_OVERHEAD) * calm)

    def report(self, now: float, packets: Sequence[Packet]) -> None:
        """Take a report."""
        delays = [packet.arrived - packet.sent for packet in packets if packet.arrived is not None]
        if not delays:
            return
        acked = sum(packet.size for packet in packets if packet.arrived is not None)
        self._round_trip += (now - packets[-1].sent - self._round_trip) / 8
        self._in_flight.append(self.bitrate * self._round_trip / 8)
        wait = delays[-1] - self._base(now, min(delays))
        self._average = wait if wait < self._average else ATTACK * wait + (1 - ATTACK) * self._average
        over = min(1.5 * self._threshold(), max(0.0, (wait - DEVIATION_NORM / 4) / DEVIATION_NORM))
        self._deviation += DEVIATION_GAIN * (over - self._deviation)
        lost = len(delays) < len(packets)
        self._lossy += (lost - self._lossy) / 16
        self._adjust_target(wait)
        close = min(1.0, max(0.1, (8 * (self._reference - self._inflection) / self._inflection) ** 2))
        self._reduce(now, lost)
        self._increase(now, acked, close)
        self.bitrate = min(self._most, max(LEAST, 8 * self._reference / self._round_trip))

    def _base(self, now: float, least: float) -> float:
        bases, second = self._bases, int(now)
        if bases and bases[-1][0] == second:
            bases[-1] = second, min(bases[-1][1], least)
        else:
            bases.append((second, least))
        while bases[0][0] <= second - BASE_SPAN:
            bases.popleft()
        return min(base for _, base in bases)

    def _threshold(self) -> float:
        return max(0.05, 0.1 * (1 - SEGMENT / self._reference / 0.1))

    def _adjust_target(self, wait: float) -> None:
        """Aim at a longer queue where others hold one."""
        self._history.append(wait / LOW_TARGET)
        history = list(self._history)
        mean = sum(history) / len(history)
        variance = sum((norm - mean) ** 2 for norm in history) / len(history)
        wanted = LOW_TARGET * (sum(history[-50:]) / len(history[-50:]) + variance**0.5)
        if self._lossy > 0.002:
            self._target = 1.5 * wanted
        elif variance < 0.2:
            self._target = wanted
        elif wanted < LOW_TARGET:
            self._target = max(0.5 * self._target, wanted)
        else:
            self._target *= 0.9
        self._target = min(HIGH_TARGET, max(LOW_TARGET, self._target))

    def _reduce(self, now: float, lost: bool) -> None:
        if lost:
            self._congested_at = now
        if now - self._reacted_at < min(VIRTUAL_ROUND_TRIP, self._round_trip):
            return
        half = self._target / 2
        if not lost and self._average <= half:
            return
        if now - self._inflected_at > 10 * self._round_trip:
            self._inflected_at, self._inflection = now, self._reference
        if lost:
            self._reference *= LOSS_BETA
        else:
            marked = min(1.0, (self._average - half) / half)
            self._reference *= 1 - marked / 2 / max(1.0, self._round_trip / VIRTUAL_ROUND_TRIP)
        self._reference = max(LEAST_WINDOW, self._reference)
        self._reacted_at = now

    def _increase(self, now: float, acked: int, close: float) -> None:
        pause = CAUTION * max(VIRTUAL_ROUND_TRIP, self._round_trip)
        calm = min(1.0, (now - self._congested_at) / pause)
        threshold = self._threshold()
        increment = acked * SEGMENT / self._reference * min(1.0, self._round_trip / VIRTUAL_ROUND_TRIP)
        increment *= max(0.25, close) * max(LEAST_SCALE, (threshold - self._deviation) / threshold)
        increment *= 1 + GROWTH * self._reference / SEGMENT * calm * close
        allowed = SEGMENT + HEADROOM * max(self._in_flight)
        if self._reference + increment <= allowed and self.bitrate < self._most:
            self._reference += increment
