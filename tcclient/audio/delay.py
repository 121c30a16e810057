"""How long to hold packets back: turns the arrival jitter of one stream into a play-out delay.

The *transit* of a packet is its arrival minus its media time, so it contains the unknown difference of two clocks. Only
the part above the least transit of the last seconds matters. This is the *relative delay*, and a jitter buffer must
cover it.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

import numpy as np

MIN_TARGET: Final = 0.010
"""Seconds, half a tick of the play-out: neither its clock nor that of the sender is exact enough for less."""
MAX_TARGET: Final = 0.400
"""Seconds. With more delay, speakers interrupt each other (ITU-T G.114). The loss of later packets is less harmful."""
START_TARGET: Final = 0.060
"""Seconds. Assumed until packets show a better value: three frames. Whoever begins is not cut off at once on a bad
line, and two seconds later a good one has its own value."""
FRAME: Final = 0.020
"""Seconds of the packets for which delays of the start are given. What is lost is missed with the next packet, so that
longer ones need as much more delay as they are longer."""
START_PACKETS, REPAIR_PACKETS = 100, 500
"""Packets for which the delay is not below that at the start: the first ones, and those after repaired ones, 10 s."""
NEAR_REPAIRS: Final = 50
"""Packets within which two are repaired where that tells of loss: 1 s."""
OFTEN_OVERTAKEN: Final = 0.1
"""Share of packets that are overtaken from which one that counts as repaired tells of no loss: it was overtaken, too,
and its way took as long as the request and its answer. With exponential jitter of 20 ms a fifth is overtaken, and one
in 200 counts as repaired. Where packets are only lost, none is overtaken."""
OVERTAKEN_PACKETS: Final = 200
"""Packets of which that share is taken: 4 s."""
PATIENT_PACKETS: Final = 3_000
"""Packets after those, a minute, in which a delay below ``UNHURRIED`` is worth little. If all of it were cut out at
once, PESQ would be 0.15 lower on a line without loss, although it is cut out in pauses."""
UNHURRIED: Final = 0.080
"""Seconds. What is above it is cut out in the first pauses, which costs nothing: PESQ 4.32 with 87 ms on average on a
line without loss or jitter. Of packets that are longer as much more stays. Where 80 ms were cut out of the 160 with
which packets of 40 ms begin, PESQ was 4.07, with 60 4.13."""
FEW_LATE: Final = 0.006
"""Share of late packets up to which one more costs little. With so many PESQ is 4.0 to 4.1 where it is 4.3 without."""
FEW_OVERTAKEN: Final = 0.011
"""The same where packets are often overtaken: PESQ is 3.9."""

_BUCKET: Final = 0.000_25
"""Seconds per bucket. The play-out chooses among delays that are a tick apart, and jitter often ends sharply."""
_BUCKETS: Final = round(MAX_TARGET / _BUCKET) + 1
_FORGET: Final = 0.9993
"""Per packet: half of the weight lies within the last 1,000 packets, 20 s of speech. Stalls come every few seconds."""
_ASSUMED: Final = 150
"""Punctual packets that are assumed before any came. Without them one that is late at the beginning would count as a
large share, and the delay would jump up and down."""
_START_WEIGHT: Final = 1.5
"""Weight of ``START_TARGET``, in packets: too little to be worth it after ``START_PACKETS``, where none is late."""
_LATE_COST: Final = 3.0
"""Seconds of delay that are accepted so that no packet is late: 30 ms for each per cent."""
_OVERTAKEN_COST: Final = 1.6
"""The same where packets are often overtaken. With exponential jitter of 20 ms PESQ is 3.9 at a mean delay of 108 ms
then, and 4.1 at 124 ms with the costs of other lines."""
_MANY_COST: Final = 16.0
"""The same, in addition, for what is above ``FEW_LATE`` or ``FEW_OVERTAKEN``: 160 ms for each per cent."""
_SHORT_COST: Final = 2.0
"""Seconds that each second costs by which the delay is below what a stall, or ``MIN_TARGET``, asks for: more than 1."""
_HURRY_COST: Final = 0.92
"""The same below ``UNHURRIED``, for ``PATIENT_PACKETS``. A tick less saves 1.6 ms then, too little for a
change, and two are worth one in a pause."""
_BASE_INTERVAL: Final = 0.5
"""Seconds that share one least transit."""
_BASE_INTERVALS: Final = 20
"""10 s of least transits: at 100 ppm of clock drift they are 1 ms wrong.

If every packet of an interval was later than ``MAX_TARGET``, the older minima are forgotten at once. No play-out delay
covers that, so the path has become longer.
"""
_SPIKE: Final = 0.100
"""Seconds above the usual delay that count as a stall of the network, and not as jitter (Moon, Kurose and Towsley
1998)."""
_SPIKE_HOLD: Final = 4.0
"""Seconds for which a stall is followed: after one stall, another one soon is likely."""
_SPIKE_HALF_LIFE: Final = 4.0
"""Seconds in which its effect is halved afterwards."""
_STALL_MEMORY: Final = 20.0
"""Seconds within which a second stall makes stalls usual, so that they count as jitter. One alone is followed."""
_LONGEST_BURST: Final = 0.5
"""Seconds after the first late packet of a stall in which the others arrive. What is late for longer is no stall."""


class Choice(NamedTuple):
    """The best delay among those that differ from the present one by whole steps."""

    steps: int
    """From the present delay to the best; below zero to a shorter one."""
    gain: float
    """Cost that it saves, in seconds of delay."""


class DelayEstimator:
    """Follows the transit of packets. ``target`` is the delay at which delay and late packets together cost least.

    Over a decaying histogram of relative delays, a delay D costs itself, 3 s times the share of packets that are later
    than D, and 16 s times the part of that share above 0.6 %. Where packets are often overtaken these are 1.6 s and
    1.1 %. The target is within 10 and 400 ms. A stall that is alone raises it at once for a while; stalls that come
    again and again count like all packets.

    The target begins with ``start``, what a packet needs that is lost and asked for again, and is not below it for the
    first two seconds and while packets are repaired. To raise the delay for the first of them would be heard. Then it
    is in no hurry for a minute to fall below 80 ms. Packets of ``frame`` seconds, longer than 20 ms, need as much more.
    """

    def __init__(self, start: float = START_TARGET, frame: float = FRAME) -> None:
        longer = max(0.0, frame - FRAME) if start > START_TARGET else 0.0
        start += longer
        self.target = start
        """Seconds between the earliest possible play-out of a sample and the wanted one."""
        self.base: float | None = None
        """The least transit of the last 10 s, or since the path became longer, in seconds; None before any packet."""
        self._minima: deque[tuple[float, float]] = deque(maxlen=_BASE_INTERVALS)
        self._histogram = np.zeros(_BUCKETS + 1)
        """Shares of packets by relative delay; the last bucket has those that no delay covers."""
        self._weight = _ASSUMED + _START_WEIGHT
        """Packets in the histogram, until some are forgotten."""
        self._assumed = _ASSUMED / self._weight
        """Share of the histogram that was assumed."""
        self._histogram[0] = self._assumed
        self._histogram[round(START_TARGET / _BUCKET)] = _START_WEIGHT / self._weight
        self._costs = _SHORT_COST * np.abs(_DELAYS - start)
        """Seconds, by delay."""
        self._start = start
        self._unhurried = min(start, UNHURRIED + longer)
        self._start_left = START_PACKETS
        """Packets for which the target is not below ``start``; below zero, those since."""
        self._since_repair = NEAR_REPAIRS
        """Packets since a repaired one, or ``NEAR_REPAIRS``."""
        self._packets = 0
        """Packets so far, or ``OVERTAKEN_PACKETS``."""
        self._overtaken = 0.0
        """Share of them that was overtaken."""
        self._usual = START_TARGET
        """The target, were there no stall."""
        self._stalled = False
        """Whether packets arrive that waited for the end of a stall."""
        self._stall_at = -_STALL_MEMORY
        """When the first packet of the latest stall arrived."""
        self._lone_stall = 0.0
        """Seconds by which that one was late, unless stalls are usual."""

    def forget_transit(self) -> None:
        """Forget the clocks, after one of them jumped. What is known of the jitter stays."""
        self._minima.clear()
        self.base = None

    def update(self, transit: float, now: float, *, in_order: bool = True, repaired: bool = False) -> None:
        """Take the transit of a packet, in seconds, that arrived at ``now``.

        A packet that is not ``in_order`` was overtaken, or lost at first and ``repaired``. Its lateness is no stall.
        """
        self._since_repair = min(self._since_repair + 1, NEAR_REPAIRS)
        self._start_left -= 1
        self._packets = min(self._packets + 1, OVERTAKEN_PACKETS)
        self._overtaken += ((not in_order and not repaired) - self._overtaken) / self._packets
        if repaired and self._overtaken < OFTEN_OVERTAKEN:
            self._assume_nothing()
            if self._since_repair < NEAR_REPAIRS:
                self._start_left = REPAIR_PACKETS
            self._since_repair = 0
        relative = transit - self._follow(transit, now)
        if in_order:
            self._notice_stall(relative, now)
        if self._counts(relative, now):
            forget = min(_FORGET, self._weight / (self._weight + 1))
            self._weight += 1
            self._histogram *= forget
            self._assumed *= forget
            self._histogram[min(int(relative / _BUCKET), _BUCKETS)] += 1 - forget
        self._retarget(now)

    def choose(self, delay: float, step: float) -> Choice:
        """Choose among ``delay`` and all that are longer or shorter by multiples of ``step``, in seconds."""
        bucket, stride = max(int(delay / _BUCKET), 0), round(step / _BUCKET)
        costs = self._costs[bucket % stride :: stride]
        best, here = int(np.argmin(costs)), bucket // stride
        cost = costs[here] if here < len(costs) else costs[-1] + delay - MAX_TARGET
        return Choice(best - here, float(cost - costs[best]))

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
        self._lone_stall = max(0.0, self._lone_stall - by)
        if by > MAX_TARGET:  # only the packets since then were so late, and the others still tell about jitter
            self._histogram[-1] = 0.0
        elif (buckets := round(by / _BUCKET)) > 0:
            usual = self._histogram[:-1]
            usual[0] = usual[: buckets + 1].sum()
            usual[1:] = np.concatenate((usual[buckets + 1 :], np.zeros(min(buckets, _BUCKETS - 1))))

    def _assume_nothing(self) -> None:
        """Forget the punctual packets that were assumed: where packets are lost, more will be."""
        if self._assumed:
            self._histogram[0] -= self._assumed
            self._histogram /= 1 - self._assumed
            self._weight *= 1 - self._assumed
            self._assumed = 0.0

    def _notice_stall(self, relative: float, now: float) -> None:
        if relative <= self._usual:
            self._stalled = False
        elif relative > self._usual + _SPIKE and not self._stalled:
            is_usual = now - self._stall_at < _STALL_MEMORY
            self._stalled, self._stall_at = True, now
            self._lone_stall = 0.0 if is_usual else min(relative, MAX_TARGET)

    def _counts(self, relative: float, now: float) -> bool:
        """Return whether the lateness of a packet tells how late others will be.

        That of an outage, longer than any delay, or of a stall that is alone, does not.
        """
        if not self._stalled or now > self._stall_at + _LONGEST_BURST:
            return True
        return not self._lone_stall and relative <= MAX_TARGET

    def _retarget(self, now: float) -> None:
        late = self._histogram.sum() - np.cumsum(self._histogram[:-1])
        is_overtaken = self._overtaken >= OFTEN_OVERTAKEN
        cost, few = (_OVERTAKEN_COST, FEW_OVERTAKEN) if is_overtaken else (_LATE_COST, FEW_LATE)
        costs = _DELAYS + cost * late + _MANY_COST * np.maximum(late - few, 0.0)
        self._usual = float(_DELAYS[np.argmin(costs)])
        age = now - self._stall_at - _SPIKE_HOLD
        expected = self._lone_stall * 0.5 ** max(age / _SPIKE_HALF_LIFE, 0.0)
        self._costs = costs + _SHORT_COST * np.maximum(max(expected, MIN_TARGET) - _DELAYS, 0.0)
        if self._start > START_TARGET and self._start_left > -PATIENT_PACKETS:
            is_held = self._start_left > 0
            cost, below = (_SHORT_COST, self._start) if is_held else (_HURRY_COST, self._unhurried)
            self._costs += cost * np.maximum(below - _DELAYS, 0.0)
        self.target = float(_DELAYS[np.argmin(self._costs)])


_DELAYS: Final = _BUCKET * np.arange(_BUCKETS)
