"""How long to hold packets back: turns the arrival jitter of one stream into a play-out delay.

The *transit* of a packet is its arrival minus its media time, so it contains the unknown difference of two clocks. Only
the part above the least transit of the last seconds matters. This is the *relative delay*, and a jitter buffer must
cover it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

MIN_TARGET: Final = 0.020
"""Seconds. The tick of the play-out: with less, a punctual frame misses every other tick."""
MAX_TARGET: Final = 0.400
"""Seconds. With more delay, speakers interrupt each other (ITU-T G.114). The loss of later packets is less harmful."""
START_TARGET: Final = 0.040
"""Seconds. Assumed until packets show a better value: two frames, enough for a wired link."""

_BUCKET: Final = 0.005
"""Seconds per bucket: finer than anybody can hear, coarse enough to fill."""
_BUCKETS: Final = round(MAX_TARGET / _BUCKET)
_FORGET: Final = 0.998
"""Per packet: half of the weight lies within the last 350 packets, 7 s of speech."""
_LATE_COST: Final = 2.0
"""Seconds of delay that are accepted so that no packet is late: 20 ms for each per cent."""
_REPAIRED_WEIGHT: Final = 6.0
"""How many times a repaired packet counts. Jitter goes by, but a network that loses packets goes on losing them, and
what is not waited for is a gap each time. One per cent of gaps is as bad as 100 ms of delay (ITU-T G.107).
"""
_BASE_INTERVAL: Final = 0.5
"""Seconds that share one least transit."""
_BASE_INTERVALS: Final = 20
"""10 s of least transits: at 100 ppm of clock drift they are 1 ms wrong.

If every packet of an interval was later than ``MAX_TARGET``, the older minima are forgotten at once. No play-out delay
covers that, so the path has become longer.
"""
_SPIKE: Final = 0.100
"""Seconds above the target that count as a stall of the network, and not as jitter (Moon, Kurose and Towsley 1998)."""
_SPIKE_HALF_LIFE: Final = 5.0
"""Seconds in which the effect of a stall is halved: after one stall, another one soon is likely."""


class DelayEstimator:
    """Follows the transit of packets. ``target`` is the delay at which delay and late packets together cost least.

    Over a decaying histogram of relative delays, ``target = argmin_D [D + 2 s * P(relative delay > D)]``, within 20 and
    400 ms. A stall raises it at once, and its effect is then halved again and again.
    """

    def __init__(self) -> None:
        self.target = START_TARGET
        """Seconds between the earliest possible play-out of a sample and the wanted one."""
        self.base: float | None = None
        """The least transit of the last 10 s, or since the path became longer, in seconds; None before any packet."""
        self._minima: deque[tuple[float, float]] = deque(maxlen=_BASE_INTERVALS)
        self._histogram = np.zeros(_BUCKETS + 1)
        self._histogram[round(START_TARGET / _BUCKET) - 1] = 1.0
        self._updates = 0
        self._spike = 0.0
        self._spike_at = 0.0

    def forget_transit(self) -> None:
        """Forget the clocks, after one of them jumped. What is known of the jitter stays."""
        self._minima.clear()
        self.base = None

    def update(self, transit: float, now: float, *, repaired: bool = False) -> None:
        """Take the transit of a packet, in seconds, that arrived at ``now``.

        A ``repaired`` packet was lost at first. It is late for another reason than a stall of the network.
        """
        relative = transit - self._follow(transit, now)
        self._updates += 1
        # All packets weigh the same until there are enough of them to forget some. So the assumed value soon has little
        # weight.
        forget = min(_FORGET, self._updates / (self._updates + 1))
        self._histogram *= forget
        self._histogram[min(int(relative / _BUCKET), _BUCKETS)] += (1 - forget) * (_REPAIRED_WEIGHT if repaired else 1)
        self._retarget(0.0 if repaired else relative, now)

    def _follow(self, transit: float, now: float) -> float:
        """Return the base, with this packet included."""
        minima, before = self._minima, self.base
        if not minima or now - minima[-1][0] >= _BASE_INTERVAL:
            if before is not None and minima and minima[-1][1] - before > MAX_TARGET:
                while len(minima) > 1:
                    minima.popleft()
            minima.append((now, transit))
        elif transit < minima[-1][1]:
            minima[-1] = (minima[-1][0], transit)
        base = self.base = min(least for _, least in minima)
        if before is not None and base > before:
            self._raised(base - before)
        return base

    def _raised(self, by: float) -> None:
        """Count the packets so far from the new base on. Otherwise a longer path would look like jitter."""
        self._spike = max(0.0, self._spike - by)
        if by > MAX_TARGET:  # only the packets since then were so late, and the others still tell about jitter
            self._histogram[-1] = 0.0
        elif (buckets := round(by / _BUCKET)) > 0:
            usual = self._histogram[:-1]
            usual[0] = usual[: buckets + 1].sum()
            usual[1:] = np.concatenate((usual[buckets + 1 :], np.zeros(min(buckets, _BUCKETS - 1))))

    def _retarget(self, relative: float, now: float) -> None:
        late = self._histogram.sum() - np.cumsum(self._histogram[:-1])
        costs = _DELAYS + _LATE_COST * late
        usual = float(_DELAYS[int(np.argmin(costs))])
        expected = self._spike * 0.5 ** ((now - self._spike_at) / _SPIKE_HALF_LIFE)
        if relative > max(usual + _SPIKE, expected):
            expected = relative
            self._spike, self._spike_at = relative, now
        self.target = min(max(usual, expected, MIN_TARGET), MAX_TARGET)


_DELAYS: Final = _BUCKET * np.arange(1, _BUCKETS + 1)
