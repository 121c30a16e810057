"""How long to hold packets back: the arrival jitter of one stream, turned into a play-out delay.

The *transit* of a packet is its arrival minus its media time, so it contains the unknown difference of two clocks.
Only its excess over the least transit of the last seconds matters: the *relative delay*, which is what a jitter buffer
must cover.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

MIN_TARGET: Final = 0.020
"""Seconds. The tick of the play-out: with less, a frame that is punctual misses every other tick."""
MAX_TARGET: Final = 0.400
"""Seconds. With more delay, speakers interrupt each other (ITU-T G.114); losing later packets is the lesser evil."""
START_TARGET: Final = 0.040
"""Seconds. Assumed until packets show better: two frames, enough for a wired link."""

_BUCKET: Final = 0.005
"""Seconds per bucket: finer than anybody hears, coarse enough to fill."""
_BUCKETS: Final = round(MAX_TARGET / _BUCKET)
_FORGET: Final = 0.998
"""Per packet: half of the weight lies within the last 350 packets, 7 s of speech."""
_LATE_COST: Final = 2.0
"""Seconds of delay that we would pay to make no packet late: 20 ms for each per cent."""
_BASE_INTERVAL: Final = 0.5
"""Seconds that share one least transit."""
_BASE_INTERVALS: Final = 20
"""10 s of least transits: at 100 ppm of clock drift they are 1 ms wrong.

An interval in which every packet was later than ``MAX_TARGET`` ends them sooner: no play-out delay covers that, so the
way has become longer, whatever it was before.
"""
_SPIKE: Final = 0.100
"""Seconds above the target that make a stall of the network, and not jitter (Moon, Kurose and Towsley 1998)."""
_SPIKE_HALF_LIFE: Final = 5.0
"""Seconds: a second stall within it is half expected."""


class DelayEstimator:
    """Follows the transit of packets; ``target`` is the delay at which delay and lateness together cost least.

    Over a decaying histogram of relative delays, ``target = argmin_D [D + 2 s * P(relative delay > D)]``, within 20 and
    400 ms. A stall raises it at once, and is forgotten by halves.
    """

    def __init__(self) -> None:
        self.target = START_TARGET
        """Seconds between the earliest possible play-out of a sample and the wanted one."""
        self.base: float | None = None
        """The least transit of the last 10 s, or since the way became longer, in seconds; None before any packet."""
        self._minima: deque[tuple[float, float]] = deque(maxlen=_BASE_INTERVALS)
        self._histogram = np.zeros(_BUCKETS + 1)
        self._histogram[round(START_TARGET / _BUCKET) - 1] = 1.0
        self._updates = 0
        self._spike = 0.0
        self._spike_at = 0.0

    def forget_transit(self) -> None:
        """Forget the clocks, after a jump of one; what is known about the jitter stays."""
        self._minima.clear()
        self.base = None

    def update(self, transit: float, now: float) -> None:
        """Take the transit of one packet, in seconds, that arrived at ``now``."""
        relative = transit - self._follow(transit, now)
        self._updates += 1
        # All packets weigh the same until there are enough to forget any, so that the first guess is soon outvoted.
        forget = min(_FORGET, self._updates / (self._updates + 1))
        self._histogram *= forget
        self._histogram[min(int(relative / _BUCKET), _BUCKETS)] += 1 - forget
        self._retarget(relative, now)

    def _follow(self, transit: float, now: float) -> float:
        """Return the base, with this packet in it."""
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
        """Count the packets seen so far from the new base on. Otherwise a longer path would look like jitter."""
        self._spike = max(0.0, self._spike - by)
        if by > MAX_TARGET:  # nothing but the packets since then was so late, and the others tell about jitter still
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
